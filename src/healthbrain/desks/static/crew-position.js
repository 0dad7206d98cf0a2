/* The crew's phone tells where it is: only while there is a mission, only after the crew said yes on this phone, and never
   hidden: a line says what is sent. Points wait on the phone without a network, the newest 500; while the vehicle's own
   terminal reports, the phone is silent and asks again after a while. */
(() => {
  "use strict";
  const hb = window.healthbrain;
  const YES = "hb-crew-position";
  const POINTS = "hb-crew-points";
  const MOST = 500;
  const EVERY = 5000; /* ms between points, as terminals report */
  let watch = null;
  let last = 0;
  let rests = 0; /* until then the terminal is heard */
  let busy = false;
  let failed = "";
  let unsent = false; /* the last try found no network */
  let newest = null; /* the place not yet taken down */
  let points = [];
  try { points = JSON.parse(localStorage.getItem(POINTS) || "[]"); } catch { points = []; }
  const keep = () => { try { localStorage.setItem(POINTS, JSON.stringify(points)); } catch { /* memory only */ } };
  const agreed = () => { try { return localStorage.getItem(YES) === "yes"; } catch { return false; } };
  const line = () => hb.one("[data-position-line]");

  function show() {
    const at = line();
    if (!at) return;
    const state = !agreed() ? "off" : failed || (Date.now() < rests ? "terminal" : unsent ? "kept" : "on");
    hb.all("[data-position-state]", at).forEach((part) => { part.hidden = part.dataset.positionState !== state; });
    hb.all("[data-position-agree]", at).forEach((part) => { part.hidden = agreed(); });
    hb.all("[data-position-stop]", at).forEach((part) => { part.hidden = !agreed(); });
    hb.all("[data-points]", at).forEach((part) => { part.textContent = String(points.length); });
  }

  function taken(place) {
    failed = "";
    if (place.coords.accuracy <= Number(line()?.dataset.fence || 150)) newest = place;
    note();
  }

  function note() {
    const now = Date.now();
    if (newest && now - last >= EVERY && now >= rests) {
      last = now;
      points.push({ x: newest.coords.longitude, y: newest.coords.latitude, at: newest.timestamp });
      points = points.slice(-MOST);
      newest = null;
      keep();
    }
    send();
  }

  async function send() {
    if (busy || !points.length || !agreed()) return show();
    busy = true;
    const going = [...points];
    try {
      const answer = await fetch("/crew/position", {
        method: "POST", credentials: "same-origin", body: JSON.stringify(going),
        headers: { "Content-Type": "application/json", "X-CSRFToken": document.body.dataset.csrf },
      });
      unsent = false;
      if (answer.ok && !answer.redirected) {
        const told = await answer.json();
        if (told.terminal) rests = Date.now() + 1000 * Number(line()?.dataset.quiet || 60);
      }
      if (answer.status < 500 && answer.status !== 401 && !answer.redirected) points = points.slice(going.length);
    } catch { unsent = true; /* they stay */ } finally { busy = false; keep(); show(); }
  }

  function settle() {
    const wanted = Boolean(line()) && agreed() && Boolean(navigator.geolocation);
    if (wanted && watch === null) {
      watch = navigator.geolocation.watchPosition(taken, () => { failed = "failed"; show(); }, { enableHighAccuracy: true, maximumAge: 5000 });
    } else if (!wanted && watch !== null) {
      navigator.geolocation.clearWatch(watch);
      watch = null;
    }
    if (!agreed()) { points = []; newest = null; keep(); }
    show();
  }

  document.addEventListener("click", (event) => {
    const agree = event.target.closest("[data-position-agree]");
    if (!agree && !event.target.closest("[data-position-stop]")) return;
    try { localStorage.setItem(YES, agree ? "yes" : "no"); } catch { failed = "failed"; }
    settle();
  });
  document.addEventListener("htmx:afterSwap", settle);
  window.addEventListener("online", send);
  setInterval(() => { settle(); note(); }, EVERY);
  settle();
})();
