const root = document.documentElement;

document.addEventListener('click', (event) => {
  if (!(event.target instanceof Element) || !event.target.closest('.scheme-switch')) return;
  const dark = root.dataset.scheme
    ? root.dataset.scheme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.scheme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('scheme', root.dataset.scheme);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
});
