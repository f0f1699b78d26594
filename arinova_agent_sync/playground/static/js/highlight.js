// The colours of code. A worker finds them, one block after the other; one that takes too long stays plain.

const LONGEST = 20000; // characters; longer code stays plain
const PATIENCE = 2000; // milliseconds for one block

// The page's policy lets nothing but this one script become a worker.
const policy = window.trustedTypes?.createPolicy("highlighter", {createScriptURL: (url) => url});
const address = new URL("highlight-worker.js", import.meta.url).href;

const waiting = []; // {text, language, done}
let worker = null;
let timer = 0;

function start() {
  worker = new Worker(policy ? policy.createScriptURL(address) : address, {type: "module"});
  worker.onmessage = ({data: {html}}) => finish(html);
  worker.onerror = giveUp;
}

function giveUp() {
  worker.terminate();
  worker = null;
  finish(null);
}

function finish(html) {
  clearTimeout(timer);
  const {done} = waiting.shift();
  if (html !== null) done(html);
  next();
}

function next() {
  if (!waiting.length) return;
  if (!worker) start();
  const {text, language} = waiting[0];
  worker.postMessage({text, language});
  timer = setTimeout(giveUp, PATIENCE);
}

// Call a function with the code as HTML that is not trusted yet, unless the language is unknown.
export function highlight(text, language, done) {
  if (!language || text.length > LONGEST) return;
  waiting.push({text, language, done});
  if (waiting.length === 1) next();
}
