// Links of the page that are opened without a request for it: the server puts them on their stage.

import { escapeText } from "../component.js";

export function mount({ root, options: { links }, findAll, on, props, trigger }) {
  root.innerHTML = `<h2 class="soft" id="examples-title">Worth trying</h2>
    <ul aria-labelledby="examples-title">${links.map(({ words, query }) =>
    `<li><a href="?${escapeText(query)}">${escapeText(words)}</a></li>`).join("")}</ul>`;
  let count = 0;
  root.dataset.state = "ready";
  on(root, "click", (event) => {
    const index = findAll("a").indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return; // for a tab of its own
    event.preventDefault();
    const { place } = links[index];
    window.page.lead(place);
    props.value = { kind: "chosen", index, place, count: count += 1 };
    trigger("input");
  });
}
