// Puts the page together: its two panels, and the question for a token.

import { $ } from "./dom.js";
import * as files from "./files.js";
import * as record from "./record.js";
import { onAsk } from "./token.js";

const tabs = [
  { tab: $("tab-files"), panel: $("files-panel"), hash: "" },
  { tab: $("tab-live"), panel: $("live-panel"), hash: "#record" },
];

function select(chosen) {
  for (const entry of tabs) {
    const isChosen = entry === chosen;
    entry.tab.setAttribute("aria-selected", isChosen);
    entry.tab.tabIndex = isChosen ? 0 : -1;
    entry.panel.hidden = !isChosen;
  }
}

function follow() {
  select(tabs.find(({ hash }) => hash === location.hash) ?? tabs[0]);
}

tabs.forEach((entry, at) => {
  entry.tab.addEventListener("click", () => {
    history.replaceState(null, "", entry.hash || location.pathname);
    select(entry);
  });
  // As in every row of tabs: the arrows go along it, and it is one stop for the tabulator.
  entry.tab.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    const next = tabs[(at + step + tabs.length) % tabs.length].tab;
    next.click();
    next.focus();
  });
});
document.querySelector(".tabs").hidden = false;
addEventListener("hashchange", follow);
follow();

onAsk(
  (wasWrong) =>
    new Promise((resolve) => {
      const dialog = $("token-dialog");
      $("token-title").textContent = wasWrong ? "The server does not take this token" : "This server asks for a token";
      $("token").value = "";
      dialog.returnValue = "";
      $("token-cancel").onclick = () => dialog.close("");
      dialog.onclose = () => resolve(dialog.returnValue === "given" ? $("token").value.trim() : null);
      dialog.showModal();
    }),
);

files.begin();
record.begin();
