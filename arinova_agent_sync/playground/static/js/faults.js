// Buttons that injure the connection, and one that heals it.

import {announce, byId, h} from "./dom.js";
import {agent, on as when, state} from "./store.js";

const SHOWN = 1500; // milliseconds

const AT_ONCE = [
  ["drop", "Drop", "The TCP connection ends.", {}],
  ["drop", "Drop in mid-frame", "It ends after half a frame.", {mid_frame: true}],
  ["close", "Close", "The server sends a Close frame and goes.", {}],
  ["garbage", "Garbage", "Texts that are no frame of the protocol.", {}],
  ["oversize", "Oversize frame", "A text message of 17 MiB.", {}],
];
const LASTING = [
  ["half-open", "Half-open", "Nothing is read or written, and TCP stays open: only missing pongs tell.", {}],
  ["refuse-auth", "Refuse auth", "The next connections are refused; combine it with a drop.", {}],
  ["slow-reads", "Slow network", "The agent's bytes are read at 1,000 a second.", {bytes_per_second: 1000}],
  ["no-pongs", "No pongs", "Pings are read and not answered.", {}],
  ["late-auth", "Late auth", "auth_ok comes 3 s late.", {seconds: 3}],
  ["http-error", "HTTP errors", "Requests are answered with 503.", {}],
  ["http-slow", "Slow HTTP", "Requests are answered 2 s late.", {seconds: 2}],
];

export function faults({inject, heal}) {
  const view = byId("faults");
  let target = "";
  let struck = ""; // the label of the button that was pressed last
  let fading = 0;

  function render() {
    const focused = view.contains(document.activeElement) ? [...view.querySelectorAll("button,select")].indexOf(document.activeElement) : -1;
    const on = new Map(); // the name of a fault: whom it hits, nobody for all
    for (const {name, agent: id} of state.faults) on.set(name, [...(on.get(name) ?? []), ...(id === null ? [] : [agent(id)?.name ?? "?"])]);
    const badge = byId("fault-count");
    badge.hidden = !on.size;
    badge.textContent = String(on.size);
    view.replaceChildren(
      h("div.row", {}, h("label", {}, "Hit ", chooser()),
        h("button.primary", {type: "button", disabled: !on.size, onclick: () => heal(null)}, "Heal all")),
      h("h2", {}, "At once"),
      h("div.buttons", {}, ...AT_ONCE.map(([name, label, about, parameters]) =>
        h(`button.fault${label === struck ? ".done" : ""}`, {type: "button", onclick: () => strike(name, label, parameters)},
          h("strong", {}, label, h("em", {}, label === struck ? "done" : "")), h("span", {}, about)))),
      h("h2", {}, "Until healed"),
      h("div.buttons", {}, ...LASTING.map(([name, label, about, parameters]) =>
        h(`button.fault${on.has(name) ? ".on" : ""}`, {type: "button", "aria-pressed": String(on.has(name)), onclick: () => (on.has(name) ? heal(name) : inject(name, target, parameters))},
          h("strong", {}, label, h("em", {}, on.has(name) ? ["on", [...new Set(on.get(name))].join(", ")].filter(Boolean).join(" for ") : "")), h("span", {}, about)))),
    );
    if (focused >= 0) view.querySelectorAll("button,select")[focused]?.focus();
  }

  // What happens at once leaves nothing to be seen here, so the button tells that it did.
  async function strike(name, label, parameters) {
    if (!(await inject(name, target, parameters))) return;
    struck = label;
    announce(`${label}: done`);
    render();
    clearTimeout(fading);
    fading = setTimeout(() => {
      struck = "";
      render();
    }, SHOWN);
  }

  function chooser() {
    const select = h("select", {"aria-label": "Which agent", onchange: () => (target = select.value)},
      h("option", {value: ""}, "every agent"), ...state.agents.map(({id, name}) => h("option", {value: id, selected: id === target}, name)));
    return select;
  }

  when("faults", render);
  when("agents", render);
}
