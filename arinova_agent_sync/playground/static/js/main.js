// The page: what stands where, the keys, and the way to the server.

import {agentView} from "./agentview.js";
import {chat} from "./chat.js";
import {composer} from "./composer.js";
import {conversationMenu} from "./conversationmenu.js";
import {announce, byId, icon} from "./dom.js";
import {faults} from "./faults.js";
import {frames} from "./frames.js";
import {Link} from "./link.js";
import {sidebar} from "./sidebar.js";
import {emit, members, on, sorted, state, take, titleOf} from "./store.js";
import {theme} from "./theme.js";
import {timeline} from "./timeline.js";

const TABS = ["frames", "timeline", "agent", "faults"];
const narrow = matchMedia("(max-width: 760px)");
const medium = matchMedia("(max-width: 1180px)");

// The token came in the address and is a cookie now; nobody needs to see it in the address bar.
if (location.search) history.replaceState(null, "", location.pathname);

for (const [id, name] of [["new", "plus"], ["menu", "menu"], ["panel-open", "panel"], ["panel-close", "close"], ["conversation-open", "more"],
  ["attach", "clip"], ["send", "send"], ["stop", "stop"], ["frame-close", "close"]]) byId(id).append(icon(name));

const report = (problem) => banner(problem.message[0].toUpperCase() + problem.message.slice(1));
let bannerTimer = 0;
function banner(text, lasting = false) {
  clearTimeout(bannerTimer);
  byId("banner").textContent = text;
  byId("banner").hidden = !text;
  if (text && !lasting) bannerTimer = setTimeout(() => banner(""), 5000);
}

// Conversations

const list = sidebar({
  open: (id) => {
    open(id);
    drawer(null);
    input.focus();
  },
  begin: async (agents, group) => {
    try {
      await open(await link.ask("new", {agents, group}));
      input.focus();
    } catch (problem) {
      report(problem);
    }
  },
});
const messages = chat({
  reply: (message) => input.answer(message),
  edit: (message) => input.edit(message),
  again: ({id, text}) => again(id, text, input.mentionsOf(text)).catch(() => {}),
  explain: () => showAgent(),
  reveal: async (agent, message) => {
    try {
      byId("read-text").textContent = await link.ask("read", {agent, message, conversation: state.current});
      byId("read-title").textContent = `What ${agent} got`;
      byId("read-dialog").showModal();
    } catch (problem) {
      report(problem);
    }
  },
  fill: (text) => input.fill(text),
  more: (most) => open(state.current, most),
});
const input = composer({
  send: (message) => link.ask("say", {...message, conversation: state.current, sender: message.sender === "owner" ? null : message.sender}).catch((problem) => {
    report(problem);
    throw problem;
  }),
  again: (message, text, mentions) => again(message, text, mentions),
  stop: () => stop(),
  addUser: (name) => link.ask("user", {name}).then(() => true, report),
});
messages.onstreaming = (is) => input.streaming(is);
input.said = () => messages.said();

async function open(id, most) {
  const news = await link.ask("open", {conversation: id, ...(most ? {most} : {})});
  if (state.current !== id) input.answer(null, false);
  state.current = id;
  state.seen.set(id, state.conversations.get(id)?.seq ?? 0);
  sessionStorage.setItem("conversation", id);
  messages.clear();
  messages.show(news);
  emit("current");
}

function again(message, text, mentions) {
  return link.ask("again", {conversation: state.current, message, text, mentions}).catch((problem) => {
    report(problem);
    throw problem;
  });
}

conversationMenu({
  ask: (what, more) => link.ask(what, {conversation: state.current, ...more}).catch(report),
});
on("ids", (ids) => {
  for (const id of [...state.conversations.keys()]) if (!ids.includes(id)) state.conversations.delete(id);
  emit("conversations", []);
  if (!state.current || state.conversations.has(state.current)) return;
  const next = sorted()[0];
  if (next) open(next.id).catch(report);
  else if (state.agents.length) link.ask("new", {agents: [state.agents[0].id], group: false}).then(open, report);
});

function stop() {
  if (!messages.streaming()) return false;
  link.ask("stop", {conversation: state.current}).catch(report);
  announce("Stopped");
  return true;
}

function renderTitle() {
  const conversation = state.conversations.get(state.current);
  if (!conversation) return;
  const title = titleOf(conversation);
  byId("title").textContent = title;
  document.title = `${title} · Arinova playground`;
  const away = members().filter(({connected}) => !connected);
  const group = conversation.type !== "h2a";
  const names = group ? `${away.map(({name}) => name).join(", ")}: ` : "";
  const starting = away.every((each) => each.state === "starting");
  byId("subtitle").textContent = away.length ? `${names}${starting ? "starting…" : "not connected"}` : group ? `Group of ${members().length}` : "connected";
  byId("subtitle").classList.toggle("away", away.length > 0 && !starting);
  byId("subtitle").classList.toggle("starting", away.length > 0 && starting);
  showTrouble(away.find(({problem}) => problem));
  document.querySelector(".hint").hidden = !members().some(({skills}) => skills.length);
  byId("input").placeholder = group ? "Message the group, @ to mention" : `Message ${title}`;
}
for (const section of ["agents", "conversations", "current"]) on(section, renderTitle);

// The last line of a traceback tells most.
function showTrouble(agent) {
  const [words, button] = byId("trouble").children;
  byId("trouble").hidden = !agent;
  const line = agent?.problem.trim().split("\n").at(-1) ?? "";
  if (agent && words.textContent !== `${agent.name}: ${line}`) words.textContent = `${agent.name}: ${line}`;
  button.onclick = showAgent;
}

