// What the page knows, as the server told it, and who wants to hear when it changes.

const listeners = new Map();

export const state = {
  agents: [],
  users: [],
  faults: [],
  about: {},
  conversations: new Map(),
  current: null, // the id of the conversation that is shown
  seen: new Map(), // conversation id: the last seq that was shown
};

export function on(section, listener) {
  if (!listeners.has(section)) listeners.set(section, []);
  listeners.get(section).push(listener);
}

export function emit(section, value) {
  for (const listener of listeners.get(section) ?? []) listener(value);
}

export function take(update) {
  for (const section of ["agents", "users", "faults", "about"]) {
    if (section in update) state[section] = update[section];
  }
  for (const summary of update.conversations ?? []) {
    state.conversations.set(summary.id, summary);
    if (!state.seen.has(summary.id)) state.seen.set(summary.id, summary.seq);
    if (summary.id === state.current) state.seen.set(summary.id, summary.seq);
  }
  for (const section of Object.keys(update)) {
    if (section !== "type") emit(section, update[section]);
  }
}

export const agent = (id) => state.agents.find((each) => each.id === id);

export const members = () => {
  const ids = state.conversations.get(state.current)?.agents ?? [];
  return ids.map(agent).filter(Boolean);
};

export function titleOf(conversation) {
  const names = conversation.agents.map((id) => agent(id)?.name ?? "?");
  return conversation.type === "h2a" ? names[0] : names.join(", ");
}

// Newest first; those without a message keep the order in which they were made.
export function sorted() {
  return [...state.conversations.values()].reverse().sort((a, b) => (b.at > a.at ? 1 : b.at < a.at ? -1 : 0));
}
