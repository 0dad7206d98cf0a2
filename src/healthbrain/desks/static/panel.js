/* The side panel: detail beside the list, kept in the address as #panel=/path, and masked values on demand. */
(() => {
  "use strict";
  const hb = window.healthbrain;
  const panel = document.getElementById("panel");
  let before = null;

  function safe(path) {
    return path.startsWith("/") && !path.startsWith("//");
  }
  async function open(path, push) {
    if (!panel || !safe(path)) return;
    if (panel.hidden) before = document.activeElement;
    panel.hidden = false;
    panel.setAttribute("aria-busy", "true");
    const waiting = setTimeout(() => { panel.innerHTML = '<span class="skeleton"></span><span class="skeleton"></span><span class="skeleton short"></span>'; }, 300);
    const answer = await fetch(path, { headers: { "HX-Request": "true", "HX-Target": "panel" }, credentials: "same-origin" });
    clearTimeout(waiting);
    if (answer.status === 401) { location.href = "/sign-in"; return; }
    panel.innerHTML = await answer.text();
    panel.removeAttribute("aria-busy");
    window.htmx.process(panel);
    hb.charts(panel);
    panel.scrollTop = 0;
    panel.focus();
    if (push) history.replaceState(null, "", `${location.pathname}${location.search}#panel=${encodeURI(path)}`);
  }
  hb.openPanel = (path) => open(path, true);
  hb.closePanel = () => {
    if (!panel || panel.hidden) return;
    panel.hidden = true;
    panel.innerHTML = "";
    history.replaceState(null, "", location.pathname + location.search);
    if (before && before.isConnected) before.focus();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) return hb.closePanel();
    const link = event.target.closest("a[data-panel]");
    if (link && panel && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      open(link.getAttribute("href"), true);
      return;
    }
    const button = event.target.closest("[data-reveal]");
    if (button) reveal(button);
  });
  function fromAddress() {
    const wanted = decodeURI(location.hash).match(/^#panel=(\/.*)$/);
    if (wanted) open(wanted[1], false);
  }
  window.addEventListener("hashchange", fromAddress);
  fromAddress();

  /* A masked value: ask for a reason, tell the server, show what it answers. */
  function reveal(button) {
    const dialog = hb.openDialog("reveal");
    const field = document.getElementById("reveal-reason");
    field.value = "";
    field.focus();
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "show" || !field.value.trim()) return;
      const answer = await fetch(button.dataset.reveal, {
        method: "POST",
        credentials: "same-origin",
        headers: { Accept: "application/json", "X-CSRFToken": document.body.dataset.csrf, "Content-Type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ reason: field.value.trim() }),
      });
      const told = await answer.json().catch(() => ({ message: "" }));
      if (answer.ok) {
        button.parentElement.querySelector("[data-value]").textContent = told.value;
        button.remove();
      } else hb.announce(told.message);
    }, { once: true });
  }
})();