function showAgent() {
  showTab("agent");
  togglePanel(true);
  byId("tab-agent").focus();
}

// The inspector and the drawers

let tab = sessionStorage.getItem("tab") ?? "frames";
let panelOpen = (sessionStorage.getItem("panel") ?? (medium.matches ? "closed" : "open")) === "open";
let drawerOpen = null; // "sidebar" or "panel" while one lies over the chat

function layout() {
  const asDrawer = {sidebar: narrow.matches, panel: medium.matches};
  if (drawerOpen && !asDrawer[drawerOpen]) drawerOpen = null;
  const shown = {sidebar: !asDrawer.sidebar || drawerOpen === "sidebar", panel: asDrawer.panel ? drawerOpen === "panel" : panelOpen};
  for (const id of ["sidebar", "panel"]) {
    byId(id).inert = !shown[id];
    byId(id).classList.toggle("shown", shown[id]);
  }
  byId("chat").inert = drawerOpen !== null;
  if (drawerOpen && !asDrawer.sidebar) byId("sidebar").inert = true;
  document.body.classList.toggle("with-panel", shown.panel && !asDrawer.panel);
  document.body.classList.toggle("veiled", drawerOpen !== null);
  byId("menu").setAttribute("aria-expanded", String(shown.sidebar));
  byId("panel-open").setAttribute("aria-expanded", String(shown.panel));
  link?.ask("tab", {name: shown.panel ? tab : ""}).catch(() => {});
}

function drawer(which) {
  const before = drawerOpen;
  drawerOpen = which;
  layout();
  if (which === "sidebar") (document.querySelector(".conversation.current") ?? byId("new")).focus();
  if (which === "panel") byId(`tab-${tab}`).focus();
  if (!which && before) byId(before === "panel" ? "panel-open" : "menu").focus();
}

function togglePanel(show) {
  if (medium.matches) {
    drawer(show ?? drawerOpen !== "panel" ? "panel" : null);
    return;
  }
  panelOpen = show ?? !panelOpen;
  sessionStorage.setItem("panel", panelOpen ? "open" : "closed");
  layout();
  if (!panelOpen) byId("panel-open").focus();
}

function showTab(name, focus = false) {
  tab = name;
  sessionStorage.setItem("tab", name);
  for (const each of TABS) {
    const button = byId(`tab-${each}`);
    button.setAttribute("aria-selected", String(each === name));
    button.tabIndex = each === name ? 0 : -1;
    byId(`view-${each}`).hidden = each !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
  layout();
}

const frameList = frames({fetchFrame: (number) => link.ask("frame", {number})});
timeline();
theme();
agentView({restart: () => link.ask("restart").catch(report)});
faults({
  inject: (name, agent, parameters) => link.ask("inject", {name, agent, parameters}).then(() => true, report),
  heal: (name) => link.ask("heal", {name}).catch(report),
});

for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => showTab(name));
byId("tabs").addEventListener("keydown", (event) => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!step || event.altKey) return;
  event.preventDefault();
  showTab(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length], true);
});
byId("panel-open").addEventListener("click", () => togglePanel());
byId("panel-close").addEventListener("click", () => togglePanel(false));
byId("menu").addEventListener("click", () => drawer("sidebar"));
byId("veil").addEventListener("click", () => drawer(null));
byId("help-open").addEventListener("click", () => byId("help").showModal());
// Not submit buttons: Enter in a dialog presses the first of those.
for (const button of document.querySelectorAll("[data-cancel]")) button.addEventListener("click", () => button.closest("dialog").close("cancel"));
for (const query of [narrow, medium]) query.addEventListener("change", layout);

// Keys

addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const typing = event.target.matches?.("input, textarea, select");
  if (event.key === "Escape") {
    if (input.close()) return;
    if (drawerOpen) drawer(null);
    else if (byId("panel").contains(event.target) && frameList.closeDetail()) byId("frames").focus();
    else if (event.target === byId("frame-filter") && event.target.value) return; // the browser clears it
    else if (input.replying()) input.answer(null);
    else stop();
  } else if (event.altKey && !event.ctrlKey && !event.metaKey) {
    if (event.code === "KeyN") list.ask();
    else if (event.code === "KeyI") togglePanel();
    else if (/^Digit[1-4]$/.test(event.code)) {
      showTab(TABS[Number(event.code.at(-1)) - 1]);
      togglePanel(true);
      byId(`tab-${tab}`).focus();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const ids = sorted().map(({id}) => id);
      const next = ids[ids.indexOf(state.current) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) open(next).catch(report);
    } else return;
    event.preventDefault();
  } else if (event.key === "?" && !typing) {
    byId("help").showModal();
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    input.focus();
  }
});

// The server

let settled = false;
const link = new Link({
  opened: () => {
    settled = false;
    state.conversations.clear();
    frameList.reset();
    banner("");
    layout();
  },
  lost: (refused) => {
    const why = refused
      ? "This page's token is not valid any more. Open the address that the playground printed."
      : "The connection to the playground is lost. Trying again…";
    banner(why, true);
    document.body.classList.add("offline");
  },
  update: (update) => {
    take(update);
    if (settled || !state.conversations.size) return;
    settled = true;
    document.body.classList.remove("offline");
    const before = [state.current, sessionStorage.getItem("conversation")].find((id) => state.conversations.has(id));
    open(before ?? sorted()[0].id).then(() => {
      document.body.classList.add("ready");
      if (!narrow.matches) input.focus();
    }).catch(report);
  },
});
showTab(tab);
