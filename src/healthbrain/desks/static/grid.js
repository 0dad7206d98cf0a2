/* The group sheet: keys as in a spreadsheet, blocks pasted from Excel, limits shown at the cell. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-grid]");
  if (!form) return;
  const rows = [...form.querySelectorAll("tbody tr")];
  const cells = rows.map((row) => [...row.querySelectorAll("td input, td select")]);
  const where = (node) => {
    const row = cells.findIndex((list) => list.includes(node));
    return row < 0 ? null : { row, column: cells[row].indexOf(node) };
  };
  function go(row, column) {
    const node = cells[row] && cells[row][column];
    if (!node) return false;
    node.focus();
    if (node.select) node.select();
    node.scrollIntoView({ block: "nearest", inline: "nearest" });
    return true;
  }
  form.addEventListener("keydown", (event) => {
    const at = where(event.target);
    if (!at || event.isComposing) return;
    const text = event.target.matches("input");
    const whole = text && event.target.selectionStart === 0 && event.target.selectionEnd === event.target.value.length;
    const start = text && event.target.selectionEnd === 0;
    const end = text && event.target.selectionStart === event.target.value.length;
    let moved = false;
    if (event.ctrlKey && event.key === "Enter") { event.preventDefault(); form.requestSubmit(); return; }
    if (event.key === "Enter") moved = go(at.row + (event.shiftKey ? -1 : 1), at.column) || true;
    else if (event.key === "ArrowDown" && text) moved = go(at.row + 1, at.column);
    else if (event.key === "ArrowUp" && text) moved = go(at.row - 1, at.column);
    else if (event.key === "ArrowRight" && (whole || end || !text)) moved = go(at.row, at.column + 1);
    else if (event.key === "ArrowLeft" && (whole || start || !text)) moved = go(at.row, at.column - 1);
    if (moved) event.preventDefault();
  });

  function put(node, text) {
    const value = text.trim();
    if (node.matches("select")) {
      const found = [...node.options].find((o) => o.value === value || o.text === value || o.text.split(" ").slice(1).join(" ") === value || o.text.split(" ")[0] === value);
      node.value = found ? found.value : "";
    } else node.value = value;
    judge(node);
  }
  form.addEventListener("paste", (event) => {
    const at = where(event.target);
    const text = event.clipboardData && event.clipboardData.getData("text/plain");
    if (!at || !text || !/[\t\n]/.test(text.trimEnd())) return;
    event.preventDefault();
    text.replace(/\r/g, "").replace(/\n$/, "").split("\n").forEach((line, down) => {
      line.split("\t").forEach((value, right) => {
        const node = cells[at.row + down] && cells[at.row + down][at.column + right];
        if (node) put(node, value);
      });
    });
    count();
  });

  function judge(node) {
    const cell = node.closest("td");
    const value = parseFloat(node.value);
    const { hardLow, hardHigh, softLow, softHigh } = node.dataset;
    const typed = node.matches("input") && node.value.trim() !== "";
    const hard = typed && (Number.isNaN(value) || (hardLow !== undefined && (value < Number(hardLow) || value > Number(hardHigh))));
    const soft = typed && !hard && softLow !== undefined && (value < Number(softLow) || value > Number(softHigh));
    cell.classList.toggle("bad", hard);
    cell.classList.toggle("asks", soft);
    if (hard) node.setAttribute("aria-invalid", "true");
    else node.removeAttribute("aria-invalid");
  }
  const told = form.querySelector("[data-filled]");
  function count() {
    const filled = rows.filter((row) => [...row.querySelectorAll("[data-measured]")].some((input) => input.value.trim() !== "")).length;
    told.textContent = told.dataset.words.replace("{n}", String(filled));
  }
  form.addEventListener("change", (event) => { if (where(event.target)) judge(event.target); });
  form.addEventListener("input", count);
  count();
  if (!document.getElementById("errors")) go(0, 0);
})();
