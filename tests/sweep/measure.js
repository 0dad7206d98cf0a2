/* What is wrong with the page that is open, by size of window: a list of [kind, words]. Words of a finding name the element. */
() => {
  const found = [];
  const told = {};
  const say = (kind, node, more = "") => {
    if ((told[kind] = (told[kind] || 0) + 1) > 5) return; /* the first few show the cause */
    const name = node.tagName.toLowerCase() + (node.id ? "#" + node.id : "") + (typeof node.className === "string" && node.className ? "." + node.className.trim().replace(/\s+/g, ".") : "");
    found.push([kind, `${name} ${more} ${(node.textContent || "").trim().replace(/\s+/g, " ").slice(0, 50)}`]);
  };
  const width = document.documentElement.clientWidth;
  const open = document.querySelector("#panel:not([hidden])");
  const frame = "main *, header *, nav *, #panel *";
  const seen = (node) => { const box = node.getBoundingClientRect(); return box.width > 1 && box.height > 1 && node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !getComputedStyle(node).clipPath.startsWith("inset"); };
  const aside = ".hidden-visually, [hidden], .skip";

  if (document.documentElement.scrollWidth > width + 1) found.push(["page wider than window", `${document.documentElement.scrollWidth} > ${width}`]);
  for (const node of document.querySelectorAll(frame)) {
    if (!seen(node) || node.closest(aside) || node.closest("svg svg, svg *")) continue;
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    const scrolls = (() => { for (let up = node.parentElement; up; up = up.parentElement) if (/auto|scroll/.test(getComputedStyle(up).overflowX) && up !== document.body) return true; return false; })();
    if (!scrolls && (box.right > width + 1 || box.left < -1)) say("beyond the edge", node, `${Math.round(box.left)}–${Math.round(box.right)}`);
    const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!text || style.display === "inline") continue;
    const cut = (style.overflowX !== "visible" && !/auto|scroll/.test(style.overflowX) && node.scrollWidth > node.clientWidth + 1)
      || (style.overflowY !== "visible" && !/auto|scroll/.test(style.overflowY) && node.scrollHeight > node.clientHeight + 2);
    if (cut && !node.title && !node.closest("[title]")) say("cut off", node);
    if (node.matches(".button, .chip, .badge, .tabs a, .bottom a, .rail a, button") && node.scrollWidth > node.clientWidth + 2) say("words run out of their box", node, `${node.scrollWidth} > ${node.clientWidth}`);
  }

  /* Two pieces of text in the same place. Floating things (menus, panel, sticky heads and bars) lie over others on purpose. */
  const floats = (node) => { for (let up = node; up && up !== document.body; up = up.parentElement) { if (/fixed|sticky/.test(getComputedStyle(up).position) || up.matches("details.menu .sheet, dialog")) return true; } return false; };
  const uncovered = (node, box) => { /* what a scrolling box hides is not in anybody's way */
    for (let up = node; up && up !== document.body; up = up.parentElement) {
      if (!/auto|scroll|hidden/.test(getComputedStyle(up).overflow)) continue;
      const outer = up.getBoundingClientRect();
      if (box.bottom > outer.bottom + 2 || box.top < outer.top - 2 || box.right > outer.right + 2 || box.left < outer.left - 2) return false;
    }
    return true;
  };
  const pieces = [];
  const walker = document.createTreeWalker(document.querySelector("main") || document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && pieces.length < 3000) {
    const node = walker.currentNode, owner = node.parentElement;
    if (!node.textContent.trim() || owner.closest(aside + ", script, option, datalist") || !seen(owner) || floats(owner)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width > 2 && box.height > 2 && uncovered(owner, box)) pieces.push({ box, owner });
  }
  pieces.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < pieces.length; i++) {
    for (let j = i + 1; j < pieces.length && pieces[j].box.top < pieces[i].box.bottom - 4; j++) {
      const [a, b] = [pieces[i], pieces[j]];
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 4 && down > 5 && a.owner !== b.owner) { say("text over text", a.owner, "× «" + b.owner.textContent.trim().slice(0, 30) + "»"); break; }
    }
  }

  for (const plot of document.querySelectorAll("[data-chart] .plot")) {
    if (!seen(plot)) continue;
    const option = JSON.parse(plot.parentElement.querySelector("script").textContent);
    const numbers = JSON.stringify([option.series, option.dataset]).match(/(?<=[[,:])-?\d/g);
    if (!plot.querySelector("svg path, svg rect, svg circle")) say("chart not drawn", plot.parentElement);
    else if (!numbers) say("chart without a number", plot.parentElement);
  }
  for (const drawing of document.querySelectorAll("main svg:not(.icon)")) if (seen(drawing) && !drawing.querySelector("path, rect, circle, line, polyline, polygon, image, text, use")) say("empty drawing", drawing);

  const words = (document.querySelector("main") || document.body).innerText;
  const unsaid = document.documentElement.lang === "en" ? "undefined" : "None|undefined"; /* "None" is a word of English */
  const machine = words.match(new RegExp(`(?:^|[\\s:：（(])(${unsaid}|NaN|null|NaT|Traceback|\\{\\{.{0,20}|\\{%.{0,20}|\\[object \\w+\\])(?=$|[\\s,，。.)）])`));
  if (machine) found.push(["machine's word", machine[0].trim()]);
  const heads = [...document.querySelectorAll("main h1")].length;
  if (heads !== 1) found.push(["headings of the first level", String(heads)]);
  const first = [...document.querySelectorAll("main .button.primary")].filter((node) => seen(node) && !node.closest("dialog"));
  if (first.length > 1) found.push(["more than one primary button", first.map((node) => node.textContent.trim()).slice(0, 4).join(" | ")]);
  if (!open && (document.querySelector("main")?.innerText.trim().length ?? 0) < 12) found.push(["nothing on the page", document.title]);

  if (width < 720) for (const link of document.querySelectorAll(".rail a[href]")) if (!document.querySelector(`.bottom a[href="${link.getAttribute("href")}"]`)) say("not reachable on the phone", link);

  const least = document.body.classList.contains("elder") ? 60 : width < 720 ? 44 : 0;
  if (least) for (const node of document.querySelectorAll("main a.button, main button, main input:not([type=hidden]):not([type=checkbox]):not([type=radio]), main select, main .options label, .bottom a")) {
    if (!seen(node) || node.matches(".link") || node.closest(aside + ", .options label *, .grid-sheet")) continue;
    const height = Math.round(node.getBoundingClientRect().height);
    if (height < least) say("target too small", node, height + "px");
  }
  return found;
}
