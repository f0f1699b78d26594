// Every frame in and out as it happens. Only the rows in view exist.

import {byId, copy, h, number, seconds, size} from "./dom.js";
import {on, state} from "./store.js";

const MOST = 3000; // frames that are kept
const ROW = 30; // pixels, as in the stylesheet
const MOST_TYPES = 40;
const MARGIN = 6; // rows above and below the view

export function frames({fetchFrame}) {
  const list = byId("frames");
  const rows = byId("frames-rows");
  let all = [];
  let fitting = [];
  let skipped = 0;
  let chosen = null; // the frame whose text is shown
  let drawing = 0;

  const hidden = new Set(["ping", "pong"]); // types
  const seen = new Map(); // type: its button

  const fits = (frame) => {
    if (hidden.has(frame.type)) return false;
    const direction = byId("frame-direction").value;
    if (direction && frame.in !== (direction === "in")) return false;
    const words = byId("frame-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    return words.every((word) => frame.search.includes(word));
  };

  function take({items, skipped: lost}) {
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < ROW * 2;
    for (const frame of items) frame.search = `${frame.type} ${frame.agent} ${frame.text}`.toLowerCase();
    for (const {type} of items) if (!seen.has(type)) offer(type);
    skipped += lost;
    all.push(...items);
    if (all.length > MOST) {
      skipped += all.length - MOST;
      all = all.slice(-MOST);
      fitting = all.filter(fits);
    } else {
      fitting.push(...items.filter(fits));
    }
    draw(atEnd);
  }

  // A stranger's frame may call itself anything: so many types get a button, the others are always shown.
  function offer(type) {
    if (seen.size >= MOST_TYPES) return;
    const button = h("button.type", {type: "button", "aria-pressed": String(!hidden.has(type)), onclick: () => {
      if (!hidden.delete(type)) hidden.add(type);
      button.setAttribute("aria-pressed", String(!hidden.has(type)));
      refilter();
    }}, type);
    seen.set(type, button);
    byId("frame-types").replaceChildren(...[...seen.keys()].sort().map((each) => seen.get(each)));
  }

  function refilter() {
    fitting = all.filter(fits);
    draw(true);
  }

  function draw(toEnd = false) {
    if (toEnd) list.dataset.toEnd = "yes";
    if (!drawing) drawing = requestAnimationFrame(drawNow);
  }

  function drawNow() {
    drawing = 0;
    byId("frames-space").style.height = fitting.length ? `${fitting.length * ROW}px` : "100%";
    if (list.dataset.toEnd) list.scrollTop = list.scrollHeight;
    delete list.dataset.toEnd;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - MARGIN);
    const last = Math.min(fitting.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + MARGIN);
    rows.style.transform = `translateY(${first * ROW}px)`;
    rows.replaceChildren(...fitting.slice(first, last).map(row));
    if (!fitting.length) rows.replaceChildren(h("p.nothing", {}, all.length ? "No frame fits the filter." : "No frames yet."));
    const shown = fitting.length === all.length ? number(all.length) : `${number(fitting.length)} of ${number(all.length)}`;
    byId("frame-count").textContent = `${shown} frames${skipped ? `, ${number(skipped)} older ones left out` : ""}`;
    if (chosen) list.setAttribute("aria-activedescendant", `frame-${chosen.n}`);
  }

  function row(frame) {
    const several = state.agents.length > 1;
    return h(`div.frame.${frame.in ? "in" : "out"}${chosen?.n === frame.n ? ".chosen" : ""}`,
      {role: "option", id: `frame-${frame.n}`, "aria-selected": String(chosen?.n === frame.n), "data-n": frame.n},
      h("span.arrow", {title: frame.in ? "from the agent" : "to the agent"}, frame.in ? "←" : "→"),
      h("span.t", {title: "seconds since the playground began"}, (frame.t / 1000).toFixed(3)),
      h("span.type", {}, frame.type),
      several && frame.agent ? h("span.who-of", {}, frame.agent) : null,
      h("span.text", {}, preview(frame.text)));
  }

  async function choose(frame) {
    if (!frame) return;
    chosen = frame;
    byId("frame-detail").hidden = false;
    byId("frame-name").textContent = `${frame.in ? "←" : "→"} ${frame.type}`;
    byId("frame-about").textContent = [frame.agent || "not authenticated", `connection ${frame.connection}`, size(frame.size), seconds(frame.t)].join(" · ");
    byId("frame-text").textContent = frame.text;
    const place = fitting.indexOf(frame);
    if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
    else if ((place + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ROW - list.clientHeight;
    draw();
    const text = await fetchFrame(frame.n).catch(() => null);
    if (chosen !== frame) return;
    frame.whole = text ?? frame.text;
    byId("frame-text").textContent = pretty(frame.whole);
  }

  function closeDetail() {
    const open = chosen !== null;
    chosen = null;
    byId("frame-detail").hidden = true;
    draw();
    return open;
  }

  list.addEventListener("scroll", () => draw(), {passive: true});
  list.addEventListener("click", (event) => {
    const number = Number(event.target.closest(".frame")?.dataset.n);
    choose(fitting.find((frame) => frame.n === number));
  });
  list.addEventListener("keydown", (event) => {
    const place = chosen ? fitting.indexOf(chosen) : fitting.length;
    const next = {ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: fitting.length - 1}[event.key];
    if (event.altKey || next === undefined) return;
    event.preventDefault();
    choose(fitting[Math.max(0, Math.min(fitting.length - 1, next))]);
  });
  byId("frame-filter").addEventListener("input", refilter);
  byId("frame-direction").addEventListener("change", refilter);
  byId("frame-clear").addEventListener("click", () => {
    all = [];
    skipped = 0;
    closeDetail();
    refilter();
  });
  byId("frame-copy").addEventListener("click", () => chosen && copy(chosen.whole ?? chosen.text, byId("frame-copy")));
  byId("frame-close").addEventListener("click", closeDetail);
  new ResizeObserver(() => draw()).observe(list);
  on("frames", take);
  return {closeDetail, reset: () => {
    all = [];
    skipped = 0;
    refilter();
  }};
}

// What tells one frame from the next: neither its type, which stands before it, nor the ids.
function preview(text) {
  return text.replace(/^\{"type":"[^"]*",?/, "").replace(/"(?:taskId|conversationId)":"[^"]*",?/g, "").replace(/,?\}$/, "");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
