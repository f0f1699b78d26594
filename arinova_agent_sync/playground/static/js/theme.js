// Light, dark, or as the system has it; the choice is remembered by the browser.

import {byId} from "./dom.js";

const KEY = "arinova-theme";

export function theme() {
  const choice = byId("theme");
  choice.value = localStorage.getItem(KEY) ?? "";
  apply();
  choice.addEventListener("change", () => {
    localStorage.setItem(KEY, choice.value);
    apply();
  });

  function apply() {
    if (choice.value) document.documentElement.dataset.theme = choice.value;
    else delete document.documentElement.dataset.theme;
  }
}
