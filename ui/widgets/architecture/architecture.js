// A UNet as a grid: a column for each block in the order in which they are evaluated, a row for each
// level, and between two levels one for what halves or doubles.

import { escapeText, term } from "../component.js";
import { walk } from "../plot.js";

export function mount({ root, options, find, findAll, on }) {
  root.innerHTML = skeleton(options);
  const figure = find(".net-figure");
  let descriptions = []; // every block in words, in order of evaluation
  let here = -1;

  root.dataset.state = "idle";
  on(figure, "pointerover", (event) => {
    const block = event.target.closest("[data-words]");
    if (block) point(findAll("[data-words]").indexOf(block));
  });
  on(figure, "pointerleave", () => {
    if (document.activeElement !== figure) point(-1);
  });
  on(figure, "focusout", () => point(-1));
  on(figure, "keydown", onKey);
  return receive;

  function receive(value) {
    if (value.kind !== "network") return;
    find(".tool-name").textContent = value.title;
    figure.setAttribute("aria-label", `${options.label}. ${value.spoken} The arrow keys walk `
      + "through its blocks.");
    figure.innerHTML = `<div class="net-embeddings">${value.embeddings.map(embedding).join("")}</div>
      ${drawing(value)}`;
    descriptions = findAll("[data-words]").map(({ dataset }) => dataset.words);
    const items = descriptions.map((text) => `<li>${escapeText(text)}</li>`);
    find(".net-list").innerHTML = items.join("");
    root.dataset.model = value.model;
    point(-1);
    root.dataset.state = "shown";
  }

  function point(number) {
    here = number;
    const blocks = findAll("[data-words]");
    const { name, skip } = blocks[number]?.dataset ?? {};
    blocks.forEach((block, i) => {
      // What a skip connects with it is lit, too.
      block.classList.toggle("net-lit", i === number);
      block.classList.toggle("net-joined",
        Boolean((name && block.dataset.skip === name) || (skip && block.dataset.name === skip)));
    });
    find(".net-told").textContent = descriptions[number] ?? "";
  }

  function onKey(event) {
    const to = event.key === "Escape" ? -1 : walk(event, here, descriptions.length, true);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    point(to);
  }
}

function drawing({ blocks, levels, made, more }) {
  const heights = levels.map((_, level) =>
    blocks.find((block) => block.level === level && block.kind === "resnet").tall);
  const cells = blocks.map(({ name, kind, level, words, skip, tall, wide }, i) => {
    const upper = kind === "upsample" ? level - 1 : level;
    const isBetween = kind === "downsample" || kind === "upsample";
    const [row, span] = isBetween ? [2 * upper + 1, 3] : [2 * level + 1, 1];
    const ends = isBetween ? `--above:${heights[upper]}px;--under:${heights[upper + 1]}px` : "";
    return `<div class="net-block" data-kind="${kind}" data-words="${escapeText(words)}"
      data-name="${escapeText(name)}" data-skip="${escapeText(skip ?? "")}" style="grid-area:${row} /
      ${i + 2} / span ${span};--tall:${tall}px;--wide:${wide};${ends}"><i></i></div>`;
  });
  const labels = levels.map((text, level) => {
    if (level === levels.length - 1) {
      return `<div class="net-label" style="grid-area:${2 * level + 2} / 1 / auto / -1">${text}</div>`;
    }
    const at = (part) => blocks.filter((block) => block.level === level && block.part === part);
    const from = blocks.indexOf(at("down").at(-1)) + 3;
    return `<div class="net-label net-across" style="grid-area:${2 * level + 1} / ${from} / auto / ${
      blocks.indexOf(at("up")[0]) + 2}"><p>${text}</p></div>`;
  });
  return `<div class="net-grid" style="--count:${blocks.length}"><span class="net-end"><i>x</i><sub><i>t</i></sub>
    </span>${cells.join("")}${labels.join("")}<span class="net-end" style="grid-column:-2"><i>${made}</i>${more}</span></div>`;
}

function embedding({ kind, words, symbol, what, size }) {
  return `<p class="net-block" data-kind="${kind}" data-words="${escapeText(words)}"><span><i>${symbol}</i>${
    escapeText(what)}</span><span>${escapeText(size)}</span></p>`;
}

function skeleton(options) {
  const mark = (kind, text) => `<span class="net-key"><span class="net-block" data-kind="${kind}"><i></i></span>
    ${text}</span>`;
  const named = (name) => `<span ${term(name, -1)}>${name}</span>`;
  return `
    <p class="tool-name"></p>
    <div class="net-figure" role="img" tabindex="0" aria-label="${escapeText(options.label)}"></div>
    <p class="net-told" role="status"></p>
    <div class="net-keys soft" data-hints>
      ${mark("resnet", `<span><span ${term("ResNet")}>ResNet</span>, fed with the ${named("embedding")}</span>`)}
      ${mark("attention", named("attention"))}
      ${mark("downsample", "halve")}
      ${mark("upsample", "double")}
      <span class="net-key"><span class="net-across"></span> ${named("skip")}</span>
    </div>
    <details><summary>Block by block</summary><ol class="net-list" start="1"></ol></details>`;
}
