// Parts of the race that know nothing of its state: markup, axes, layout, curves.

import { clamp, escapeText } from "../component.js";
import { errorMarkup, timelineMarkup, transportMarkup } from "../player/transport.js";

export const PANE_NAMES = {
  x: { symbol: "<i>x<sub>t</sub></i>", text: "the state", spoken: "states" },
  x0: { symbol: "<i>x̂</i><sub>0</sub>", text: "image predicted", spoken: "predicted images" },
  // Not always the network's own: where x̂0 is clipped, ε follows from it.
  eps: {
    symbol: "<i>ε</i>", text: "noise given <i>x̂</i><sub>0</sub>",
    spoken: "noise that goes with the predicted images",
  },
  change: { symbol: "change", text: "by the step", spoken: "changes made by the step" },
};
const ALIGN_NAMES = { t: "step", logsnr: "log-SNR" };
// Told apart by shape as well as by colour; the accent belongs to guidance.
export const LINES = [
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
export const GUTTER = 1; // image pixels between tiles
const FURTHEST = 12; // of log-SNR: beyond, less than half a grey level of the other is left
const USUAL_END = 10; // where in log-SNR a run under way is expected to end
export const CLOSE = 1e-9;
const NARROW = 190; // px, a lane whose numbers need two lines
const NARROWEST = 108; // px, a lane whose name can still be read
const SMALLEST = 2; // px for a pixel of an image; rather than smaller, the page is longer
const CAPTION = 24;

/** Where frames stand on the timeline: `valueOf(lane, k)` from `low` to `high`. */
export function axisOf(aligned, lanes, live) {
  if (aligned === "t") return { low: 0, high: 1, valueOf: (lane, k) => 1 - lane.t[k] / lane.t[0] };
  const within = (value) => clamp(value, -FURTHEST, FURTHEST);
  const low = within(Math.min(...lanes.map((lane) => lane.logSnr[0])));
  const ends = lanes.map((lane) => lane.logSnr.at(-1));
  const high = within(Math.max(...ends, live ? USUAL_END : -Infinity));
  const valueOf = (lane, k) => lane.logSnr[k];
  return { low, high: high > low ? high : low + 1, valueOf };
}

export function placeOn(axis, value) {
  return clamp((value - axis.low) / (axis.high - axis.low), 0, 1);
}

/** The last frame that is not beyond a place; at the very start the opening noise. */
export function frameAt(lane, place) {
  if (place <= 0) return 0;
  let [low, high] = [0, lane.places.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (lane.places[middle] <= place + CLOSE) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** T, if all lanes have the same. */
export function sharedT(lanes) {
  const [first, ...others] = lanes.map((lane) => lane.t[0]);
  return others.every((other) => other === first) ? first : null;
}

export function ticksOf(aligned, axis, lanes, wide) {
  if (aligned === "t") {
    const marks = wide ? 10 : 4;
    const whole = lanes.length ? sharedT(lanes) : null;
    const label = (part) => (whole ? Math.round(whole * part) : `${+part.toFixed(2)} T`);
    return Array.from({ length: marks + 1 }, (_, j) => ({
      place: j / marks,
      label: lanes.length ? (j ? "" : "t = ") + label(1 - j / marks) : "",
    }));
  }
  if (!axis) return [];
  const span = axis.high - axis.low;
  const step = [1, 2, 4, 6].find((size) => span / size <= (wide ? 12 : 5)) ?? 12;
  const ticks = [];
  for (let v = Math.ceil(axis.low / step) * step; v <= axis.high; v += step) {
    ticks.push({ place: placeOn(axis, v), label: String(v).replace("-", "−") });
  }
  return ticks;
}

export function tickMarkup({ place, label }) {
  const edge = place < 0.02 ? "player-tick-first" : place > 0.98 ? "player-tick-last" : "";
  return `<span class="player-tick ${edge}" style="left:${100 * place}%">${label}</span>`;
}

/** Pixels over the pictures of a lane. */
function headOf(compact, laneWidth) {
  if (!compact) return 52;
  return laneWidth < NARROW ? 60 : 46;
}

/** The arrangement of lanes and of the panes within each that shows pixels largest. */
export function arrangement({ width, room, lanes, panes, grid: [wide, high], compact, narrow }) {
  const gap = narrow || compact ? 12 : 20;
  const range = (n) => Array.from({ length: n }, (_, i) => i + 1);
  const choices = compact || lanes > 2 ? range(lanes) : narrow ? [1] : [lanes];
  let best = null;
  for (const across of choices) {
    const down = Math.ceil(lanes / across);
    const laneWidth = Math.floor((width - gap * (across - 1)) / across);
    if (across > 1 && laneWidth < NARROWEST) break;
    const head = headOf(compact, laneWidth);
    const laneHeight = (room - gap * (down - 1)) / down - head;
    for (const beside of range(panes)) {
      const below = Math.ceil(panes / beside);
      const caption = compact && panes === 1 ? 0 : CAPTION;
      const w = Math.floor((laneWidth - 8 * (beside - 1)) / beside);
      const h = (laneHeight - 8 * (below - 1)) / below - caption;
      const fits = Math.min(w / wide, Math.max((h - 8) / high, SMALLEST));
      const scale = Math.floor(fits * devicePixelRatio);
      const fit = { across, beside, gap, laneWidth, scale: Math.max(1, scale) / devicePixelRatio };
      fit.mat = Math.ceil(high * fit.scale) + 8;
      // A large mat is of one size for one image and for four.
      if (!compact && wide < 1.5 * high) fit.mat = Math.max(fit.mat, Math.floor(Math.min(w, h)));
      fit.height = down * (head + below * (fit.mat + caption + 8)) + gap * (down - 1);
      const larger = best && fit.scale - best.scale;
      if (!best || larger > CLOSE || (larger > -CLOSE && fit.height < best.height)) best = fit;
    }
  }
  return best;
}

/** The columns and rows that a lane's tiles take, in image pixels. */
export function gridOf({ shape: [n, h, w], columns }) {
  const rows = Math.ceil(n / columns);
  return [columns * (w + GUTTER) - GUTTER, rows * (h + GUTTER) - GUTTER];
}

// --- curves -----------------------------------------------------------------------------------

/** How a curve's numbers are drawn: `heightOf(value)` from 0, the top, to 100; null for none. */
export function scaleOf(curve, lanes) {
  const onScale = (v) => (curve.scale === "log" ? (v > 0 ? Math.log10(v) : NaN) : v);
  const all = lanes.flatMap((lane) => lane.numbers[curve.key] ?? []).filter((v) => v !== null);
  const drawn = all.filter((v) => Number.isFinite(onScale(v)));
  if (!drawn.length) return null;
  const least = drawn.reduce((a, b) => Math.min(a, b));
  const most = drawn.reduce((a, b) => Math.max(a, b));
  const [low, high] = [onScale(least), onScale(most)];
  const heightOf = (v) => {
    if (v === null || v === undefined || !Number.isFinite(onScale(v))) return null;
    return high > low ? 94 - 88 * ((onScale(v) - low) / (high - low)) : 50;
  };
  return { heightOf, least, most };
}

export function pathOf(lane, curve, scale, axis) {
  const values = lane.numbers[curve.key] ?? [];
  let path = "";
  let drawing = false;
  for (let k = 0; k < lane.places.length; k++) {
    const value = axis.valueOf(lane, k);
    const y = value < axis.low || value > axis.high ? null : scale.heightOf(values[k]);
    const x = (1000 * lane.places[k]).toFixed(1);
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
  const plain = size >= 0.001 && size < 9999.5;
  const text = plain ? plainly(value, size) : powerOfTen(value);
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

// --- markup -----------------------------------------------------------------------------------

export function raceMarkup(options) {
  const chips = options.panes.map((pane) => {
    const { symbol, text } = PANE_NAMES[pane];
    return `<button type="button" data-chip="${pane}" aria-label="${PANE_NAMES[pane].spoken}"
      ><b>${symbol}</b><span class="race-wide"> ${text}</span></button>`;
  });
  const switches = options.align.map((name) =>
    `<button type="button" data-align-by="${name}">${ALIGN_NAMES[name]}</button>`);
  const hidden = options.align.length < 2 ? "hidden" : "";
  return `
    <div class="race-top">
      <div class="race-chips" role="group" aria-label="Pictures shown" ${
        options.panes.length < 2 ? "hidden" : ""}>${chips.join("")}</div>
      <p class="race-recorded" hidden></p>
    </div>
    <div class="race-stage"><div class="race-lanes"></div><p class="race-message"></p>
      ${errorMarkup()}</div>
    <div class="race-readout">
      <p class="race-cursor"></p>
      <div class="race-align" role="group" aria-label="Aligned by" ${hidden}><span>aligned by</span>
        ${switches.join("")}</div>
    </div>
    ${timelineMarkup(`Position in the run: ${escapeText(options.label)}`)}
    ${transportMarkup()}
    <div class="race-curves">${options.curves.map(curveMarkup).join("")}</div>`;
}

function curveMarkup({ key, symbol, text }) {
  return `<figure class="race-curve" data-curve="${escapeText(key)}">
    <figcaption><b>${symbol}</b><span>${escapeText(text)}</span><span class="race-values"></span>
    </figcaption>
    <div class="race-plot"><svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"
      aria-label="${escapeText(text)}: nothing yet"></svg>
      <span class="race-most" aria-hidden="true"></span>
      <span class="race-least" aria-hidden="true"></span>
      <i class="race-line"></i></div></figure>`;
}

export function laneMarkup(name, i, chosen) {
  const safe = escapeText(name);
  return `<div class="race-lane" data-lane="${i}" role="group" aria-label="${safe}">
    <div class="race-head">${swatch(i)}<b class="race-name" title="${safe}">${safe}</b>
      <span class="race-note"></span><span class="race-cost"></span></div>
    <p class="race-where"><span class="race-at"><i>t</i> = <b class="race-t">–</b></span>
      <span class="race-step"></span></p>
    <div class="race-panes">${chosen.map(paneMarkup).join("")}</div></div>`;
}

function paneMarkup(pane) {
  const { symbol, text } = PANE_NAMES[pane];
  return `<figure class="race-pane"><figcaption><b>${symbol}</b><span> ${text}</span></figcaption>
    <div class="race-mat" data-pane="${pane}"><canvas role="img" aria-label="" hidden></canvas>
    <p class="race-empty"></p></div></figure>`;
}

export function lineAttributes(i) {
  const { colour, dash } = LINES[i % LINES.length];
  return `style="stroke:var(--${colour})" stroke-dasharray="${dash || "none"}"`;
}

export function swatch(i) {
  return `<svg class="race-swatch" viewBox="0 0 26 8" aria-hidden="true"><path d="M0 4H26"
    ${lineAttributes(i)}/></svg>`;
}
