// Making and finding elements.

export const byId = (id) => document.getElementById(id);

// h("button.small", {title: "Copy", onclick}, "Copy", child)
export function h(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const HOME = ["127.0.0.1", "localhost", "[::1]"];
const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h10",
  plus: "M12 5v14M5 12h14",
  panel: "M4 5.5h16v13H4zM14.5 5.5v13",
  close: "M6 6l12 12M18 6L6 18",
  clip: "M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.6-8.6a3.3 3.3 0 0 1 4.7 4.7l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4l7.8-7.8",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  reply: "M10 8L5 12.5 10 17M5.5 12.5H14a5 5 0 0 1 5 5V19",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  again: "M19 12a7 7 0 1 1-2-5M19 4v4h-4",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  check: "M5 12.5l4.5 4.5L19 7",
  picture: "M4 5.5h16v13H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9.5h.01",
  file: "M7 3.5h7l4 4v13H7zM14 3.5v4h4",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `i i-${name}`);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// The same name gets the same of eight hues, which the stylesheet holds.
export function avatar(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return h(`span.avatar.hue${sum % 8}`, {"aria-hidden": "true"}, [...name][0]?.toUpperCase() ?? "?");
}

// Files of this server have the path for which the page knows it; all others are not loaded, and have none.
export function local(address) {
  if (!URL.canParse(address, location.origin)) return null;
  const url = new URL(address, location.origin);
  const here = url.origin === location.origin || (HOME.includes(url.hostname) && (url.port === location.port || !HOME.includes(location.hostname)));
  return here && url.pathname.startsWith("/uploads/") ? url.pathname : null;
}

export const escaped = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

export function announce(text) {
  byId("announcer").textContent = text;
}

export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea.hidden-text", {}, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  announce("Copied");
  if (!button || button.dataset.copied) return;
  const before = [...button.childNodes];
  button.dataset.copied = "yes";
  button.replaceChildren(icon("check"));
  setTimeout(() => {
    button.replaceChildren(...before);
    delete button.dataset.copied;
  }, 1200);
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(3)} s`;

export const number = (value) => value.toLocaleString("en");
