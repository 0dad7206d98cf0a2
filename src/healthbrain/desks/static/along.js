/* 带走今天名单: take the list along, keep visits while there is no network, send each under its own key when there is. */
(() => {
  "use strict";
  const store = window.alongStore;
  const hb = window.healthbrain;
  if (!store || !navigator.serviceWorker || !window.crypto || !crypto.subtle || !window.indexedDB) return;
  const offline = document.body.dataset.along !== undefined;
  const strip = document.getElementById("along");
  const part = (name) => strip && strip.querySelector(`[data-${name}]`);
  const words = (name, values = {}) => Object.entries(values).reduce((text, [key, value]) => text.replace(`{${key}}`, value), strip ? strip.dataset[name] : "");
  const WAITS = ["kept", "sending"];
  const problems = new Map(); /* visit id → what the server said, this time */
  let sending = false;
  let trouble = ""; /* why nothing can be sent now; stands until something was */

  /* A form that could not be sent. `draft`: not finished. Resolves to false where no list was taken along. */
  hb.along = {
    offline,
    async keep(form, draft = false) {
      const fields = [...new FormData(form)].filter(([name, value]) => name !== "csrfmiddlewaretoken" && typeof value === "string");
      const id = form.querySelector("[name=key]").value;
      const who = document.querySelector("h1").textContent.trim();
      return store.keep({ id, path: location.pathname, state: draft ? "draft" : "kept", at: Date.now(), fields, who }).catch(() => false);
    },
    /* The unfinished or unsent visit of this form, newest first. */
    async kept() {
      const found = await store.visits().catch(() => []);
      return found.filter((visit) => visit.path === location.pathname).pop() || null;
    },
    drop: store.drop,
  };

  function say(text) { const place = part("say"); if (place && text) place.textContent = text; }
  function until(moment) {
    const day = new Date(moment - 1);
    return document.body.dataset.language === "zh" ? `${day.getMonth() + 1}月${day.getDate()}日 24:00` : `${day.getDate()}/${day.getMonth() + 1} 24:00`;
  }
  async function draw() {
    if (!strip) return;
    const [pack, visits] = [await store.pack(), await store.visits()];
    strip.hidden = false;
    part("take").hidden = offline;
    part("drop-all").hidden = !pack || offline;
    part("send").hidden = !visits.some((visit) => visit.state !== "draft") || offline;
    if (trouble) say(trouble);
    else if (pack && pack.count && !sending) say(words("taken", { n: pack.count, until: until(pack.expires) }));
    const list = part("visits");
    list.hidden = !visits.length;
    list.replaceChildren(...visits.map(line));
    document.querySelectorAll("[data-path]").forEach((row) => {
      const visit = visits.find((one) => one.path === row.dataset.path);
      row.classList.toggle("kept", Boolean(visit));
      const badge = row.querySelector(".badge");
      if (visit && badge) badge.replaceWith(Object.assign(document.createElement("span"), { className: "badge done", textContent: words(visit.state) }));
    });
  }
  function line(visit) {
    const row = strip.querySelector("template").content.cloneNode(true).firstElementChild;
    const link = row.querySelector("[data-who]");
    link.textContent = visit.who;
    link.href = visit.path;
    row.querySelector("[data-what]").textContent = words(visit.state) + (problems.get(visit.id) || "");
    row.querySelector("[data-what]").dataset.is = visit.state;
    row.querySelector("[data-anyway]").hidden = visit.state !== "conflict";
    row.querySelector("[data-anyway]").addEventListener("click", async () => { await mark(visit, "kept", [["anyway", "1"]]); send(); });
    row.querySelector("[data-drop]").addEventListener("click", async () => { await store.drop(visit.id); draw(); });
    return row;
  }
  async function mark(visit, state, more = []) {
    Object.assign(visit, { state, fields: [...visit.fields, ...more] });
    await store.keep(visit);
  }

  /* Each visit under its own key: sent twice, it is recorded once. What cannot go now stays, and says why. */
  async function send() {
    if (sending || !navigator.onLine) return;
    const waiting = (await store.visits()).filter((visit) => WAITS.includes(visit.state));
    if (!waiting.length) return;
    sending = true;
    let saved = 0;
    try {
      const pack = await store.pack();
      const asked = await fetch("/today/along", { credentials: "same-origin" });
      const me = asked.ok && !asked.redirected ? await asked.json() : null;
      if (!me || me.account !== pack.account) { trouble = words("signedOut"); return; }
      trouble = "";
      for (const visit of waiting) {
        await mark(visit, "sending");
        await draw();
        const body = new URLSearchParams([...visit.fields, ["filled_at", String(visit.at)]]);
        const headers = { "X-CSRFToken": me.csrf, Accept: "application/json" };
        const answer = await fetch(visit.path.replace("/today/", "/today/along/"), { method: "POST", credentials: "same-origin", headers, body });
        const told = answer.ok && !answer.redirected ? await answer.json() : { state: "kept", text: "" };
        if (told.state === "saved") { await store.drop(visit.id); saved += 1; } else {
          problems.set(visit.id, told.text);
          await mark(visit, told.state);
        }
      }
    } catch {
      for (const visit of waiting) if (visit.state === "sending") await mark(visit, "kept"); /* the network went again */
    } finally {
      sending = false;
      await draw();
      if (saved) {
        say(`${words("saved")} ${saved}`);
        if (offline) location.reload();
        else document.querySelectorAll("[data-on]").forEach((region) => window.htmx.trigger(region, "refresh"));
      }
    }
  }

  async function take() {
    say(words("taking"));
    part("take").disabled = true;
    try {
      await navigator.serviceWorker.register("/today/worker.js", { scope: "/today" });
      await navigator.serviceWorker.ready;
      const headers = { "X-CSRFToken": document.body.dataset.csrf };
      const answer = await fetch("/today/along", { method: "POST", credentials: "same-origin", headers });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const taken = await answer.json();
      await (await caches.open(store.NAME)).addAll(taken.assets);
      await store.take(taken, answer.headers.get("Content-Security-Policy"));
    } catch {
      say(words("failed"));
      part("take").disabled = false;
      return;
    }
    part("take").disabled = false;
    await draw();
  }

  /* Signing out throws all of it away, and asks first when something is not sent yet. */
  async function leave(form) {
    const unsent = (await store.visits().catch(() => [])).length;
    const dialog = strip && strip.querySelector("dialog");
    if (unsent && dialog) {
      dialog.querySelector("[data-leave-text]").textContent = words("leave", { n: unsent });
      dialog.showModal();
      await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
      if (dialog.returnValue !== "leave") return;
    } else if (unsent) { location.href = "/today"; return; }
    await forget();
    form.submit();
  }
  async function forget() {
    await store.wipe();
    for (const worker of await navigator.serviceWorker.getRegistrations()) await worker.unregister();
  }
  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("action") !== "/sign-out") return;
    event.preventDefault();
    leave(event.target);
  });
  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-take]")) take();
    if (event.target.closest("[data-send]")) send();
    if (event.target.closest("[data-drop-all]")) { await forget(); location.reload(); }
  });
  window.addEventListener("online", send);
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.contains(strip)) draw(); });
  draw().then(send);
})();
