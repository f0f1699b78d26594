// What became of each task and when: queued, started, first chunk, done.

import {byId, h, milliseconds} from "./dom.js";
import {on} from "./store.js";

const WORDS = {
  pending: "queued", streaming: "streaming", completed: "done", cancelled: "stopped", error: "failed",
  deleted: "no answer", ignored: "dropped",
};

export function timeline() {
  const list = byId("timeline");
  on("timeline", (tasks) => {
    list.replaceChildren(...tasks.map(item));
    if (!tasks.length) list.replaceChildren(h("p.nothing", {}, "No tasks yet. Say something to the agent."));
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
    h("header", {}, h("strong", {}, task.agent), h("span.said", {}, task.text || "(no text)"), h(`span.status.${task.status}`, {}, WORDS[task.status] ?? task.status)),
    bar,
    h("dl", {},
      pair("queued", milliseconds(task.started), "queue"), pair("first chunk", milliseconds(task.first), "think"),
      pair("done", milliseconds(task.done), "stream"), pair("chunks", String(task.chunks))));
}

function pair(name, value, kind = "") {
  return h("div", {}, h(`dt${kind ? `.${kind}` : ""}`, {}, name), h("dd", {}, value));
}
