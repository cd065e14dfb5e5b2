// Before the first paint: the scheme that the reader chose, and that scripts run at all.
document.documentElement.dataset.scripted = '';
try {
  const chosen = localStorage.getItem('scheme');
  if (chosen) document.documentElement.dataset.scheme = chosen;
} catch {
  // Storage is off: the system's scheme it is.
}
