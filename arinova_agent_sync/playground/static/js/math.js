// Formulas: how they are told from text, and their drawing by KaTeX, which is loaded with the first one.

import {escaped, h} from "./dom.js";

const BUDGET = 10; // milliseconds of a frame that drawing may take
const LONGEST = 2000; // characters of a formula; a longer one stays text
// A command with a link or a style is not left out of the formula: all of it stays the text that it is.
function trust() {
  throw new Error("not drawn here");
}
const OPTIONS = {throwOnError: true, trust, maxExpand: 200, maxSize: 20, strict: "ignore"};

// A dollar begins a formula only before a letter and ends it only behind one: "$5 or $6" is none.
const INLINE = /^(?:\\\((.+?)\\\)|\$(?![\s$])((?:\\.|[^\\$\n])*?[^\\$\s])\$(?![\d$]))/s;
const DISPLAY = /^ {0,3}(?:\$\$([^$]+?)\$\$|\\\[(.+?)\\\]) *(?:\n|$)/s;

function extension(name, level, pattern, start, tag) {
  return {
    name, level, start: (text) => text.match(start)?.index,
    tokenizer(text) {
      const found = pattern.exec(text.slice(0, LONGEST));
      return found ? {type: name, raw: found[0], text: (found[1] ?? found[2]).trim()} : undefined;
    },
    renderer: ({text}) => tag.replace("…", () => escaped(text)),
  };
}

export const MATH = [
  extension("formula", "inline", INLINE, /\$|\\\(/, '<code class="math">…</code>'),
  extension("displayedFormula", "block", DISPLAY, /^ {0,3}(?:\$\$|\\\[)/m, '<p><code class="math display">…</code></p>'),
];

let waiting = [];
let loading = null;

// Draw a formula in place of its source; the source stays if KaTeX does not understand it.
export function typeset(code) {
  waiting.push(code);
  loading ??= load();
  loading.then(later, () => (waiting = []));
}

async function load() {
  document.head.append(h("link", {rel: "stylesheet", href: "static/vendor/katex.css"}));
  await import("../vendor/katex.js");
}

let frame = 0;
function later() {
  if (!frame && waiting.length) frame = requestAnimationFrame(draw);
}

function draw() {
  const end = performance.now() + BUDGET;
  frame = 0;
  while (waiting.length && performance.now() < end) {
    const code = waiting.shift();
    const drawn = h("span.formula", {dir: "ltr"});
    try {
      self.katex.render(code.textContent, drawn, {...OPTIONS, displayMode: code.classList.contains("display")});
      code.replaceWith(drawn);
    } catch {
      code.classList.add("unreadable");
    }
  }
  later();
}
