// The messages of the conversation that is shown.

import {afterRendering, Answer} from "./answer.js";
import {announce, avatar, byId, copy, h, icon, local, size} from "./dom.js";
import {members, on, state} from "./store.js";

const NEAR = 80; // pixels from the end at which the view follows
const SPOKEN = 400; // characters of an answer that are read aloud
const MOST_STARTERS = 6;
const GREETINGS = ["Hello!", "What can you do?"];
const PAGE = 200; // messages
const STEERING = 1000; // milliseconds after a key or the wheel in which a move of the view is the user's

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];
const NOTES = {error: "Failed", cancelled: "Stopped"};

export function chat({reply, edit, again, explain, reveal, fill, more}) {
  const log = byId("log");
  const list = byId("messages");
  let shown = new Map(); // message id: {data, node, answer}
  let most = PAGE;
  let following = true;
  let steered = -Infinity; // when the user did last what moves the view
  let placed = 0;
  let marked = ""; // which notes stand there

  function clear() {
    shown = new Map();
    list.replaceChildren();
    keepFollowing(true);
  }

  function show(news) {
    if (!news || news.id !== state.current) return;
    for (const op of news.ops) apply(op);
    marks(news, news.ops.some(({op}) => op === "message"));
    if (!shown.size) empty();
    emitStreaming();
    follow();
  }

  function apply(op) {
    const known = shown.get(op.id);
    if (op.op === "message") {
      list.querySelector(".empty")?.remove();
      const entry = make(op);
      if (known) known.node.replaceWith(entry.node);
      else place(entry);
      shown.set(op.id, entry);
      if (op.role === "user") keepFollowing(true);
      if (op.role === "agent" && op.status !== "streaming" && known) speak(entry);
    } else if (known && op.op === "append") {
      known.data.text += op.text;
      known.answer.append(op.text);
    } else if (known && op.op === "end") {
      known.data.text += op.text;
      known.data.status = op.status;
      known.answer.append(op.text);
      known.answer.finish();
      settle(known);
      speak(known);
    } else if (known && op.op === "remove") {
      known.node.remove();
      shown.delete(op.id);
      if (known.data.status === "streaming") announce(`${known.data.by} answered nothing`);
    }
  }

  function place(entry) {
    const behind = [...list.querySelectorAll(".message")].findLast((node) => Number(node.dataset.seq) < entry.data.seq);
    if (behind) behind.after(entry.node);
    else list.prepend(entry.node);
  }

  function make(data) {
    const own = data.role === "user";
    const entry = {data, answer: own ? null : new Answer(data.text, data.status === "streaming")};
    const body = own ? h("div.bubble", {dir: "auto"}, data.text) : entry.answer.node;
    entry.state = h("p.state");
    entry.node = h(
      `article.message.${own ? "user" : "agent"}`,
      {"data-seq": data.seq, "data-id": data.id, "aria-label": `${data.by} at ${clock(data.at)}`},
      own ? null : avatar(data.by),
      h("div.content", {},
        h("header", {}, h("span.by", {dir: "auto"}, data.by), h("time", {datetime: data.at}, clock(data.at))),
        quote(data.replyTo),
        data.attachments.length ? h("div.attachments", {}, ...data.attachments.map(attachment)) : null,
        data.text || !own ? body : null,
        entry.state,
        h("div.actions", {}, action("reply", "Reply", () => reply(data)), action("copy", "Copy", (button) => copy(data.text, button)),
          own ? action("edit", "Edit and send again", () => edit(data)) : action("again", "Answer again", () => regenerate(data)))),
    );
    settle(entry);
    return entry;
  }

  function settle({data, node, state: note}) {
    for (const status of ["streaming", "completed", "cancelled", "error"]) node.classList.toggle(status, data.status === status);
    note.textContent = NOTES[data.status] ?? "";
    if (data.status === "error" && data.role === "agent") note.append(" ", h("button.link", {type: "button", onclick: () => explain(data.agent)}, "Why?"));
    node.toggleAttribute("aria-busy", data.status === "streaming");
  }

  function regenerate({seq}) {
    const asked = [...shown.values()].filter(({data}) => data.role === "user" && data.seq < seq).sort((a, b) => b.data.seq - a.data.seq)[0];
    if (asked) again(asked.data);
  }

  function action(name, label, act) {
    const button = h("button.icon", {type: "button", title: label, "aria-label": label}, icon(name));
    button.addEventListener("click", () => act(button));
    return button;
  }

  function quote(id) {
    if (!id) return null;
    const answered = shown.get(id)?.data;
    const text = answered ? answered.text.slice(0, 160).replace(/\s+/g, " ") : "An earlier message";
    return h("button.quote", {type: "button", dir: "auto", title: "Show the message", onclick: () => jump(id)}, h("strong", {}, answered?.by ?? ""), " ", text);
  }

  function jump(id) {
    const node = shown.get(id)?.node;
    if (node) keepFollowing(false);
    node?.scrollIntoView({block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"});
    node?.classList.add("flash");
    setTimeout(() => node?.classList.remove("flash"), 1200);
  }

  function speak({data}) {
    const text = data.text.slice(0, SPOKEN);
    announce(`${data.by}${data.status === "completed" ? "" : `, ${NOTES[data.status].toLowerCase()}`}: ${text}`);
  }

  // Which answers wait, which messages the server kept from the agent, and whether there is more above.
  function marks(news, fresh) {
    const now = JSON.stringify([news.queued, news.silent, news.ignored, news.decorated, news.more]);
    if (now === marked && !fresh) return; // a click on one takes longer than the next update
    marked = now;
    for (const node of list.querySelectorAll(".note")) node.remove();
    for (const {agent, message} of news.queued) note(message, `Waiting: ${agent} answers another message first`);
    for (const {agent, message} of news.silent) note(message, `${agent} answered nothing`);
    for (const message of news.ignored) note(message, "Not given to the agent: the server drops a text that is repeated within 5 seconds");
    for (const {agent, message} of news.decorated) {
      note(message, `${agent} got this with more around it than you typed. `, h("button.link", {type: "button", onclick: () => reveal(agent, message)}, "Show"));
    }
    list.querySelector(".earlier")?.remove();
    if (news.more) {
      list.prepend(h("button.small.earlier", {type: "button", onclick: () => more((most += PAGE))}, "Show earlier messages"));
    }
  }

  function note(message, ...inside) {
    shown.get(message)?.node.querySelector(".content").append(h("p.note", {}, ...inside));
  }

  function empty() {
    const group = state.conversations.get(state.current)?.type !== "h2a";
    const offered = members().some(({skills}) => skills.length);
    list.replaceChildren(
      h("div.empty", {}, h("span.mark.large", {"aria-hidden": "true"}), h("h2", {}, "Say something"),
        h("p", {}, "Messages go to the agent as the real server would send them.",
          ...(offered ? [" Type ", h("kbd", {}, "/"), ` to see what ${group ? "they offer" : "it offers"}.`] : []),
          ...(group ? [" Type ", h("kbd", {}, "@"), " to mention one."] : [])),
        h("div.starters", {}, ...starters().map(([text, about]) => h("button.small", {type: "button", title: about, onclick: () => fill(text)}, text)))),
    );
  }

  // What the agents offer, and something to say to those that offer nothing.
  function starters() {
    const offered = new Map(members().flatMap(({skills}) => skills.map(({id, description}) => [`/${id} `, description])));
    return offered.size ? [...offered].slice(0, MOST_STARTERS) : GREETINGS.map((text) => [text, null]);
  }

  function emitStreaming() {
    streaming = [...shown.values()].some(({data}) => data.status === "streaming");
    api.onstreaming?.(streaming);
  }

  function keepFollowing(is) {
    following = is;
    log.classList.toggle("following", is);
    byId("to-end").hidden = is;
  }

  function follow() {
    // Placed after the layout of what was just changed, once per frame.
    if (following && !placed) placed = requestAnimationFrame(() => {
      placed = 0;
      if (following) log.scrollTop = log.scrollHeight;
    });
  }

  let streaming = false;
  afterRendering(() => {
    if (following) log.scrollTop = log.scrollHeight;
  });
  // Only who scrolls is left alone. The view moves by itself as well, whenever what is above changes its height.
  for (const kind of ["wheel", "touchmove", "keydown", "focusin", "pointerdown"]) {
    log.addEventListener(kind, (event) => {
      if (kind !== "pointerdown" || event.target === log) steered = event.timeStamp; // the scroll bar is the log's
    }, {passive: true});
  }
  log.addEventListener("scroll", (event) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    keepFollowing(atEnd || (following && event.timeStamp - steered > STEERING));
  }, {passive: true});
  const resized = new ResizeObserver(follow);
  for (const node of [log, list]) resized.observe(node);
  byId("to-end").addEventListener("click", () => {
    keepFollowing(true);
    follow();
    log.focus();
  });
  on("conversation", show);
  on("agents", () => list.querySelector(".empty") && empty());

  const api = {
    clear,
    show,
    streaming: () => streaming,
    said: () => [...shown.values()].findLast(({data}) => data.role === "user")?.data.text ?? "",
    onstreaming: null,
  };
  return api;
}

function attachment(file) {
  const url = local(file.url);
  const about = `${file.fileName}, ${size(file.fileSize)}`;
  if (url && IMAGES.includes(file.fileType)) {
    // The oldest files give way to newer ones, their messages stay.
    const gone = () => picture.replaceWith(attachment({...file, url: "about:blank"}));
    const picture = h("a.picture", {href: url, target: "_blank", rel: "noopener noreferrer", title: about},
      h("img", {src: url, alt: file.fileName, loading: "lazy", onerror: gone}));
    return picture;
  }
  const inside = [icon("file"), h("span.name", {dir: "auto", title: file.fileName}, file.fileName), h("small", {}, size(file.fileSize))];
  return url ? h("a.file", {href: url, target: "_blank", rel: "noopener noreferrer", download: file.fileName}, ...inside) : h("span.file", {}, ...inside);
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
}
