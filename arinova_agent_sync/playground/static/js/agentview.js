// How the agents are: state, errors, counters, skills.

import {avatar, byId, h, number} from "./dom.js";
import {Rates} from "./rates.js";
import {on, state} from "./store.js";

const MAIN = ["life", "link", "connections", "running", "queued", "threads"];

export function agentView({restart}) {
  const list = byId("agents");
  const stats = new Map();
  const logs = new Map(); // agent id: its latest records as texts
  const rates = new Rates();

  function render() {
    list.replaceChildren(
      h("div.row", {}, h("p.muted", {}, "Conversations stay when agents restart."), h("button.small", {type: "button", onclick: restart}, state.agents.length > 1 ? "Restart all" : "Restart")),
      ...state.agents.map(card),
    );
  }

  function card(agent) {
    const counters = stats.get(agent.id);
    const {executors = [], ...numbers} = counters ?? {};
    const names = counters ? [...MAIN, ...Object.keys(numbers).filter((name) => !MAIN.includes(name))] : [];
    const word = agent.connected ? "connected" : agent.state === "connected" ? "disconnected" : agent.state ?? "disconnected";
    return h("section.card", {"aria-label": agent.name},
      h("header", {}, avatar(agent.name), h("strong", {}, agent.name), h(`span.status.${agent.connected ? "completed" : "error"}`, {}, word)),
      agent.problem ? h("div.problem", {}, h("strong", {}, agent.connected ? "Its latest error" : "Why"), h("pre", {tabindex: "0"}, agent.problem)) : null,
      rates.drawn(agent.id),
      h("p.muted", {}, `${count(agent.connections, "connection")} so far, ${count(agent.restarts ?? 0, "restart")}`),
      logs.get(agent.id)?.length ? h("details.log", {}, h("summary", {}, `Log, ${count(logs.get(agent.id).length, "line")}`), h("pre", {tabindex: "0"}, logs.get(agent.id).join("\n"))) : null,
      counters ? h("dl.stats", {}, ...names.map((name) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, shown(counters[name]))))) : h("p.muted", {}, "It tells no counters now."),
      ...executors.map(({name, ...each}) => h("p.muted", {}, `${name}: ${Object.entries(each).map(([key, value]) => `${number(value)} ${key}`).join(", ")}`)),
      agent.skills.length ? h("details", {}, h("summary", {}, count(agent.skills.length, "skill")),
        h("ul.skills", {}, ...agent.skills.map((skill) => h("li", {dir: "auto"}, h("code", {}, `/${skill.id}`), " ", skill.description)))) : null);
  }

  on("stats", (told) => {
    stats.clear();
    logs.clear();
    for (const each of told) logs.set(each.agent, each.log ?? []);
    rates.take(told);
    for (const each of told) if (each.stats) stats.set(each.agent, each.stats);
    keepOpen(render);
  });
  on("agents", () => keepOpen(render));

  function keepOpen(draw) {
    const open = [...list.querySelectorAll("details")].map((each) => each.open);
    const focused = list.contains(document.activeElement) ? [...list.querySelectorAll("button,summary,pre")].indexOf(document.activeElement) : -1;
    draw();
    list.querySelectorAll("details").forEach((each, place) => (each.open = open[place] ?? false));
    if (focused >= 0) list.querySelectorAll("button,summary,pre")[focused]?.focus();
  }
}

const shown = (value) => (typeof value === "number" ? number(value) : String(value));
const count = (much, what) => `${number(much)} ${what}${much === 1 ? "" : "s"}`;
