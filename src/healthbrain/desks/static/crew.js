/* The crew's phone: a press or a file is kept on the phone until the server has it, in order, each under its own id, so
   that a dead zone costs nothing and a second sending changes nothing. Presses go before files: the desk waits for them,
   and a file is slow. The phone's clock is read twice (press and send): the server uses only the difference. */
(() => {
  "use strict";
  const hb = window.healthbrain;
  let kept = []; /* what the store holds, in order; with `id` once it is in the store */
  let busy = false;

  const opened = new Promise((resolve, reject) => {
    const asked = indexedDB.open("hb-crew", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("outbox", { keyPath: "id", autoIncrement: true });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  opened.catch(() => {}); /* a phone that keeps nothing: each use says so */
  async function store(mode, act) {
    const deal = (await opened).transaction("outbox", mode, { durability: "strict" });
    const asked = act(deal.objectStore("outbox"));
    return new Promise((resolve, reject) => {
      deal.oncomplete = () => resolve(asked.result);
      deal.onabort = () => reject(deal.error);
    });
  }
  async function load() {
    try { kept = [...(await store("readonly", (box) => box.getAll())), ...kept.filter((item) => !item.id)]; } catch { /* memory only */ }
  }
  async function keep(item) {
    try { item.id = await store("readwrite", (box) => box.add(item)); } catch { delete item.id; }
    kept.push(item);
    return Boolean(item.id);
  }
  async function drop(item) {
    kept = kept.filter((other) => other !== item);
    if (item.id) await store("readwrite", (box) => box.delete(item.id));
  }

  const size = (item) => item.fields.reduce((sum, [, value]) => sum + (value instanceof Blob ? value.size : 0), 0);
  function show() {
    const note = hb.one("[data-waiting]");
    if (!note) return;
    note.hidden = kept.length === 0;
    hb.one("[data-count]", note).textContent = String(kept.length);
    const files = kept.filter(size);
    const part = hb.one("[data-files]", note);
    if (!part) return;
    part.hidden = files.length === 0;
    hb.one("[data-megabytes]", part).textContent = (files.reduce((sum, item) => sum + size(item), 0) / 1048576).toFixed(1);
  }
  let refused = ""; /* until the next press: the renewed page does not know what was refused */
  function refuse(text) {
    refused = text;
    const note = hb.one("[data-refused]");
    if (note) { note.hidden = !text; note.textContent = text; }
  }

  async function flush() {
    if (busy) return;
    busy = true;
    let sent = 0;
    try {
      await load();
      show();
      while (kept.length) {
        const first = kept.find((item) => !size(item)) || kept[0];
        const body = new FormData();
        first.fields.forEach(([name, value]) => body.append(name, value));
        body.set("csrfmiddlewaretoken", document.body.dataset.csrf);
        body.set("pressed", String(first.pressed));
        body.set("sent", String(Date.now()));
        let answer;
        try {
          answer = await fetch(first.url, { method: "POST", body, credentials: "same-origin", headers: { Accept: "application/json" } });
        } catch { break; }
        if (answer.status >= 500 || answer.status === 401 || answer.redirected) break; /* the server's trouble: keep it */
        await drop(first);
        sent += 1;
        show();
        if (!answer.ok) refuse((await answer.json().catch(() => ({ message: "" }))).message);
      }
    } finally { busy = false; show(); }
    if (sent && !kept.length) window.htmx.trigger("#crew", "refresh");
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-keep]");
    if (!form) return;
    event.preventDefault();
    if (form.dataset.sent) return;
    const fields = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
    const item = { url: form.getAttribute("action"), fields, pressed: Date.now() };
    const much = kept.reduce((sum, other) => sum + size(other), size(item));
    if (size(item) > Number(form.dataset.largest || Infinity)) return refuse(form.dataset.tooLarge);
    if (much > Number(form.dataset.most || Infinity)) return refuse(form.dataset.tooMuch);
    refuse("");
    form.dataset.sent = "1"; /* the renewed page brings a new form with a new id */
    hb.all("button", form).forEach((button) => { button.disabled = true; });
    if (!(await keep(item))) refuse(hb.one("#crew").dataset.memoryOnly || "");
    show();
    flush();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    /* what is being typed is not swept away by a renewal */
    const at = document.activeElement;
    const typing = at && at.matches("input:not([type=hidden]), select") && at.closest("#crew") && !kept.length && at.value;
    if (event.detail.target.id === "crew" && typing) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", () => { show(); refuse(refused); });
  window.addEventListener("online", flush);
  setInterval(flush, 5000);
  flush();
})();
