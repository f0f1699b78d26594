// The box in which a message is written: completion, files, who speaks, send and stop.

import {announce, byId, h, icon, size} from "./dom.js";
import {members, on, state} from "./store.js";

const LARGEST = 25 * 1024 * 1024; // bytes of a file
const MOST_SHOWN = 50; // suggestions

// "@Ann" is not mentioned by "@Anna".
function mentioned(name, text) {
  const pattern = name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return new RegExp(`@${pattern}(?![\\p{L}\\p{N}_])`, "iu").test(text);
}

export function composer({send, again, stop, addUser}) {
  const input = byId("input");
  const popup = byId("popup");
  let files = []; // {file, attachment, problem}
  let editing = null; // the message that is sent again in other words
  let answering = null; // the message that is replied to
  let suggestions = [];
  let chosen = 0;

  // Sending

  async function submit() {
    const text = input.value.trim();
    if (!ready()) return;
    if (files.some(({attachment, problem}) => !attachment && !problem)) {
      announce("The files are still being uploaded");
      return;
    }
    const attachments = files.filter(({attachment}) => attachment).map(({attachment}) => attachment.id);
    const mentions = api.mentionsOf(text);
    const before = {text: input.value, files, answering, editing};
    const replyTo = answering?.id ?? null;
    reset();
    try {
      if (before.editing) await again(before.editing.id, text, mentions);
      else await send({text, attachments, mentions, replyTo, sender: byId("speaker").value});
    } catch (problem) {
      announce(problem.message);
      if (!input.value) {
        input.value = before.text;
        ({files, answering, editing} = before);
        render();
      }
    }
  }

  // A file that could not be uploaded is nothing to send.
  const ready = () => input.value.trim() !== "" || files.some(({problem}) => !problem);

  function reset() {
    input.value = "";
    files = [];
    answering = null;
    editing = null;
    close();
    render();
  }

  function render() {
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, innerHeight * 0.35)}px`;
    const reply = byId("replying");
    reply.hidden = !answering && !editing;
    if (editing) {
      reply.replaceChildren(icon("edit"), h("span", {}, "What you send takes the place of this message and of all behind it."),
        h("button.icon", {type: "button", "aria-label": "Do not edit it", onclick: reset}, icon("close")));
    } else if (answering) {
      reply.replaceChildren(icon("reply"), h("span", {dir: "auto"}, h("strong", {}, answering.by), " ", answering.text.slice(0, 120).replace(/\s+/g, " ")),
        h("button.icon", {type: "button", "aria-label": "Do not reply to it", onclick: () => answer(null)}, icon("close")));
    }
    const list = byId("files");
    list.hidden = !files.length;
    list.replaceChildren(...files.map((entry) => chip(entry)));
    byId("send").disabled = !ready();
  }

  function edit(message) {
    reset();
    editing = message;
    input.value = message.text;
    render();
    input.focus();
  }

  function fill(text) {
    input.value = text;
    render();
    input.focus();
  }

  function answer(message, focus = true) {
    answering = message;
    if (editing) reset();
    render();
    if (focus) input.focus();
  }

  // Files

  function chip(entry) {
    const {file, attachment, problem} = entry;
    return h(`li.file${problem ? ".bad" : attachment ? "" : ".loading"}`, {},
      icon("file"), h("span.name", {dir: "auto", title: file.name}, file.name), h("small", {}, problem ?? (attachment ? size(file.size) : "uploading…")),
      h("button.icon", {type: "button", "aria-label": `Remove ${file.name}`, onclick: () => {
        files = files.filter((each) => each !== entry);
        render();
        input.focus();
      }}, icon("close")));
  }

  function attach(chosenFiles) {
    for (const file of chosenFiles) upload(file);
    input.focus();
  }

  async function upload(file) {
    const entry = {file, attachment: null, problem: null};
    files = [...files, entry];
    render();
    try {
      if (file.size > LARGEST) throw new Error("larger than 25 MB");
      const answer = await fetch(`upload?name=${encodeURIComponent(file.name || "pasted")}`, {
        method: "POST", body: file, headers: {"content-type": file.type || "application/octet-stream"},
      });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.error ?? "not accepted");
      entry.attachment = told;
    } catch (problem) {
      entry.problem = problem.message;
    }
    render();
  }

  // Completion

  function suggest() {
    const before = input.value.slice(0, input.selectionStart);
    const command = /^\/(\S*)$/.exec(before);
    const mention = /(?:^|\s)@([\p{L}\p{N}_]*)$/u.exec(before);
    suggestions = [];
    if (command) {
      const seen = new Set();
      for (const {skills, name} of members()) {
        for (const skill of skills) {
          if (seen.has(skill.id) || !skill.id.toLowerCase().startsWith(command[1].toLowerCase())) continue;
          seen.add(skill.id);
          suggestions.push({label: `/${skill.id}`, about: skill.description, from: members().length > 1 ? name : "", text: `/${skill.id} `, start: 0});
        }
      }
    } else if (mention && state.conversations.get(state.current)?.type !== "h2a") {
      const start = before.length - mention[1].length - 1;
      for (const {name} of members()) {
        if (name.toLowerCase().startsWith(mention[1].toLowerCase())) {
          suggestions.push({label: `@${name}`, about: "", from: "", text: `@${name} `, start});
        }
      }
    }
    suggestions = suggestions.slice(0, MOST_SHOWN);
    chosen = 0;
    offer();
  }

  function offer() {
    popup.hidden = !suggestions.length;
    popup.replaceChildren(...suggestions.map((each, place) =>
      h("div.option", {role: "option", id: `option-${place}`, "aria-selected": String(place === chosen), onmousedown: (event) => {
        event.preventDefault();
        pick(each);
      }}, h("strong", {}, each.label), h("span.muted", {}, each.about), each.from ? h("small", {}, each.from) : null)));
    if (suggestions.length) {
      input.setAttribute("aria-activedescendant", `option-${chosen}`);
      popup.children[chosen].scrollIntoView({block: "nearest"});
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  function pick({text, start}) {
    const rest = input.value.slice(input.selectionStart);
    input.value = input.value.slice(0, start) + text + rest.trimStart();
    input.setSelectionRange(start + text.length, start + text.length);
    close();
    render();
    input.focus();
  }

  function close() {
    const open = suggestions.length > 0;
    suggestions = [];
    offer();
    return open;
  }

  // Keys and events

  input.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey) return;
    if (suggestions.length && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : suggestions.length - 1)) % suggestions.length;
      offer();
      event.preventDefault();
    } else if (suggestions.length && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey) {
      event.preventDefault();
      const typed = input.value.trim();
      if (event.key === "Enter" && typed === suggestions[chosen].label) submit();
      else pick(suggestions[chosen]);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && !input.value && api.said) {
      input.value = api.said();
      render();
      event.preventDefault();
    }
  });
  input.addEventListener("input", () => {
    render();
    suggest();
  });
  input.addEventListener("blur", close);
  input.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      attach(event.clipboardData.files);
    }
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("stop").addEventListener("click", () => {
    stop();
    input.focus();
  });
  byId("attach").addEventListener("click", () => byId("picker").click());
  byId("picker").addEventListener("change", () => {
    attach([...byId("picker").files]);
    byId("picker").value = "";
  });
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const dragging = (more) => {
    depth = Math.max(0, depth + more);
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => hasFiles(event) && dragging(1));
  addEventListener("dragleave", (event) => hasFiles(event) && dragging(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    dragging(-depth);
    attach(event.dataTransfer.files);
  });

  // Who speaks

  const speaker = byId("speaker");
  const dialog = byId("user-dialog");
  on("users", renderSpeakers);
  function renderSpeakers() {
    const before = speaker.dataset.who ?? "owner";
    speaker.replaceChildren(...state.users.map((name) => h("option", {value: name, selected: name === before}, name)),
      h("option", {value: "+"}, "Someone else…"));
  }
  speaker.addEventListener("change", () => {
    if (speaker.value !== "+") {
      speaker.dataset.who = speaker.value;
      return;
    }
    speaker.value = speaker.dataset.who ?? "owner";
    byId("user-name").value = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", async () => {
    const name = byId("user-name").value.trim();
    const asked = dialog.returnValue === "ok" && name;
    dialog.returnValue = "";
    if (!asked || !(await addUser(name))) return;
    speaker.dataset.who = name; // the list with this name comes before or after the answer
    renderSpeakers();
  });

  const api = {
    answer,
    close,
    edit,
    fill,
    mentionsOf: (text) => members().filter(({name}) => mentioned(name, text)).map(({id}) => id),
    replying: () => answering !== null || editing !== null,
    focus: () => input.focus(),
    said: null,
    streaming: (is) => {
      byId("stop").hidden = !is;
    },
  };
  render();
  return api;
}
