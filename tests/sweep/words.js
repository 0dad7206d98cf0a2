/* Every text a reader or a screen reader meets, once each; what is marked as of another language stands apart. */
() => {
  const apart = "script, pre, code, kbd, .band, [lang]:not(html)", found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest(apart)) found.add(walker.currentNode.textContent.trim().replace(/\s+/g, " "));
  for (const name of ["title", "aria-label", "placeholder"]) {
    for (const node of document.querySelectorAll(`[${name}]`)) if (!node.closest(apart)) found.add(node.getAttribute(name).trim());
  }
  return [...found].filter(Boolean);
}
