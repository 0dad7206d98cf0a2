/* The nurse's phone: her position goes with "I am here" when she allows it; without it the arrival counts all the same. */
(() => {
  "use strict";
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-position]");
    if (!form || form.dataset.asked || !navigator.geolocation) return;
    event.preventDefault();
    form.dataset.asked = "1";
    const send = () => form.requestSubmit();
    navigator.geolocation.getCurrentPosition((at) => {
      form.elements.x.value = String(at.coords.longitude);
      form.elements.y.value = String(at.coords.latitude);
      send();
    }, send, { enableHighAccuracy: true, timeout: 8000, maximumAge: 30000 });
  });
})();
