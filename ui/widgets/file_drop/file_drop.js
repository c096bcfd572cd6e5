// A file that is dropped anywhere on the page, or opened here, stays in the browser: its note
// alone is sent.

import { readNote } from "./note.js";

const PATIENCE = 30_000; // ms

export function mount({ root, options, find, on, props, trigger }) {
  root.innerHTML = `
    <button type="button" class="file-drop-open button"
      title="A GIF, PNG, WebP or MP4 made here; or drop it anywhere on the page">Open a file</button>
    <input type="file" accept=".gif,.png,.webp,.mp4" aria-label="Open a file"
      tabindex="-1" hidden>
    <p class="file-drop-note soft" role="status"></p>
    <div class="file-drop-veil" hidden><p class="inked">Drop it to see its run</p></div>`;
  let asked = 0;

  root.dataset.state = "ready";
  on(find(".file-drop-open"), "click", () => find("input").click());
  on(find("input"), "change", (event) => {
    if (event.target.files[0]) open(event.target.files[0]);
    event.target.value = "";
  });
  on(document, "click", ({ target, isTrusted }) => {
    // By a hand: it was about what stood there before.
    if (isTrusted && root.dataset.state !== "reading" && !root.contains(target)) tell("", "ready");
  });
  for (const name of ["dragover", "dragleave", "drop"]) on(document, name, drag);
  return (value) => {
    if (value.kind !== "told" || value.asked !== asked) return;
    tell(value.message, value.refused ? "refused" : "told");
    if (value.place) window.page.lead(value.place);
  };

  function drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    if (event.type === "dragleave" && event.relatedTarget) return; // within the page
    // A sheet to draw on takes a picture for a picture.
    const elsewhere = event.defaultPrevented || event.target.closest?.(".sketch");
    find(".file-drop-veil").hidden = Boolean(elsewhere) || event.type !== "dragover";
    event.preventDefault(); // or the browser would leave the page for the file
    if (event.type === "drop" && !elsewhere && event.dataTransfer.files[0]) {
      open(event.dataTransfer.files[0]);
    }
  }

  async function open(file) {
    const mine = (asked += 1);
    tell(`Reading ${file.name} …`, "reading");
    let note = "";
    try {
      note = await readNote(file);
    } catch {
      if (mine === asked) tell(`${file.name} is no GIF, PNG, WebP or MP4 that can be read.`, "refused");
      return;
    }
    if (mine !== asked) return;
    if (note.length > options.longest) {
      const most = options.longest.toLocaleString("en");
      tell(`The note in ${file.name} is longer than ${most} characters: it was not made here.`, "refused");
      return;
    }
    if (!note.trim()) {
      tell(`${file.name} carries no settings: it was not made here, or has lost them. `
        + "A picture of your own is opened on the Forward tab.", "refused");
      return;
    }
    props.value = { kind: "dropped", name: file.name, note, asked };
    trigger("input");
    setTimeout(() => {
      if (mine !== asked || root.dataset.state !== "reading") return;
      tell(`The page's server has not answered about ${file.name} yet; try it again.`, "refused");
    }, PATIENCE);
  }

  function tell(message, state = root.dataset.state) {
    find(".file-drop-note").textContent = message;
    root.dataset.state = state;
  }
}
