// Markdown of strangers: no script, no remote picture, of HTML the few tags that are named; links only where links may lead.

import {Lexer, Marked} from "../vendor/marked.js";
import DOMPurify from "../vendor/purify.js";
import {DETAILS} from "./details.js";
import {copy, escaped, h, icon, local} from "./dom.js";
import {highlight} from "./highlight.js";
import {MATH, typeset} from "./math.js";

const LONGEST_RUN = 50_000; // characters of one paragraph; a longer one stays plain, and the page usable
const DEEPEST = 60; // blocks, or tags, in each other; laying out more takes a browser long
const SAFE_LINK = /^(?:https?:|mailto:|\/uploads\/)/i;

const TAG = /<(\/?)(br|sub|sup|kbd|details|summary)\s*\/?>|<(details)\s+open\s*>/gi; // bare ones: no attribute gets in
const ENTITY = /&(?:#\d{1,7}|#x[a-f\d]{1,6}|\w+);/gi;

// Return the HTML of the pieces of one run of text. Whatever is no listed tag stays the text that it is, and so does a
// tag without its partner.
function tagged(pieces) {
  const tags = pieces.map((piece) => [...piece.matchAll(TAG)]);
  const kept = new Set();
  const begun = {}; // name: tags that wait for their end
  for (const tag of tags.flat()) {
    const name = (tag[2] ?? tag[3]).toLowerCase();
    if (name === "br" && !tag[1]) kept.add(tag);
    else if (tag[1] && begun[name]?.length) kept.add(tag).add(begun[name].pop());
    else if (!tag[1] && !(begun[name]?.length > DEEPEST)) (begun[name] ??= []).push(tag);
  }
  return pieces.map((piece, place) => escapedAround(piece, tags[place].filter((tag) => kept.has(tag))));
}

// Entities stay what they stand for: Markdown has them, too.
const shownText = (text) => escapedAround(text, [...text.matchAll(ENTITY)]);

// Escape a text, but for what was found in it.
function escapedAround(text, found) {
  let shown = "";
  let end = 0;
  for (const {0: kept, index} of found) {
    shown += escaped(text.slice(end, index)) + kept;
    end = index + kept.length;
  }
  return shown + escaped(text.slice(end));
}

const marked = new Marked({
  gfm: true,
  extensions: [DETAILS, ...MATH],
  renderer: {
    html: ({raw, shown}) => shown ?? `<p class="plain">${tagged([raw.trim()])[0]}</p>`,
    text({text, tokens}) {
      return tokens ? this.parser.parseInline(tokens) : shownText(text);
    },
    // The page may load no remote picture at all; a link to it waits for a click. What an agent uploaded is shown.
    image: ({href, text, title}) => {
      const label = escaped(text || title || "picture");
      if (!SAFE_LINK.test(href)) return label;
      return `<a class="${local(href) ? "picture" : "remote-image"}" href="${escaped(href)}">${label}</a>`;
    },
  },
});

const RULES = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "details", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "input", "kbd", "li", "ol",
    "p", "pre", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "type", "checked", "disabled", "open"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_LINK,
  ADD_URI_SAFE_ATTR: ["start", "align", "type"], // they hold no address, so the rule for links is not theirs
  RETURN_DOM_FRAGMENT: true,
};
const SIDED = "ul, ol, blockquote, table"; // blocks that show on which side their text begins
const CODE_RULES = {ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true};

class Blocks extends Lexer {
  inlineTokens(text, tokens = []) {
    if (text.length <= LONGEST_RUN) {
      super.inlineTokens(text, tokens);
      const html = tokens.filter(({type}) => type === "html");
      tagged(html.map(({raw}) => raw)).forEach((shown, place) => (html[place].shown = shown));
      return tokens;
    }
    tokens.push({type: "text", raw: text, text});
    return tokens;
  }
}

export const blocks = (text) => new Blocks(marked.defaults).lex(text);

// Return the elements of some blocks; `open` says that more text may come, so code is not highlighted yet.
// Fails for blocks that nest too deeply.
export function rendered(tokens, links, open = false) {
  if (deeper(tokens, DEEPEST)) throw new RangeError("nested too deeply");
  tokens.links = links;
  const fragment = DOMPurify.sanitize(marked.parser(tokens), RULES);
  for (const link of fragment.querySelectorAll("a")) dress(link);
  for (const box of fragment.querySelectorAll("input")) {
    if (box.getAttribute("type") === "checkbox") box.disabled = true;
    else box.remove();
  }
  if (!open) for (const code of fragment.querySelectorAll("code.math")) typeset(code);
  for (const block of fragment.querySelectorAll(SIDED)) block.dir = "auto";
  for (const code of fragment.querySelectorAll("pre > code")) frame(code, open);
  for (const table of fragment.querySelectorAll("table")) {
    const scroller = h("div.table", {tabindex: "0", role: "region", "aria-label": "Table"});
    table.replaceWith(scroller);
    scroller.append(table);
  }
  return fragment;
}

function deeper(tokens, than) {
  return than < 0 || tokens.some(({tokens: inside = [], items = []}) => deeper([...items, ...inside], than - 1));
}

function dress(link) {
  if (!link.hasAttribute("href")) {
    link.replaceWith(...link.childNodes);
    return;
  }
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  const path = local(link.getAttribute("href"));
  if (path) link.setAttribute("href", path);
  if (path && link.classList.contains("picture")) {
    const alt = link.textContent;
    const gone = () => link.replaceChildren(icon("picture"), alt);
    link.replaceChildren(h("img", {src: path, alt, loading: "lazy", onerror: gone}));
  } else if (link.classList.contains("remote-image")) {
    link.title = `Open the picture ${link.href}`;
    link.prepend(icon("picture"));
  } else {
    link.removeAttribute("class");
  }
}

function frame(code, open) {
  const language = /language-([\w+#-]+)/.exec(code.className)?.[1] ?? "";
  if (!open) highlight(code.textContent, language, (html) => code.replaceChildren(DOMPurify.sanitize(html, CODE_RULES)));
  code.className = "hljs";
  const pre = code.parentNode;
  const button = h("button.icon", {type: "button", title: "Copy the code", "aria-label": "Copy the code"}, icon("copy"));
  button.addEventListener("click", () => copy(code.textContent, button));
  const figure = h("div.code", {dir: "ltr"}, h("header", {}, h("span", {}, language || "text"), button));
  pre.replaceWith(figure);
  pre.tabIndex = 0;
  figure.append(pre);
}
