// What can be done with the conversation that is shown: export, clear, delete.

import {byId, h} from "./dom.js";

export function conversationMenu({ask}) {
  const dialog = byId("conversation-dialog");
  byId("conversation-open").addEventListener("click", () => dialog.showModal());

  const does = (id, act) => byId(id).addEventListener("click", async () => {
    dialog.close();
    await act();
  });
  does("export-markdown", async () => save("conversation.md", "text/markdown", await ask("export", {form: "markdown"})));
  does("export-frames", async () => save("frames.json", "application/json", await ask("export", {form: "frames"})));
  does("clear-conversation", () => ask("clear"));
  does("delete-conversation", () => ask("delete"));
}

function save(name, type, text) {
  if (text === undefined) return; // the page has told why
  const url = URL.createObjectURL(new Blob([text], {type}));
  h("a", {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
