// The text of one answer while it grows. It is rendered in animation frames, as much as fits into a part of one, and
// only its open end: blocks behind which another block has begun are finished and stay as they are.

import {blocks, rendered} from "./markdown.js";
import {h} from "./dom.js";

const BUDGET = 10; // milliseconds of a frame that rendering may take
const STEP = 1500; // characters that are looked at between two looks at the clock
const LONG_TAIL = 6000; // characters; a longer open block is shown as plain text until it ends

const waiting = new Set();
const afterwards = new Set();
let frame = 0;

function later(answer) {
  waiting.add(answer);
  if (!frame) frame = requestAnimationFrame(renderAll);
}

function renderAll() {
  const end = performance.now() + BUDGET;
  for (const answer of waiting) {
    if (performance.now() > end) break;
    waiting.delete(answer); // it comes back to the end of the line if it has more
    try {
      answer.render();
    } catch {
      answer.giveUp();
    }
  }
  frame = waiting.size ? requestAnimationFrame(renderAll) : 0;
  for (const listener of afterwards) listener();
}

// Call a function after answers were rendered, to scroll.
export const afterRendering = (listener) => afterwards.add(listener);

export class Answer {
  constructor(text, open) {
    this.coming = ""; // what has not been looked at
    this.tail = ""; // the open end
    this.links = {};
    this.end = h("div.tail");
    this.node = h("div.markdown", {}, this.end);
    this.plain = null; // the text node of a long open block
    this.shown = 0; // characters of the tail that the plain text shows
    this.next = 0; // the length of the tail at which a plain block is looked at once more
    this.open = open;
    this.hopeless = false; // what cannot be rendered, such as a thousand quotations in each other, stays plain
    this.append(text);
  }

  append(text) {
    this.coming += text.replaceAll("\r", "");
    later(this);
  }

  finish() {
    this.open = false;
    later(this);
  }

  giveUp() {
    this.hopeless = true;
    this.tail += this.coming;
    this.coming = "";
    this.showPlain(false);
  }

  render() {
    if (this.hopeless) {
      this.plain.appendData(this.coming);
      this.coming = "";
      return;
    }
    this.tail += this.coming.slice(0, STEP);
    this.coming = this.coming.slice(STEP);
    if (this.coming) later(this);
    const open = this.open || this.coming !== "";
    if (this.plain && open && this.tail.length < this.next) {
      this.plain.appendData(this.tail.slice(this.shown));
      this.shown = this.tail.length;
      return;
    }
    const tokens = blocks(this.tail);
    Object.assign(this.links, tokens.links);
    let last = tokens.length - 1;
    while (last > 0 && tokens[last].type === "space") last -= 1;
    if (!open) last = tokens.length;
    const finished = tokens.slice(0, Math.max(0, last));
    const length = finished.reduce((sum, token) => sum + token.raw.length, 0);
    const whole = tokens.reduce((sum, token) => sum + token.raw.length, 0);
    // A lexer that changed the text on the way could not say where a block ends.
    const certain = !open || whole === this.tail.length;
    if (finished.length && certain) {
      this.end.before(rendered(finished, this.links));
      this.tail = this.tail.slice(length);
    }
    const rest = certain ? tokens.slice(finished.length) : tokens;
    this.plain = null;
    if (!open) {
      this.tail = "";
      this.end.replaceChildren();
    } else if (this.tail.length > LONG_TAIL) this.showPlain(rest[0]?.type === "code");
    else this.end.replaceChildren(rendered(rest, this.links, true));
  }

  showPlain(code) {
    this.plain = document.createTextNode(this.tail);
    this.shown = this.tail.length;
    this.next = this.tail.length * 2;
    this.end.replaceChildren(h(code ? "pre.plain" : "p.plain", {}, this.plain));
  }
}
