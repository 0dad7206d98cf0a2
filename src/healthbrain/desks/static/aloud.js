/* 朗读 in the elder view: the open panel, else the page, block by block; the block being read is marked. Pressed again, it stops. */
(() => {
  "use strict";
  const button = document.querySelector("[data-aloud]");
  if (!button || !window.speechSynthesis || !window.SpeechSynthesisUtterance) return;
  const voice = window.speechSynthesis;
  const LONGEST = 180; /* characters: some voices fall silent in longer pieces */
  const BLOCK = "h1, h2, h3, p, li, tr, dt, dd, figcaption, .stat, .state";
  const SKIPPED = "button, input, select, textarea, form, nav, script, svg, dialog, .button, .hidden-visually, .toasts, [aria-hidden='true'], .no-print, .asof, .table-foot";

  function blocks(root) {
    const found = new Map();
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const holder = walker.currentNode.parentElement;
      const text = walker.currentNode.textContent.replace(/\s+/g, " ").trim();
      if (!text || holder.closest(SKIPPED) || !holder.checkVisibility()) continue;
      const block = holder.closest(BLOCK) || holder;
      found.set(block, found.has(block) ? `${found.get(block)}，${text}` : text);
    }
    return [...found];
  }
  function pieces(text) {
    const cut = [];
    for (const sentence of text.match(/[^。；！？.;!?]+[。；！？.;!?]?/g) || [text]) {
      if (cut.length && cut[cut.length - 1].length + sentence.length <= LONGEST) cut[cut.length - 1] += sentence;
      else cut.push(sentence);
    }
    return cut;
  }
  function reading(on) {
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("span").textContent = on ? button.dataset.stopWord : button.dataset.readWord;
    if (!on) document.querySelectorAll(".reading").forEach((block) => block.classList.remove("reading"));
  }
  function start() {
    const panel = document.querySelector(".panel:not([hidden])");
    const all = blocks(panel || document.getElementById("main")).flatMap(([block, text]) => pieces(text).map((piece) => [block, piece]));
    all.forEach(([block, piece], index) => {
      const said = new SpeechSynthesisUtterance(piece);
      said.lang = document.documentElement.lang;
      said.rate = 0.9;
      said.onstart = () => { block.classList.add("reading"); block.scrollIntoView({ block: "nearest" }); };
      said.onend = () => { block.classList.remove("reading"); if (index === all.length - 1) reading(false); };
      voice.speak(said);
    });
    reading(all.length > 0);
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-pressed") === "true") { voice.cancel(); reading(false); } else start();
  });
  window.addEventListener("pagehide", () => voice.cancel());
})();
