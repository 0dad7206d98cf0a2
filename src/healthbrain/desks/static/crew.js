/* The crew's phone: a press is kept on the phone until the server has it, in order, each under its own id, so that a
   dead zone costs nothing and a second sending changes nothing. The phone's clock is read twice (press and send): the
   server uses only the difference. */
(() => {
  "use strict";
  const hb = window.healthbrain;
  const KEY = "hb-crew-outbox";
  let busy = false;

  const load = () => { try { return JSON.parse(localStorage.getItem(KEY)) || []; } catch { return []; } };
  const save = (list) => { localStorage.setItem(KEY, JSON.stringify(list)); show(list); };
  function show(list = load()) {
    const note = hb.one("[data-waiting]");
    if (!note) return;
    note.hidden = list.length === 0;
    hb.one("[data-count]", note).textContent = String(list.length);
  }
  function refuse(text) {
    const note = hb.one("[data-refused]");
    if (note) { note.hidden = false; note.textContent = text; }
  }

  async function flush() {
    if (busy) return;
    busy = true;
    let sent = 0;
    try {
      for (let list = load(); list.length; list = load()) {
        const first = list[0];
        const body = new URLSearchParams(first.fields);
        body.set("csrfmiddlewaretoken", document.body.dataset.csrf);
        body.set("pressed", String(first.pressed));
        body.set("sent", String(Date.now()));
        let answer;
        try {
          answer = await fetch(first.url, { method: "POST", body, credentials: "same-origin", headers: { Accept: "application/json" } });
        } catch { break; }
        if (answer.status >= 500 || answer.status === 401 || answer.redirected) break; /* the server's trouble: keep it */
        save(load().slice(1));
        sent += 1;
        if (!answer.ok) refuse((await answer.json().catch(() => ({ message: "" }))).message);
      }
    } finally { busy = false; show(); }
    if (sent && !load().length) window.htmx.trigger("#crew", "refresh");
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-keep]");
    if (!form) return;
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "1"; /* the renewed page brings a new form with a new id */
    const fields = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
    save([...load(), { url: form.getAttribute("action"), fields, pressed: Date.now() }]);
    hb.all("button", form).forEach((button) => { button.disabled = true; });
    flush();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    /* what is being typed is not swept away by a renewal */
    const at = document.activeElement;
    const typing = at && at.matches("input:not([type=hidden]), select") && at.closest("#crew") && !load().length && at.value;
    if (event.detail.target.id === "crew" && typing) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", () => show());
  window.addEventListener("online", flush);
  setInterval(flush, 5000);
  show();
  flush();
})();
