// A UNet as a grid: a column for each block in the order in which they are evaluated, a row for each
// level, and between two levels one for what halves or doubles.

import { escapeText, term } from "../component.js";

export function mount({ root, options, find, findAll, on }) {
  root.innerHTML = skeleton(options);
  const figure = find(".net-figure");

  for (const kind of ["pointerover", "focusin"]) on(figure, kind, ({ target }) => join(target));
  for (const kind of ["pointerleave", "focusout"]) on(figure, kind, () => join(root));
  return receive;

  function receive(value) {
    if (value.kind !== "network") return;
    find(".tool-name").textContent = value.title;
    figure.setAttribute("aria-label", `${options.label}. ${value.spoken}`);
    figure.innerHTML = `<div class="net-embeddings">${value.embeddings.map(embedding).join("")}</div>
      ${drawing(value)}`;
    // One of them is reached by Tab, see hint.js.
    findAll("[data-hint]").forEach((block, i) => (block.tabIndex = i ? -1 : 0));
    const items = [...value.embeddings, ...value.blocks].map(({ words }) => `<li>${escapeText(words)}</li>`);
    find(".net-list").innerHTML = items.join("");
  }

  /** What a skip connects with a block is marked, too. */
  function join(target) {
    const { name, skip } = target.closest("[data-hint]")?.dataset ?? {};
    for (const block of findAll("[data-hint]")) {
      const isOther = (name && block.dataset.skip === name) || (skip && block.dataset.name === skip);
      block.classList.toggle("net-joined", Boolean(isOther));
    }
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
    return `<div class="net-block" data-kind="${kind}" ${hint(words)}
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

/** A block's words: its name, and its tip, which is HTML in an attribute. */
function hint(words) {
  return `role="img" aria-label="${escapeText(words)}" data-hint="${escapeText(escapeText(words))}"`;
}

function embedding({ kind, words, symbol, what, size }) {
  return `<p class="net-block" data-kind="${kind}" ${hint(words)}><span><i>${symbol}</i>${
    escapeText(what)}</span><span>${escapeText(size)}</span></p>`;
}

function skeleton(options) {
  const mark = (kind, text) => `<span class="net-key"><span class="net-block" data-kind="${kind}"><i></i></span>
    ${text}</span>`;
  const named = (name) => `<span ${term(name, -1)}>${name}</span>`;
  return `
    <p class="tool-name"></p>
    <div class="net-figure" role="group" data-hints aria-label="${escapeText(options.label)}"></div>
    <div class="net-keys soft small" data-hints>
      ${mark("resnet", `<span><span ${term("ResNet")}>ResNet</span>, fed with the ${named("embedding")}</span>`)}
      ${mark("attention", named("attention"))}
      ${mark("downsample", "halve")}
      ${mark("upsample", "double")}
      <span class="net-key"><span class="net-across"></span> ${named("skip")}</span>
    </div>
    <details><summary>Block by block</summary><ol class="net-list small" start="1"></ol></details>`;
}
