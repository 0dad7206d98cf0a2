/* Behaviour shared by all pages: keyboard, live changes, toasts, idle warning, rail, charts. No inline script anywhere. */
(() => {
  "use strict";
  const body = document.body;
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const hb = (window.healthbrain = { announce, openDialog, all, one });

  function announce(text) {
    const region = one("#announce");
    if (region) region.textContent = text;
  }

  function openDialog(id) {
    const dialog = document.getElementById(id);
    if (dialog && !dialog.open) dialog.showModal();
    return dialog;
  }

  function typing(target) {
    return target.closest("input, select, textarea, [contenteditable]") !== null;
  }

  /* Rows: j and k move, Enter does the main action, r opens the record, w says why; data-key-x adds a key. */
  const rows = () => all("[data-row]").filter((row) => row.offsetParent !== null);
  let marked = "";
  function mark(row) {
    all("[data-row].at").forEach((other) => other.classList.remove("at"));
    if (!row) return;
    row.classList.add("at");
    marked = row.id;
    row.scrollIntoView({ block: "nearest" });
    const link = one("[data-main]", row) || one("a", row);
    if (link) link.focus({ preventScroll: true });
  }
  function move(step) {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.classList.contains("at"));
    mark(list[Math.min(list.length - 1, Math.max(0, at < 0 ? 0 : at + step))]);
  }
  const press = (selector) => {
    const row = one("[data-row].at");
    const link = row && one(selector, row);
    if (link) link.click();
    return Boolean(link);
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && hb.closePanel && !one("dialog[open]")) return hb.closePanel();
    if (event.ctrlKey && event.key === "Enter") {
      const form = event.target.closest("form[data-entry]");
      if (form) { event.preventDefault(); form.requestSubmit(); }
      return;
    }
    if (event.key === "/" && event.target.matches("[type='search']") && !event.target.value) return event.preventDefault(); /* one is there already */
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || one("dialog[open]")) return;
    const keys = {
      "/": () => { const field = one("[data-key='/']"); if (field) { field.focus(); field.select(); } return Boolean(field); },
      "?": () => Boolean(openDialog("help")),
      j: () => { move(1); return true; },
      k: () => { move(-1); return true; },
      r: () => press("[data-key-r]"),
      w: () => press("[data-key-w]"),
      Enter: () => event.target === body && press("[data-main]"),
    };
    const act = keys[event.key] || (/^[a-z]$/.test(event.key) && (() => press(`[data-key-${event.key}]`)));
    if (act && act()) event.preventDefault();
  });

  document.addEventListener("change", (event) => { if (event.target.matches("[data-send]")) event.target.form.requestSubmit(); });
  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target.closest("[data-help]")) openDialog("help");
    if (target.closest("[data-dismiss]")) target.closest("[data-toast]").remove();
    if (target.closest("[data-print]")) window.print();
    if (target.closest("[data-rail]")) {
      const narrow = body.classList.toggle("rail-narrow");
      target.closest("[data-rail]").setAttribute("aria-pressed", String(narrow));
      document.cookie = `hb_rail=${narrow ? "narrow" : "wide"}; path=/; max-age=31536000; samesite=lax`;
    }
    all("details.menu[open]").forEach((menu) => { if (!menu.contains(target)) menu.open = false; });
    const row = target.closest("tr[data-href]");
    if (row && !target.closest("a, button, input, label, form")) {
      const link = one("[data-main]", row);
      if (link) link.click();
    }
  });

  /* Toasts stay long enough to undo, or eight seconds. */
  function arm(toast) {
    if (toast.dataset.armed) return;
    toast.dataset.armed = "1";
    let left = Number(toast.dataset.seconds || 8);
    const count = one("[data-count]", toast);
    const timer = setInterval(() => {
      left -= 1;
      if (count) count.textContent = String(left);
      if (left <= 0) { clearInterval(timer); toast.remove(); }
    }, 1000);
  }
  all("[data-toast]").forEach(arm);

  /* Idle: a warning 60 seconds before the session ends; the server decides, this only warns. */
  const idle = Number(body.dataset.idle || 0);
  if (idle > 0) {
    let last = Date.now();
    let told = last;
    const touch = () => {
      last = Date.now();
      if (last - told > 300000) { told = last; fetch("/still-here", { credentials: "same-origin" }).catch(() => {}); }
    };
    ["keydown", "pointerdown", "scroll"].forEach((name) => window.addEventListener(name, touch, { passive: true }));
    document.addEventListener("click", (event) => {
      if (event.target.closest("[data-stay]")) { told = 0; touch(); }
    });
    setInterval(() => {
      const away = (Date.now() - last) / 1000;
      if (away > idle) location.href = "/sign-in?idle=1";
      else if (away > idle - 60) openDialog("idle");
    }, 5000);
  }

  /* Live changes: a stream of event names; regions with data-on="tasks" ask for themselves again. Without a stream, every 15 s. */
  const regions = (name) => all(`[data-on~="${name}"]`);
  const pending = new Set();
  function ask(id, seconds) {
    const key = `${id} ${seconds > 1}`;
    if (pending.has(key)) return;
    pending.add(key);
    setTimeout(() => {
      pending.delete(key);
      const region = document.getElementById(id);
      if (region && one("details.menu[open]", region)) ask(id, 2); /* not while somebody chooses in it */
      else if (region) window.htmx.trigger(region, "refresh");
    }, seconds * 1000);
  }
  /* data-again: what the server shows may be kept that many seconds; then the change is asked for once more. */
  function refresh(name) {
    regions(name).forEach((region) => {
      ask(region.id, 0.25);
      if (region.dataset.again) ask(region.id, Number(region.dataset.again));
    });
  }
  function state(word) {
    all("[data-live-state]").forEach((node) => { node.textContent = node.dataset[word] || ""; });
  }
  function poll() {
    setInterval(() => { if (!document.hidden && hb.polling) all("[data-on]").forEach((region) => window.htmx.trigger(region, "refresh")); }, 15000);
  }
  if (one("[data-on]")) {
    hb.polling = true;
    poll();
    const address = body.dataset.live;
    if (address && window.EventSource) {
      const stream = new EventSource(address);
      ["tasks", "intake", "signals", "outbreaks", "emergency", "transport", "homecare"].forEach((name) => stream.addEventListener(name, () => refresh(name)));
      stream.addEventListener("ready", () => { hb.polling = false; state("live"); });
      stream.addEventListener("error", () => { hb.polling = true; state("poll"); });
      window.addEventListener("pagehide", () => stream.close());
    } else state("poll");
  }

  /* After a region was renewed: keep the marked row, arm toasts, draw charts, say what changed. */
  document.addEventListener("htmx:afterSwap", (event) => {
    const row = marked && document.getElementById(marked);
    if (row && event.detail.target.contains(row) && event.detail.target.matches("[data-on]")) row.classList.add("at");
    all("[data-toast]").forEach(arm);
    fit();
    charts(event.detail.target);
    const told = one("[data-announce]", event.detail.target);
    if (told && told.dataset.announce !== hb.lastTold) { hb.lastTold = told.dataset.announce; announce(told.dataset.announce); }
  });

  /* A table that fits lets the page scroll, its head stays under the top bar; one that does not scrolls in its own box. */
  const fit = () => all("[data-table]").forEach((box) => {
    box.classList.remove("fits");
    box.classList.toggle("fits", box.scrollWidth <= box.clientWidth);
  });
  window.addEventListener("resize", fit);
  fit();

  /* Charts: the option is data in the page; ECharts is fetched only where a chart stands. */
  function charts(root = document) {
    const figures = all("[data-chart]", root);
    if (!figures.length) return;
    if (window.echarts) return figures.forEach(draw);
    const script = document.createElement("script");
    script.src = body.dataset.echarts;
    script.onload = () => figures.forEach(draw);
    document.head.append(script);
  }
  function draw(figure) {
    const plot = one(".plot", figure);
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "1";
    const option = JSON.parse(one("script", figure).textContent);
    const style = getComputedStyle(body);
    const ink = style.getPropertyValue("--ink").trim();
    const line = style.getPropertyValue("--line").trim();
    option.animation = false;
    option.color = option.color || style.getPropertyValue("--series").split(",").map((one) => one.trim());
    option.textStyle = { color: ink, fontFamily: style.fontFamily, ...option.textStyle };
    option.tooltip = { trigger: "axis", renderMode: "richText", ...option.tooltip };
    option.aria = { enabled: true, decal: { show: false } };
    [option.xAxis, option.yAxis].flat().filter(Boolean).forEach((axis) => {
      axis.axisLabel = { color: ink, ...axis.axisLabel };
      axis.splitLine = { lineStyle: { color: line }, ...axis.splitLine };
    });
    /* SVG: sharp on paper, words can be selected. It styles through the CSSOM, which the content policy allows. */
    const chart = window.echarts.init(plot, null, { renderer: "svg", locale: body.dataset.language === "zh" ? "ZH" : "EN" });
    chart.setOption(option);
    const drawn = one("svg", plot);
    const scalable = () => drawn.setAttribute("viewBox", `0 0 ${chart.getWidth()} ${chart.getHeight()}`); /* paper is narrower */
    scalable();
    window.addEventListener("resize", () => { chart.resize(); scalable(); });
  }
  hb.charts = charts;
  charts();
  const errors = one("#errors");
  if (errors) errors.focus();
})();
