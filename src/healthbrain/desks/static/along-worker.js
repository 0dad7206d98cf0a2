/* Serves the list taken along when the network does not answer. Online it changes nothing: every page comes from the server. */
"use strict";
importScripts("/static/along-store.js");
const PATIENCE = 6000; /* milliseconds: a village network that says nothing for so long is none */

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function fromServer(request, patience) {
  const stop = new AbortController();
  const timer = patience ? setTimeout(() => stop.abort(), patience) : 0;
  try { return await fetch(request, { signal: stop.signal }); } finally { clearTimeout(timer); }
}
async function page(request) {
  const path = new URL(request.url).pathname;
  const kept = await alongStore.page(path).catch(() => null);
  try {
    const answer = await fromServer(request, kept ? PATIENCE : 0);
    if (kept && answer.status >= 502) throw new Error(String(answer.status)); /* the line is up, the server is not */
    return answer;
  } catch (error) {
    const shown = kept || (await alongStore.page("missing").catch(() => null));
    if (!shown) throw error;
    const headers = { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" };
    if (shown.policy) headers["Content-Security-Policy"] = shown.policy;
    return new Response(shown.html, { headers });
  }
}
async function asset(request) {
  try { return await fetch(request); } catch (error) {
    const kept = await caches.match(request.url, { cacheName: alongStore.NAME });
    if (kept) return kept;
    throw error;
  }
}
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (new URL(request.url).pathname.startsWith("/static/")) event.respondWith(asset(request));
});
