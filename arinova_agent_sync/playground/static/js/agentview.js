// How the agents are: state, errors, pace, log, counters, skills. Only what has changed is drawn anew, since people read
// a traceback, mark it and copy it while the numbers beside it go on.

import {avatar, byId, h, number} from "./dom.js";
import {Rates} from "./rates.js";
import {on, state} from "./store.js";

const MAIN = ["life", "link", "connections", "running", "queued", "threads"];

export function agentView({restart}) {
  const told = new Map(); // agent id: its counters, log and pace
  const cards = new Map(); // agent id: its card
  const rates = new Rates();
  const button = h("button.small", {type: "button", onclick: restart});
  const list = byId("agents");
  list.append(h("div.row", {}, h("p.muted", {}, "Conversations stay when agents restart."), button));

  function render() {
    button.textContent = state.agents.length > 1 ? "Restart all" : "Restart";
    for (const [id, card] of cards) {
      if (state.agents.some((agent) => agent.id === id)) continue;
      card.node.remove();
      cards.delete(id);
    }
    for (const agent of state.agents) {
      if (!cards.has(agent.id)) {
        cards.set(agent.id, new Card());
        list.append(cards.get(agent.id).node);
      }
      cards.get(agent.id).show(agent, told.get(agent.id) ?? {}, rates.drawn(agent.id));
    }
  }

  on("stats", (stats) => {
    told.clear();
    for (const each of stats) told.set(each.agent, each);
    rates.take(stats);
    render();
  });
  on("agents", render);
}

class Card {
  constructor() {
    this.drawn = new Map(); // the name of a part: what it shows
    this.parts = Object.fromEntries(["head", "problem", "pace", "life", "log", "executors", "numbers", "skills"].map((name) => [name, h("div")]));
    this.logLines = h("pre");
    this.logSummary = h("summary");
    this.log = h("details.log", {hidden: true}, this.logSummary, h("div.tail-first", {tabindex: "0"}, this.logLines));
    this.parts.log.append(this.log);
    this.node = h("section.card", {}, ...Object.values(this.parts));
  }

  show(agent, {stats, log = []}, pace) {
    const {name, problem, connected, connections, restarts = 0, skills} = agent;
    const {executors = [], ...numbers} = stats ?? {};
    this.node.setAttribute("aria-label", name);
    const word = connected ? "connected" : agent.state === "connected" ? "disconnected" : agent.state ?? "disconnected";
    this.draw("head", [name, word], () => [
      h("header", {}, avatar(name), h("strong", {}, name), h(`span.status.${connected ? "completed" : "error"}`, {}, word))]);
    this.draw("problem", [problem, connected], () => problem && [
      h("div.problem", {}, h("strong", {}, connected ? "Its latest error" : "Why"), h("div.tail-first", {tabindex: "0"}, h("pre", {}, problem)))]);
    if (pace) this.parts.pace.replaceChildren(pace);
    this.draw("life", [connections, restarts], () => [h("p.muted", {}, `${count(connections, "connection")} so far, ${count(restarts, "restart")}`)]);
    this.showLog(log);
    this.draw("numbers", [stats && numbers], () => (stats ? [counters(numbers)] : [h("p.muted", {}, "It tells no counters now.")]));
    this.draw("executors", [executors], () => executors.map(executor));
    this.draw("skills", [skills], () => skills.length && [skillList(skills)]);
  }

  showLog(lines) {
    const text = lines.join("\n");
    this.log.hidden = !lines.length;
    if (this.drawn.get("log") === text) return;
    this.drawn.set("log", text);
    this.logSummary.textContent = `Log, ${count(lines.length, "line")}`;
    this.logLines.textContent = text;
  }

  draw(part, data, make) {
    const shown = JSON.stringify(data);
    if (this.drawn.get(part) === shown) return;
    this.drawn.set(part, shown);
    this.parts[part].replaceChildren(...(make() || []));
  }
}

function counters(numbers) {
  const names = [...MAIN, ...Object.keys(numbers).filter((name) => !MAIN.includes(name))];
  return h("dl.stats", {}, ...names.map((name) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, worded(numbers[name])))));
}

function executor({name, ...numbers}) {
  return h("div", {}, h("p.muted", {}, `Handlers run in ${name}`), h("dl.stats", {}, ...Object.entries(numbers).map(([key, value]) =>
    h("div", {}, h("dt", {}, key.replaceAll("_", " ")), h("dd", {}, worded(value))))));
}

function skillList(skills) {
  return h("details", {}, h("summary", {}, count(skills.length, "skill")),
    h("ul.skills", {}, ...skills.map(({id, description}) => h("li", {dir: "auto"}, h("code", {}, `/${id}`), " ", description))));
}

const worded = (value) => (typeof value === "number" ? number(value) : String(value));
const count = (much, what) => `${number(much)} ${what}${much === 1 ? "" : "s"}`;
