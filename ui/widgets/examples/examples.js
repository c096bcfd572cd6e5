// Links of the page that are opened without a request for it: the server puts them on their stage.
// What there is to see stands over that stage, until a hand is on its controls.

import { escapeText, onView, withTerms } from "../component.js";

export function mount({ root, options: { links }, findAll, on, props, trigger }) {
  root.innerHTML = `<h2 class="soft" id="examples-title">Worth trying</h2>
    <ul aria-labelledby="examples-title">${links.map(({ words, query }) =>
    `<li><a href="?${escapeText(query)}">${escapeText(words)}</a></li>`).join("")}</ul>`;
  const note = document.createElement("p");
  note.className = "example-note";
  note.dataset.hints = "";
  note.setAttribute("role", "status");
  let count = 0;
  on(root, "click", (event) => {
    const index = findAll("a").indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return; // for a tab of its own
    event.preventDefault();
    const { place, look } = links[index];
    window.page.lead(place);
    props.value = { kind: "chosen", index, place, count: count += 1 };
    trigger("input");
    tell(place, look);
  });
  for (const type of ["click", "input"]) {
    on(document, type, ({ target }) => {
      if (target.closest?.(".control-column") && !root.contains(target)) note.remove();
    });
  }

  async function tell(place, look) {
    const mine = count;
    const [tab, view] = place.split(" ");
    const stage = await onView([`#${view ? `race-${view}` : tab}-stage`], () => mine !== count);
    if (mine !== count) return;
    note.innerHTML = withTerms(look, ["x̂0", "judge"]);
    note.querySelector("[data-term]")?.setAttribute("tabindex", "0");
    stage?.before(note);
    note.scrollIntoView({ block: "nearest" });
  }
}
