// Runs before the first paint: a dark page must not flash white. No module and
// no inline script, because the content security policy allows neither late nor inline.
try {
  var theme = localStorage.getItem("switchhook.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // Storage is switched off: the system decides.
}
