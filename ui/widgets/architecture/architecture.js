// The figure is drawn by the server; here its blocks are named.

import { clamp, escapeText } from "../component.js";

export function mount({ element, props, watch }) {
  const root = element.querySelector(".architecture");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  root.innerHTML = skeleton(options);
  const find = (selector) => root.querySelector(selector);
  const figure = find(".net-figure");
  let told = []; // every block in words, in order of evaluation
  let here = -1;

  root.dataset.state = "idle";
  figure.addEventListener("pointerover", (event) => {
    const block = event.target.closest("[data-block]");
    if (block) point(Number(block.dataset.block));
  });
  figure.addEventListener("pointerleave", () => {
    if (document.activeElement !== figure) point(-1);
  });
  figure.addEventListener("focusout", () => point(-1));
  figure.addEventListener("keydown", onKey);
  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(value) {
    if (value?.kind !== "network") return;
    told = [...value.blocks];
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
    for (const part of root.querySelectorAll("[data-block], [data-from]")) {
      const { block, from, to } = part.dataset;
      const lit = block ? Number(block) === number : name && (from === name || to === name);
      part.classList.toggle("net-lit", Boolean(lit));
    }
    find(".net-told").textContent = told[number] ?? "";
  }

  function onKey(event) {
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowUp: here - 1, ArrowDown: here + 1,
      Home: 0, End: told.length - 1, Escape: -1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    point(event.key === "Escape" ? -1 : clamp(to, 0, told.length - 1));
  }
}

function skeleton(options) {
  const mark = (kind, shape, text) => `<span class="net-key"><svg width="16" height="16"
    aria-hidden="true"><g class="net-block" data-kind="${kind}">${shape}</g></svg> ${text}</span>`;
  return `
    <p class="net-title"></p>
    <div class="net-figure" role="img" tabindex="0" aria-label="${escapeText(options.label)}">
      <div class="net-wide"></div><div class="net-narrow"></div></div>
    <p class="net-told" role="status"></p>
    <div class="net-keys soft">
      ${mark("resnet", '<rect x="3" y="1" width="10" height="14"/>', "ResNet")}
      ${mark("attention", '<ellipse cx="8" cy="8" rx="5" ry="7"/>', "attention")}
      ${mark("downsample", '<path d="M2 3H14L8 12z"/>', "halve")}
      ${mark("upsample", '<path d="M2 12H14L8 3z"/>', "double")}
      <span class="net-key"><svg width="16" height="16" aria-hidden="true"><path class="net-skip"
        d="M1 14V7q0 -4 4 -4h6q4 0 4 4v5"/></svg> skip</span>
      <span class="net-key"><svg width="16" height="16" aria-hidden="true"><g class="net-feed">
        <path d="M8 15V4"/><circle cx="8" cy="3" r="1.6"/></g></svg> embedding</span>
    </div>
    <details><summary>Block by block</summary><ol class="net-list" start="1"></ol></details>`;
}
