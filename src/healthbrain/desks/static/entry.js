/* The visit form: Enter goes on, digits choose, limits ask or refuse at once, drafts stay on this computer until saved. */
(() => {
  "use strict";
  const form = document.querySelector("form[data-entry]");
  if (!form) return;
  const hb = window.healthbrain;
  const zh = document.body.dataset.language === "zh";
  const say = (chinese, english) => (zh ? chinese : english);
  const named = (name) => form.querySelector(`[name="${name}"]`);
  const number = (input) => parseFloat(input.value.replace(/[，。．]/g, ".").replace(/[０-９]/g, (d) => String.fromCharCode(d.charCodeAt(0) - 65248)));

  /* Limits: the server decides; this only says the same sooner. */
  function judge(input) {
    if (!input.matches(".figure") || input.value.trim() === "") return null;
    const value = number(input);
    const { label, hardLow, hardHigh, softLow, softHigh, below } = input.dataset;
    if (Number.isNaN(value)) return { soft: false, text: say(`${label}要填数字`, `${label} must be a number`) };
    if (hardLow !== undefined && (value < Number(hardLow) || value > Number(hardHigh)))
      return { soft: false, text: say(`${label} ${input.value} 不可能：只收 ${Number(hardLow)}–${Number(hardHigh)}，请核对是否输错`, `${label} ${input.value} cannot be: only ${Number(hardLow)}–${Number(hardHigh)} is accepted`) };
    const other = below && named(below);
    if (other && other.value && value >= number(other)) return { soft: false, text: say(`${label}必须低于${other.dataset.label}`, `${label} must be below ${other.dataset.label}`) };
    if (softLow !== undefined && (value < Number(softLow) || value > Number(softHigh)))
      return { soft: true, text: say(`${label} ${input.value} 少见，没有输错吗？没错请再按一次 Enter`, `${label} ${input.value} is unusual. Right? Press Enter again`) };
    return null;
  }
  const confirmed = () => new Set([...form.querySelectorAll("input[name='confirm']")].filter((c) => c.type === "hidden" || c.checked).map((c) => c.value));
  function note(input, problem) {
    const field = input.closest("[data-field]");
    const place = field.querySelector("[data-note]");
    field.classList.toggle("bad", Boolean(problem && !problem.soft));
    field.classList.toggle("asks", Boolean(problem && problem.soft));
    place.hidden = !problem;
    place.className = problem && problem.soft ? "soft" : "error";
    place.textContent = problem ? problem.text : "";
    if (problem && !problem.soft) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (problem) hb.announce(problem.text);
  }
  function confirm(name) {
    if (confirmed().has(name)) return;
    const hidden = document.createElement("input");
    hidden.type = "hidden";
    hidden.name = "confirm";
    hidden.value = name;
    form.append(hidden);
  }
  function unconfirm(name) {
    form.querySelectorAll("input[type='hidden'][name='confirm']").forEach((c) => { if (c.value === name) c.remove(); });
  }

  /* Enter goes on. */
  const visible = (node) => node.offsetParent !== null;
  const stops = () => [...form.querySelectorAll("[data-stop]")].filter(visible);
  function enter(stop) {
    const target = stop.matches("input") ? stop : stop.querySelector("input:checked") || stop.querySelector("input");
    target.focus();
    if (target.select && target.matches("[type='text']")) target.select();
  }
  function next(from) {
    const list = stops();
    const at = list.indexOf(from);
    if (at + 1 < list.length) enter(list[at + 1]);
    else form.querySelector("[data-save]").focus();
  }
  form.addEventListener("keydown", (event) => {
    const stop = event.target.closest("[data-stop]");
    if (!stop || event.ctrlKey || event.metaKey || event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      const problem = judge(event.target);
      if (problem && !(problem.soft && confirmed().has(event.target.name))) {
        const asked = problem.soft && event.target.closest("[data-field]").classList.contains("asks");
        note(event.target, problem);
        if (!asked) return;
        confirm(event.target.name);
        note(event.target, null);
      }
      next(stop);
    } else if (/^[0-9]$/.test(event.key) && !stop.matches("input")) {
      const option = stop.querySelector(`[data-number="${event.key}"]`);
      if (option) { event.preventDefault(); option.click(); option.focus(); }
    }
  });

  /* A questionnaire adds up while it is answered; the server decides. */
  function score(output) {
    const { of, bands, levels, known } = JSON.parse(output.dataset.score);
    const points = of.map((name) => {
      const chosen = [...form.querySelectorAll(`[name="${name}"]:checked`)];
      return chosen.length ? chosen.reduce((sum, box) => sum + Number(box.dataset.points || 0), 0) : NaN;
    });
    const [weight, height] = [named("weight"), named("height")];
    const value = (name) => {
      if (name === "bmi") return weight && height ? number(weight) / (number(height) / 100) ** 2 : NaN;
      return name in known ? known[name] : named(name) ? number(named(name)) : NaN;
    };
    for (const [name, rows] of Object.entries(bands)) {
      const at = value(name);
      points.push(Number.isNaN(at) ? NaN : rows.reduce((worth, [from, add]) => (at >= from ? add : worth), 0));
    }
    const total = points.reduce((sum, one) => sum + one, 0);
    const level = levels.filter(([from]) => total >= from).at(-1);
    output.textContent = Number.isNaN(total) ? "—" : say(`${total} 分 · ${level[1]}`, `${total} points · ${level[1]}`);
  }

  /* Choices that exclude others; fields that depend on an answer; body mass index; urgent signs. */
  function settle(changed) {
    const group = changed && changed.closest("[data-none]");
    if (group && changed.type === "checkbox") {
      const none = group.querySelector(`[value="${group.dataset.none}"]`);
      if (changed === none && none.checked) group.querySelectorAll("input").forEach((box) => { if (box !== none) box.checked = false; });
      else if (changed.checked) none.checked = false;
    }
    form.querySelectorAll("[data-when]").forEach((field) => {
      const answer = form.querySelector(`[name="${field.dataset.when}"]:checked`);
      field.hidden = !answer || answer.value !== field.dataset.whenValue;
    });
    const shown = form.querySelector("[data-bmi]");
    const [weight, height] = [named("weight"), named("height")];
    if (shown && weight && height) {
      const value = number(weight) / (number(height) / 100) ** 2;
      shown.textContent = Number.isFinite(value) ? `${value.toFixed(1)} kg/m²` : "—";
    }
    form.querySelectorAll("[data-score]").forEach(score);
    const signs = [...form.querySelectorAll("[data-urgent-low], [data-urgent-high]")]
      .filter((input) => (input.dataset.urgentHigh && number(input) >= Number(input.dataset.urgentHigh)) || (input.dataset.urgentLow && number(input) <= Number(input.dataset.urgentLow)))
      .map((input) => `${input.dataset.label} ${input.value}`)
      .concat([...form.querySelectorAll("[data-urgent-option]:checked")].map((box) => box.dataset.urgentOption));
    const notice = document.getElementById("urgent-notice");
    const text = signs.join(say("、", ", "));
    const what = notice.querySelector("[data-urgent-what]");
    if (what.textContent !== text) what.textContent = text;
    notice.hidden = !signs.length;
  }
  form.addEventListener("change", (event) => { settle(event.target); if (event.target.matches(".figure")) note(event.target, judged(event.target)); });
  form.addEventListener("input", (event) => { unconfirm(event.target.name); settle(null); });
  function judged(input) {
    const problem = judge(input);
    return problem && problem.soft && confirmed().has(input.name) ? null : problem;
  }

  /* Drafts: three honest states. Kept seven days at most. */
  const key = `hb-draft:${form.dataset.draft}`;
  const along = Boolean(hb.along && hb.along.offline); /* a page taken along keeps its draft sealed, not here */
  const state = form.querySelector("[data-draft-state]");
  const forget = form.querySelector("[data-forget]");
  const show = (word, extra = "") => { state.textContent = word ? state.dataset[word] + extra : ""; state.dataset.is = word; };
  const clock = () => ` ${new Date().toTimeString().slice(0, 5)}`;
  function keep(waiting = false) {
    if (along) { hb.along.keep(form, true); show("local", clock()); forget.hidden = false; return; }
    const fields = [...new FormData(form)].filter(([name]) => !["csrfmiddlewaretoken"].includes(name));
    try { localStorage.setItem(key, JSON.stringify({ at: Date.now(), waiting, fields })); } catch { return; }
    show(waiting ? "waiting" : "local", waiting ? "" : clock());
    forget.hidden = false;
  }
  async function restore() {
    let kept = hb.along && (await hb.along.kept());
    if (!kept) try { kept = JSON.parse(localStorage.getItem(key)); } catch { kept = null; }
    if (!kept || Date.now() - kept.at > 7 * 86400000 || document.getElementById("errors")) return;
    form.querySelectorAll("input[type='radio'], input[type='checkbox']").forEach((box) => { box.checked = false; });
    kept.fields.forEach(([name, value]) => {
      if (name === "confirm") return confirm(value);
      form.querySelectorAll(`[name="${CSS.escape(name)}"]`).forEach((node) => {
        if (node.type === "radio" || node.type === "checkbox") { if (node.value === value) node.checked = true; } else node.value = value;
      });
    });
    show(kept.waiting ? "waiting" : "restored");
    forget.hidden = false;
    if (kept.waiting && navigator.onLine) send();
  }
  forget.addEventListener("click", async () => {
    localStorage.removeItem(key);
    if (hb.along) await hb.along.drop(named("key").value);
    location.reload();
  });
  let timer = 0;
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(keep, 400); });

  /* Without a server to ask, the form itself says what is missing or cannot be. */
  function complete() {
    const phone = form.querySelector("[name='visit_mode'][value='PHONE']:checked");
    const wrong = [...form.querySelectorAll("[data-field]")].filter((field) => {
      if (field.hidden) return false;
      const owed = field.dataset.required && !(field.dataset.required === "unless-phone" && phone);
      const inputs = [...field.querySelectorAll("input")];
      const filled = inputs.some((input) => (input.matches("[type='radio'], [type='checkbox']") ? input.checked : input.value.trim() !== ""));
      const problem = owed && !filled ? { soft: false, text: say("这一项要填", "This must be filled in") } : inputs.map(judged).find(Boolean);
      if (inputs.length) note(inputs[0], problem || null);
      return problem;
    });
    if (wrong.length) enter(wrong[0].querySelector("[data-stop]"));
    return !wrong.length;
  }

  /* Sending: what cannot be sent now waits here and goes by itself when the network is back. */
  async function send() {
    if (along) { if (complete() && (await hb.along.keep(form))) location.href = "/today"; return; }
    keep();
    show("sending");
    let answer;
    try {
      answer = await fetch(location.href, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    } catch {
      if (!complete()) return keep(); /* say it while the resident is still there, not when the network is back */
      if (!hb.along || !(await hb.along.keep(form))) return keep(true);
      localStorage.removeItem(key);
      location.href = "/today"; /* where it stands as kept, and goes by itself when the network is back */
      return;
    }
    if (answer.redirected) {
      if (new URL(answer.url).pathname.startsWith("/today/visits/")) {
        localStorage.removeItem(key);
        if (hb.along) await hb.along.drop(named("key").value);
      } else if (!hb.along || !(await hb.along.keep(form))) keep(true); /* signed out meanwhile: it waits for the next sign-in */
      location.href = answer.url;
      return;
    }
    if (answer.status >= 500) { keep(); show("failed"); return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("form[data-entry]");
    if (!fresh) { document.documentElement.replaceWith(page.documentElement); return; }
    keep();
    form.querySelectorAll(".summary").forEach((old) => old.remove());
    const summary = fresh.querySelector("#errors");
    if (summary) { form.prepend(document.adoptNode(summary)); summary.focus(); }
    fresh.querySelectorAll("[data-field]").forEach((field) => {
      const here = form.querySelector(`[data-field="${field.dataset.field}"]`);
      here.classList.toggle("bad", field.classList.contains("bad"));
      here.classList.toggle("asks", field.classList.contains("asks"));
      const [from, to] = [field.querySelector("[data-note]"), here.querySelector("[data-note]")];
      to.textContent = from.textContent; to.className = from.className; to.hidden = from.hidden;
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    send();
  });
  window.addEventListener("online", () => { if (state.dataset.is === "waiting") send(); });

  restore();
  settle(null);
  const first = document.getElementById("errors") || (location.hash.length > 1 && !location.hash.startsWith("#panel") && document.querySelector(location.hash)) || form.querySelector(".figure");
  if (first && !document.getElementById("errors")) first.focus();
})();
