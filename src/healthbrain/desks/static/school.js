/* Steppers: a tap is a pupil; the button says what will be saved. Without this script the fields are plain numbers and
   the steppers stay off: a tap that counts nothing would be a pupil lost on a slow phone. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-check]");
  if (!form) return;
  const save = form.querySelector("[data-save]");
  const number = (input) => parseInt(input.value, 10) || 0;
  const ill = () => [...form.querySelectorAll('input[name^="n-"]')].reduce((sum, input) => sum + number(input), 0);
  function show() {
    form.querySelectorAll("[data-stepper]").forEach((row) => row.classList.toggle("on", number(row.querySelector("input")) > 0));
    const total = ill();
    save.textContent = total ? save.dataset.some.replace("{n}", String(total)) : save.dataset.none;
  }
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    const input = button.closest("[data-stepper]").querySelector("input");
    input.value = String(Math.min(Number(input.dataset.most), Math.max(0, number(input) + Number(button.dataset.step))));
    show();
  });
  form.addEventListener("input", show);
  form.querySelectorAll("[data-step]").forEach((button) => { button.disabled = false; });
  show();
})();
