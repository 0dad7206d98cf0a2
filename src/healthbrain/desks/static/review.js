/* Match review by keyboard: a digit presses the button that carries it. Typing in a field is left alone. */
(() => {
  "use strict";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea") || document.querySelector("dialog[open]")) return;
    const button = document.querySelector(`[data-press="${CSS.escape(event.key)}"]`);
    if (button) { event.preventDefault(); button.click(); }
  });
})();
