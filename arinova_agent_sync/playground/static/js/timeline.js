// What became of each task and when: queued, started, first chunk, done.

import {byId, h, milliseconds, number, seconds} from "./dom.js";
import {on} from "./store.js";

const WORDS = {
  pending: "queued", streaming: "streaming", completed: "done", cancelled: "stopped", error: "failed",
  deleted: "no answer", ignored: "dropped",
};

export function timeline() {
  const list = byId("timeline");
  let drawn = new Map(); // task id: its element and what it shows
  on("timeline", (tasks) => {
    const before = drawn;
    drawn = new Map();
    for (const task of tasks) {
      const shown = JSON.stringify(task);
      const known = before.get(task.id);
      drawn.set(task.id, known?.shown === shown ? known : {shown, node: item(task)});
    }
    const nodes = [...drawn.values()].map(({node}) => node);
    if (!nodes.length) nodes.push(h("li.nothing", {}, "No tasks yet. Say something to the agent."));
    list.replaceChildren(...nodes);
  });
}

function item(task) {
  const end = task.done ?? task.age;
  const started = task.started ?? end;
  const first = task.first ?? end;
  const bar = h("div.track", {"aria-hidden": "true"});
  for (const [kind, length] of [["queue", started], ["think", first - started], ["stream", end - first]]) {
    const part = h(`span.${kind}`);
    part.style.flexGrow = String(Math.max(0, length) / Math.max(1, end));
    bar.append(part);
  }
  return h(`li.task.${task.status}`, {},
    h("header", {}, h("strong", {dir: "auto"}, task.agent), h("span.said", {dir: "auto", title: task.text}, task.text || "(no text)"),
      task.chunks ? h("small.muted", {}, `${number(task.chunks)} chunk${task.chunks === 1 ? "" : "s"}`) : null,
      h(`span.status.${task.status}`, {}, WORDS[task.status] ?? task.status)),
    bar,
    h("dl", {},
      pair("queued", `at ${seconds(task.sent)}`), pair("started", after(task.started), "queue"), pair("first chunk", after(task.first), "think"),
      pair("done", after(task.done), "stream")),
    task.error ? h("p.error", {dir: "auto"}, task.error) : null);
}

const after = (value) => (value === null ? "–" : `+${milliseconds(value)}`);

function pair(name, value, kind = "") {
  return h("div", {}, h(`dt${kind ? `.${kind}` : ""}`, {}, name), h("dd", {}, value));
}
