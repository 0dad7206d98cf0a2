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

/* Pictures go up as soon as they are taken, one by one, each with its own answer; the record stays as it is. */
(() => {
  "use strict";
  const block = document.querySelector("[data-photos]");
  if (!block) return;
  const input = block.querySelector("input[type=file]");
  const said = block.querySelector(".care-photo-said");
  const list = block.querySelector(".care-photos");
  const send = async (file) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", document.body.dataset.csrf);
    body.append("photo_kind", block.querySelector("[name=photo_kind]").value);
    body.append("photo", file);
    const answer = await fetch(block.dataset.photos, { method: "POST", body, headers: { Accept: "application/json" } });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error([found.message, found.hint].filter(Boolean).join(" ") || String(answer.status));
    const line = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { href: found.whole, target: "_blank", rel: "noopener" });
    link.append(Object.assign(new Image(96, 96), { src: found.thumb, alt: file.name }));
    line.append(link);
    list.append(line);
  };
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.disabled = true;
    const wrong = [];
    for (const file of files) {
      said.textContent = document.body.dataset.language === "en" ? "Sending…" : "正在上传…";
      try { await send(file); } catch (error) { wrong.push(`${file.name}: ${error.message}`); }
    }
    said.textContent = wrong.join("\n");
    said.classList.toggle("urgent", wrong.length > 0);
    input.value = "";
    input.disabled = false;
  });
})();

/* The carer signs with a finger: strokes of whole coordinates, as the path of an SVG. */
(() => {
  "use strict";
  const box = document.querySelector("[data-sign]");
  if (!box) return;
  const canvas = box.querySelector("canvas");
  const field = box.querySelector("input");
  const clear = box.querySelector("[data-clear]");
  const pen = canvas.getContext("2d");
  pen.lineWidth = 3;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = getComputedStyle(canvas).color;
  const place = (event) => {
    const at = canvas.getBoundingClientRect();
    const inside = (value, most) => Math.max(0, Math.min(most, Math.round(value)));
    return [inside(((event.clientX - at.left) * canvas.width) / at.width, canvas.width), inside(((event.clientY - at.top) * canvas.height) / at.height, canvas.height)];
  };
  let drawing = false;
  if (field.value) pen.stroke(new Path2D(field.value));
  clear.hidden = !field.value;
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    const [x, y] = place(event);
    field.value += `M${x} ${y}`;
    pen.beginPath();
    pen.moveTo(x, y);
    clear.hidden = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const [x, y] = place(event);
    field.value += `L${x} ${y}`;
    pen.lineTo(x, y);
    pen.stroke();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drawing = false; });
  clear.addEventListener("click", () => {
    field.value = "";
    pen.clearRect(0, 0, canvas.width, canvas.height);
    clear.hidden = true;
  });
})();
