// The figure is drawn by the server; here its blocks are named.

import { escapeText, term } from "../component.js";
import { walk } from "../plot.js";

export function mount({ root, options, find, findAll, on }) {
  root.innerHTML = skeleton(options);
  const figure = find(".net-figure");
  let told = []; // every block in words, in order of evaluation
  let here = -1;

  root.dataset.state = "idle";
  on(figure, "pointerover", (event) => {
    const block = event.target.closest("[data-block]");
    if (block) point(Number(block.dataset.block));
  });
  on(figure, "pointerleave", () => {
    if (document.activeElement !== figure) point(-1);
  });
  on(figure, "focusout", () => point(-1));
  on(figure, "keydown", onKey);
  return receive;

  function receive(value) {
    if (value.kind !== "network") return;
    told = value.blocks;
    find(".net-title").textContent = value.title;
    figure.setAttribute("aria-label", `${options.label}. ${value.spoken} The arrow keys walk `
      + "through its blocks.");
    find(".net-wide").innerHTML = value.wide;
    find(".net-narrow").innerHTML = value.narrow;
    find(".net-list").innerHTML = told.map((text) => `<li>${escapeText(text)}</li>`).join("");
    root.dataset.model = value.model;
    point(-1);
    root.dataset.state = "shown";
  }

  function point(number) {
    here = number;
    const name = told[number]?.split(":")[0];
    for (const part of findAll("[data-block], [data-from]")) {
      const { block, from, to } = part.dataset;
      const lit = block ? Number(block) === number : name && (from === name || to === name);
      part.classList.toggle("net-lit", Boolean(lit));
    }
    find(".net-told").textContent = told[number] ?? "";
  }

  function onKey(event) {
    const to = event.key === "Escape" ? -1 : walk(event, here, told.length, true);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    point(to);
  }
}

function skeleton(options) {
  const mark = (kind, shape, text) => `<span class="net-key"><svg width="16" height="16"
    aria-hidden="true"><g class="net-block" data-kind="${kind}">${shape}</g></svg> ${text}</span>`;
  const named = (name) => `<span ${term(name, -1)}>${name}</span>`;
  return `
    <p class="net-title"></p>
    <div class="net-figure" role="img" tabindex="0" aria-label="${escapeText(options.label)}">
      <div class="net-wide"></div><div class="net-narrow"></div></div>
    <p class="net-told" role="status"></p>
    <div class="net-keys soft" data-hints>
      ${mark("resnet", '<rect x="3" y="1" width="10" height="14"/>', `<span ${term("ResNet")}>ResNet</span>`)}
      ${mark("attention", '<ellipse cx="8" cy="8" rx="5" ry="7"/>', named("attention"))}
      ${mark("downsample", '<path d="M2 3H14L8 12z"/>', "halve")}
      ${mark("upsample", '<path d="M2 12H14L8 3z"/>', "double")}
      <span class="net-key"><svg width="16" height="16" aria-hidden="true"><path class="net-skip"
        d="M1 14V7q0 -4 4 -4h6q4 0 4 4v5"/></svg> ${named("skip")}</span>
      <span class="net-key"><svg width="16" height="16" aria-hidden="true"><g class="net-feed">
        <path d="M8 15V4"/><circle cx="8" cy="3" r="1.6"/></g></svg> ${named("embedding")}</span>
    </div>
    <details><summary>Block by block</summary><ol class="net-list" start="1"></ol></details>`;
}
