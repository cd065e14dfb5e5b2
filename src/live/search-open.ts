/** Opens search with `/` or the button; what searches is loaded then. */
async function open(): Promise<void> {
  const { openSearch } = await import('./search.ts');
  openSearch();
}

document.addEventListener('click', (event) => {
  if (event.target instanceof Element && event.target.closest('.search-open')) void open();
});

document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target.isContentEditable || target.closest('input, textarea, select')) return;
  event.preventDefault();
  void open();
});
