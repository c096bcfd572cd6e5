// Curves of what each lane did at every frame, and the lines by which lanes are told apart.

import { escapeText } from "../component.js";

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

function lineAttributes(i) {
  const { colour, dash } = LINES[i % LINES.length];
  return `style="stroke:var(--${colour})" stroke-dasharray="${dash || "none"}"`;
}

export function curveMarkup({ key, symbol, text }) {
  return `<figure class="player-curve" data-curve="${escapeText(key)}">
    <figcaption><b>${symbol}</b><span>${escapeText(text)}</span><span class="player-values"></span>
    </figcaption>
    <div class="player-plot"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"
      aria-label="${escapeText(text)}: nothing yet"></svg>
      <span class="player-most" aria-hidden="true"></span>
      <span class="player-least" aria-hidden="true"></span>
      <i class="player-line"></i></div></figure>`;
}

/** What of the page shows the curves; `laneOf(i)` is the lane of a name, if it has begun. */
export function makeCurves(box, curves) {
  const parts = curves.map((curve, i) => {
    const [one, svg] = [box.children[i], box.children[i].querySelector(".player-plot svg")];
    return { curve, one, svg, scale: null, dots: [] };
  });

  function build(names) {
    const empty = names.map((name, i) =>
      `<span title="${escapeText(name)}">${swatch(i)}<b>–</b></span>`).join("");
    for (const { one } of parts) one.querySelector(".player-values").innerHTML = empty;
  }

  function draw(names, lanes, axis) {
    for (const part of parts) {
      const { curve, one, svg } = part;
      part.scale = scaleOf(curve, lanes);
      const lines = (part.scale ? lanes : []).map((lane) => {
        const i = names.indexOf(lane.name);
        const { colour } = LINES[i % LINES.length];
        return `<path d="${pathOf(lane, curve, part.scale, axis)}" ${lineAttributes(i)}/>
          <path class="player-dot" data-dot="${i}" style="stroke:var(--${colour})"/>`;
      });
      svg.innerHTML = lines.join("");
      one.querySelector(".player-most").textContent = part.scale ? figure(part.scale.most) : "";
      one.querySelector(".player-least").textContent = part.scale ? figure(part.scale.least) : "";
      part.dots = one.querySelectorAll(".player-dot");
    }
  }

  function moveTo(names, laneOf) {
    for (const { curve: { key }, one, scale, dots } of parts) {
      const values = one.querySelectorAll(".player-values b");
      names.forEach((_, i) => (values[i].textContent = figure(laneOf(i)?.here.numbers[key])));
      for (const dot of dots) {
        const { here } = laneOf(Number(dot.dataset.dot));
        const y = scale.heightOf(here.numbers[key]);
        dot.setAttribute("d", y === null ? "" : `M${1000 * here.place} ${y}h0.01`);
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

/** How a curve's numbers are drawn: `heightOf(value)` from 0, the top, to 100; null for none. */
export function scaleOf(curve, lanes) {
  const onScale = (v) => (curve.scale === "log" ? (v > 0 ? Math.log10(v) : NaN) : v);
  const isDrawn = (v) => v !== null && v !== undefined && Number.isFinite(onScale(v));
  const all = lanes.flatMap((lane) => lane.frames.map((frame) => frame.numbers[curve.key]));
  const drawn = all.filter(isDrawn);
  if (!drawn.length) return null;
  const least = drawn.reduce((a, b) => Math.min(a, b));
  const most = drawn.reduce((a, b) => Math.max(a, b));
  const [low, high] = [onScale(least), onScale(most)];
  const heightOf = (v) => {
    if (!isDrawn(v)) return null;
    return high > low ? 94 - 88 * ((onScale(v) - low) / (high - low)) : 50;
  };
  return { heightOf, least, most };
}

function pathOf(lane, curve, scale, axis) {
  let path = "";
  let drawing = false;
  for (const frame of lane.frames) {
    const value = axis.valueOf(lane, frame);
    const isBeyond = value < axis.low || value > axis.high;
    const y = isBeyond ? null : scale.heightOf(frame.numbers[curve.key]);
    const x = (1000 * frame.place).toFixed(1);
    if (y !== null) path += `${drawing ? "L" : "M"}${x} ${y.toFixed(2)}`;
    drawing = y !== null;
  }
  return path;
}

/** Three digits; powers of ten where zeros would hide them. */
export function figure(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (!size) return "0";
  const isPlain = size >= 0.001 && size < 9999.5;
  const text = isPlain ? plainly(value, size) : powerOfTen(value);
  return text.replace("-", "−");
}

function plainly(value, size) {
  return size >= 99.95 ? value.toFixed(0) : value.toPrecision(3);
}

function powerOfTen(value) {
  const [digits, power] = value.toExponential(1).split("e");
  const raise = (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]);
  const raised = [...String(Number(power))].map(raise);
  return `${digits}·10${raised.join("")}`;
}
