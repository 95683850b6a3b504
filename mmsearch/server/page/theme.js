// Runs before the page is painted, so that nobody who chose dark sees a flash of white.
// A classic script: modules wait until the page is parsed.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("mmsearch.theme");
  } catch {
    // Storage is off in this browser: the system's scheme it is.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
