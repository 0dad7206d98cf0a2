/* What the village doctor takes along, in IndexedDB. Every page and every visit is sealed with AES-GCM under a key that was made
   here, cannot be read out, and is thrown away at sign-out or, with nothing left to send, when the list ends. Used by pages and worker. */
(() => {
  "use strict";
  const NAME = "healthbrain-along";
  const STORES = ["meta", "pages", "visits"];
  const done = (request) => new Promise((yes, no) => {
    request.onsuccess = () => yes(request.result);
    request.onerror = () => no(request.error);
  });
  async function run(store, mode, act) {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => STORES.forEach((name) => asked.result.createObjectStore(name));
    const base = await done(asked);
    try { return await done(act(base.transaction(store, mode).objectStore(store))); } finally { base.close(); }
  }
  const get = (store, key) => run(store, "readonly", (s) => s.get(key));
  const put = (store, key, value) => run(store, "readwrite", (s) => s.put(value, key));
  const clear = (store) => run(store, "readwrite", (s) => s.clear());

  async function seal(key, value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, data: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(JSON.stringify(value))) };
  }
  async function unseal(key, box) {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv: box.iv }, key, box.data)));
  }

  /* The list taken along, or null. One that has ended loses its pages; its key goes when no visit needs it. */
  async function pack() {
    const meta = await get("meta", "pack");
    if (!meta || Date.now() < meta.expires) return meta || null;
    await clear("pages");
    if ((await run("visits", "readonly", (s) => s.count())) === 0) { await wipe(); return null; }
    return { ...meta, count: 0 };
  }
  async function take(taken, policy) {
    const before = await get("meta", "pack");
    const unsent = before && (await run("visits", "readonly", (s) => s.count())) > 0;
    if (unsent && before.account !== taken.account) throw new Error("another account's visits wait here");
    const key = unsent ? before.key : await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    await clear("pages");
    for (const [path, html] of Object.entries({ ...taken.pages, missing: taken.missing })) await put("pages", path, await seal(key, html));
    const { account, expires, count, assets } = taken;
    await put("meta", "pack", { account, expires, count, assets, policy, key });
  }
  async function page(path) {
    const meta = await pack();
    const box = meta && meta.count && (await get("pages", path));
    return box ? { html: await unseal(meta.key, box), policy: meta.policy } : null;
  }
  /* visit: {id, path, state, at, fields: [[name, value]], who, text}; one a form and key, so writing again replaces it. */
  async function keep(visit) {
    const meta = await pack();
    if (!meta) return false;
    await put("visits", visit.id, { id: visit.id, path: visit.path, box: await seal(meta.key, visit) });
    return true;
  }
  async function visits() {
    const meta = await pack();
    if (!meta) return [];
    const rows = await run("visits", "readonly", (s) => s.getAll());
    const found = await Promise.all(rows.map((row) => unseal(meta.key, row.box)));
    return found.sort((a, b) => a.at - b.at);
  }
  const drop = (id) => run("visits", "readwrite", (s) => s.delete(id));
  async function wipe() {
    for (const store of STORES) await clear(store);
    if (self.caches) await caches.delete(NAME);
  }
  self.alongStore = { NAME, pack, take, page, keep, visits, drop, wipe };
})();
