// The list of conversations, and the dialog that begins one.

import {avatar, byId, h} from "./dom.js";
import {agent, on, sorted, state, titleOf} from "./store.js";

export function sidebar({open, begin}) {
  const list = byId("conversations");
  const items = new Map(); // conversation id: its element and what it shows

  function render() {
    const order = sorted();
    for (const conversation of order) {
      const shown = JSON.stringify([conversation, conversation.id === state.current, state.seen.get(conversation.id),
        conversation.agents.map((id) => agent(id)?.connected)]);
      const item = items.get(conversation.id) ?? {node: h("li"), shown: ""};
      items.set(conversation.id, item);
      if (item.shown !== shown) {
        const focused = item.node.contains(document.activeElement);
        item.node.replaceChildren(button(conversation));
        if (focused) item.node.firstChild.focus();
      }
      item.shown = shown;
    }
    const nodes = order.map((conversation) => items.get(conversation.id).node);
    if (nodes.some((node, place) => list.children[place] !== node)) {
      const focused = list.contains(document.activeElement) ? document.activeElement : null;
      list.replaceChildren(...nodes);
      focused?.focus();
    }
    const {source = "", data, generation = ""} = state.about;
    const month = generation && generation[0].toUpperCase() + generation.slice(1);
    byId("about").replaceChildren(h("strong", {dir: "auto"}, source), h("span", {}, `A server like that of ${month} 2026`),
      data ? h("span", {}, `Conversations are kept in ${data}`)
        : h("span", {title: "Start the playground with --data FILE to keep them."}, "Conversations are not saved"));
  }

  function button(conversation) {
    const current = conversation.id === state.current;
    const unread = conversation.seq > (state.seen.get(conversation.id) ?? 0);
    const group = conversation.type !== "h2a";
    const online = conversation.agents.every((id) => agent(id)?.connected);
    const name = titleOf(conversation);
    const preview = conversation.streaming ? "is answering…" : conversation.title || (group ? "New group" : "New conversation");
    return h(
      `button.conversation${current ? ".current" : ""}${unread ? ".unread" : ""}`,
      // One stop for the Tab key; the arrow keys go on from there.
      {type: "button", tabindex: current ? "0" : "-1", "aria-current": current ? "true" : null, onclick: () => open(conversation.id)},
      h("span.face", {}, group ? h("span.stack", {}, ...conversation.agents.slice(0, 2).map((id) => avatar(agent(id)?.name ?? "?"))) : avatar(name),
        h(`span.dot${online ? ".on" : ""}`, {title: online ? "connected" : "not connected"})),
      h("span.what", {}, h("span.name", {dir: "auto"}, name), h(`span.preview${conversation.streaming ? ".live" : ""}`, {dir: "auto"}, preview)),
      unread ? h("span.new", {"aria-label": "new messages"}) : null,
    );
  }

  list.addEventListener("keydown", (event) => {
    if (event.altKey || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    const buttons = [...list.querySelectorAll("button")];
    const place = buttons.indexOf(document.activeElement);
    const next = {ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: buttons.length - 1}[event.key];
    buttons[Math.max(0, Math.min(buttons.length - 1, next))]?.focus();
    event.preventDefault();
  });

  const dialog = byId("new-dialog");
  const chosen = () => [...byId("new-agents").querySelectorAll("input:checked")].map((input) => input.value);
  const check = () => {
    const many = chosen().length > 1;
    byId("new-ok").disabled = chosen().length === 0;
    byId("new-group").checked ||= many;
    byId("new-group").disabled = many;
  };
  function ask() {
    if (dialog.open) return;
    byId("new-agents").replaceChildren(
      ...state.agents.map((each, place) =>
        h("label.choice", {}, h("input", {type: "checkbox", value: each.id, checked: place === 0, onchange: check}), avatar(each.name),
          h("span", {}, each.name), h("small.muted", {}, each.connected ? "connected" : "not connected"))),
    );
    byId("new-group").checked = false;
    check();
    dialog.showModal();
  }
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "ok" && chosen().length) begin(chosen(), byId("new-group").checked);
    dialog.returnValue = "";
  });
  byId("new").addEventListener("click", ask);

  for (const section of ["agents", "conversations", "about", "current"]) on(section, render);
  return {ask};
}
