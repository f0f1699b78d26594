// Highlights code away from the page: a grammar can take for ever over a text that was made for it.

import hljs from "../vendor/highlight.js";

onmessage = ({data: {text, language}}) => {
  const known = hljs.getLanguage(language);
  postMessage({html: known ? hljs.highlight(text, {language, ignoreIllegals: true}).value : null});
};
