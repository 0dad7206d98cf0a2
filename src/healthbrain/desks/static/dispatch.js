/* The dispatcher's desk: clocks that run, digits that answer, a map that places, Enter that sends. */
(() => {
  "use strict";
  const hb = window.healthbrain;
  const born = performance.now();

  /* Clocks count on from what the server said; each region knows when it came. */
  const came = new WeakMap();
  function words(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  }
  setInterval(() => {
    hb.all("[data-clock]").forEach((node) => {
      if (!came.has(node)) came.set(node, document.body.contains(node) && performance.now() - born < 1500 ? born : performance.now());
      const seconds = Number(node.dataset.clock) + (performance.now() - came.get(node)) / 1000;
      node.textContent = words(seconds);
      const limit = Number(node.dataset.limit || 0);
      const clock = node.closest(".clock");
      if (limit && clock) clock.classList.toggle("over", seconds > limit);
    });
  }, 1000);

  /* A choice being made is not swept away by a renewal. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const region = event.detail.target;
    if (region.id === "advice" && hb.one("details[open]", region)) event.detail.shouldSwap = false;
  });

  function place(form, x, y, how, name) {
    form.elements.x.value = x;
    form.elements.y.value = y;
    form.elements.how.value = how;
    if (name !== undefined) form.elements.place.value = name;
    form.submit();
  }
  const typed = hb.one("#place-form");
  if (typed) {
    typed.addEventListener("submit", (event) => {
      const first = hb.one("#places form");
      if (event.submitter && event.submitter.dataset.place !== undefined) {
        event.preventDefault();
        const { x, y, name, how } = event.submitter.dataset;
        return place(typed, x, y, how, name);
      }
      event.preventDefault(); /* Enter in the search field takes the first place found */
      if (first) first.submit();
    });
  }
  document.addEventListener("click", (event) => {
    const map = event.target.closest("[data-map]");
    if (!map || !map.dataset.form) return;
    const form = document.getElementById(map.dataset.form);
    const box = map.getBoundingClientRect();
    const seen = map.viewBox.baseVal;
    const scale = Math.min(box.width / seen.width, box.height / seen.height);
    const px = (event.clientX - box.left - (box.width - seen.width * scale) / 2) / scale;
    const py = (event.clientY - box.top - (box.height - seen.height * scale) / 2) / scale;
    const x = Number(map.dataset.left) + px / Number(map.dataset.across);
    const y = Number(map.dataset.top) - py / Number(map.dataset.up);
    place(form, x.toFixed(5), y.toFixed(5), "map");
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || hb.one("dialog[open]")) return;
    if (event.target.closest("input, select, textarea")) return;
    const press = (selector) => { const node = hb.one(selector); if (node) { event.preventDefault(); node.click(); } };
    if (event.key === "n") return press("[data-new]");
    if (event.key === "a") { const field = hb.one("#place"); if (field) { event.preventDefault(); field.focus(); field.select(); } return; }
    if (event.key === "Enter" && event.target === document.body) return press("[data-send-first]:not([disabled])");
    if (/^[1-9]$/.test(event.key) || event.key === "Backspace") press(`[data-press="${event.key}"]`);
  });

  /* One press sends once. */
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    const form = event.target;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
  });
})();
