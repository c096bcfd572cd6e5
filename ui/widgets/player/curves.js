// Curves of what each lane did at every frame, and the lines by which lanes are told apart.

import { escapeText, term } from "../component.js";
import { figure } from "../numbers.js";
import { axisOf, curveOf } from "../plot.js";

// By shape as well as by colour; the accent belongs to guidance.
const LINES = [
  { colour: "mid", dash: "" },
  { colour: "ink", dash: "7 4" },
  { colour: "data", dash: "2 3" },
  { colour: "noise", dash: "12 3 2 3" },
  { colour: "data", dash: "" },
  { colour: "mid", dash: "4 3" },
  { colour: "ink", dash: "1.5 2.5" },
  { colour: "noise", dash: "16 4" },
  { colour: "noise", dash: "" },
  { colour: "ink", dash: "" },
  { colour: "mid", dash: "12 3 2 3" },
  { colour: "data", dash: "8 3" },
];

export function swatch(i) {
  return `<svg class="player-swatch" viewBox="0 0 26 8" aria-hidden="true"><path d="M0 4H26"
    ${lineAttributes(i)}/></svg>`;
}

function lineAttributes(i, dash = LINES[i % LINES.length].dash) {
  const { colour } = LINES[i % LINES.length];
  return `style="stroke:var(--${colour})" stroke-dasharray="${dash || "none"}"`;
}

export function curveMarkup({ key, symbol, text, term: name }) {
  return `<figure class="player-curve" data-curve="${escapeText(key)}">
    <figcaption class="soft"><b ${term(name, -1)}>${symbol}</b><span>${escapeText(text)}</span><span class="player-values"></span>
    </figcaption>
    <div class="player-plot plot-time"><i class="plot-cursor"></i><svg class="plot-stretched" viewBox="0 0 1 1" preserveAspectRatio="none"
      role="img" aria-label="${escapeText(text)}: nothing yet"></svg>
      <span class="player-most mono soft" aria-hidden="true"></span>
      <span class="player-least mono soft" aria-hidden="true"></span></div></figure>`;
}

/** What of the page shows the curves; `laneOf(i)` is the lane of a name, if it has begun. */
export function makeCurves(box, curves) {
  const parts = curves.map((curve, i) => {
    const one = box.children[i];
    const [svg, most, least] = ["svg", ".player-most", ".player-least"]
      .map((part) => one.querySelector(`.player-plot ${part}`));
    return { curve, one, svg, most, least, scale: null, dots: [] };
  });

  function build(names) {
    const empty = names.map((name, i) =>
      `<span title="${escapeText(name)}">${swatch(i)}<b class="mono">–</b></span>`).join("");
    for (const { one } of parts) one.querySelector(".player-values").innerHTML = empty;
  }

  function draw(names, lanes, axis) {
    for (const part of parts) {
      const { curve, svg, most, least } = part;
      part.scale = scaleOf(curve, lanes);
      const lines = (part.scale ? lanes : []).map((lane) => {
        const i = names.indexOf(lane.name);
        return `<path d="${pathOf(lane, curve, part.scale, axis)}" ${lineAttributes(i)}/>
          <path class="player-dot" data-dot="${i}" ${lineAttributes(i, "")}/>`;
      });
      svg.innerHTML = lines.join("");
      most.textContent = part.scale ? figure(part.scale.high) : "";
      least.textContent = part.scale ? figure(part.scale.low) : "";
      part.dots = svg.querySelectorAll(".player-dot");
    }
  }

  function moveTo(names, laneOf) {
    for (const { curve: { key }, one, scale, dots } of parts) {
      const values = one.querySelectorAll(".player-values b");
      names.forEach((_, i) => (values[i].textContent = figure(laneOf(i)?.here.numbers[key])));
      for (const dot of dots) {
        const { here } = laneOf(Number(dot.dataset.dot));
        dot.setAttribute("d", curveOf([[here.place, scale.share(here.numbers[key])]]));
      }
    }
  }

  function describe(names, laneOf) {
    for (const { curve: { key, text }, svg } of parts) {
      const values = names.map((name, i) => `${name} ${figure(laneOf(i)?.here.numbers[key])}`);
      svg.setAttribute("aria-label", `${text}: ${values.join("; ")}`);
    }
  }

  return { build, draw, moveTo, describe };
}

/** How a curve's numbers are drawn: the `share` of the height that a value has, NaN for none. */
export function scaleOf({ key, scale: kind }, lanes) {
  const isDrawn = (v) => Number.isFinite(v) && (kind !== "log" || v > 0);
  const all = lanes.flatMap((lane) => lane.frames.map((frame) => frame.numbers[key]));
  const drawn = all.filter(isDrawn);
  if (!drawn.length) return null;
  const low = drawn.reduce((a, b) => Math.min(a, b));
  const high = drawn.reduce((a, b) => Math.max(a, b));
  const { at } = axisOf({ kind, low, high }, 6, 94);
  return { low, high, share: (v) => (!isDrawn(v) ? NaN : high > low ? at(v) / 100 : 0.5) };
}

function pathOf(lane, { key }, scale, axis) {
  return curveOf(lane.frames.map((frame) => {
    const value = axis.valueOf(lane, frame);
    const isBeyond = value < axis.low || value > axis.high;
    return [frame.place, isBeyond ? NaN : scale.share(frame.numbers[key])];
  }));
}
