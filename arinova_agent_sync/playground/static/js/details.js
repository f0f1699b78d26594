// A <details> with all that is in it is one block of Markdown, however many blank lines it has.

const OPENS = /^ {0,3}<details(?:\s+open)?\s*>/i;
const EDGES = /<(\/?)details(?:\s+open)?\s*>/gi;
const SUMMARY = /^\s*<summary>(.*?)<\/summary>/is;

export const DETAILS = {
  name: "details",
  level: "block",
  start: (text) => text.match(/^ {0,3}<details[\s>]/im)?.index,
  tokenizer(text) {
    const opening = OPENS.exec(text);
    if (!opening) return undefined;
    const {inside, end} = ending(text);
    let body = text.slice(opening[0].length, inside);
    const summary = SUMMARY.exec(body);
    if (summary) body = body.slice(summary[0].length);
    const token = {type: "details", raw: text.slice(0, end), open: /open/i.test(opening[0]), summary: [], tokens: []};
    this.lexer.inline(summary?.[1].trim() || "Details", token.summary);
    this.lexer.blockTokens(body.replace(/^[ \t]*\n/, ""), token.tokens);
    return token;
  },
  renderer({open, summary, tokens}) {
    return `<details${open ? " open" : ""}><summary>${this.parser.parseInline(summary)}</summary>${this.parser.parse(tokens)}</details>`;
  },
};

// Where its inside and the whole end; one that is still open ends with the text.
function ending(text) {
  let depth = 0;
  for (const edge of text.matchAll(EDGES)) {
    depth += edge[1] ? -1 : 1;
    if (depth > 0) continue;
    const line = /^[ \t]*\n?/.exec(text.slice(edge.index + edge[0].length))[0];
    return {inside: edge.index, end: edge.index + edge[0].length + line.length};
  }
  return {inside: text.length, end: text.length};
}
