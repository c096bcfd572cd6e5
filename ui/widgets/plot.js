// What every plot of the page is drawn with: axes and their ticks, lines with marks and error bars,
// the nearest point and the keys that walk along. It knows no page: drawings are SVG as text, and
// plot.css is their look.

import { clamp } from "./component.js";

// Of series beside each other: colour, dash and mark all differ.
export const STYLES = [
  { colour: "noise", dash: "7 4", mark: "square", width: 2 },
  { colour: "mid", dash: "", mark: "circle", width: 2 },
  { colour: "data", dash: "2 3", mark: "triangle", width: 2 },
];
const SHAPES = {
  circle: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
  square: "M-4-4h8v8h-8z",
  triangle: "M0-5.2L5 4H-5z",
};

// --- axes -------------------------------------------------------------------------------------

/** An axis from one place to another, in pixels; a rising one goes from its foot to its top.
    `at` gives the place of a value, to a tenth. What has no place on a logarithmic axis, or one
    below its low end, stands there. */
export function axisOf({ kind = "linear", low, high }, from, to) {
  const f = kind === "log" ? (v) => Math.log(Math.max(v, low)) : Number;
  const at = (v) => from + ((to - from) * (f(v) - f(low))) / (f(high) - f(low));
  return { at: (v) => Number(at(v).toFixed(1)) };
}

/** A rising logarithmic axis with its ticks that holds all of these values. */
export function logAxis(values, from, to) {
  const known = values.filter((v) => v > 0);
  const low = known.length ? Math.min(...known) / 1.15 : 1;
  const high = known.length ? Math.max(...known) * 1.15 : 10;
  return { ...axisOf({ kind: "log", low, high }, from, to),
    ticks: known.length ? logTicks(low, high) : [] };
}

/** A linear axis with round ends and ticks, about so many, that holds all of these values. */
export function roundAxis(values, count, from, to) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = roundStep(most - least || 1, count);
  const low = step * Math.floor(least / step + 1e-9);
  const high = Math.max(low + step, step * Math.ceil(most / step - 1e-9));
  return { ...axisOf({ low, high }, from, to), low, high, step, ticks: evenTicks(low, high, step) };
}

export function logTicks(low, high) {
  const ticks = (mantissas) => {
    const from = Math.floor(Math.log10(low));
    const powers = Array.from({ length: Math.ceil(Math.log10(high)) - from }, (_, i) => from + i);
    return powers.flatMap((p) => mantissas.map((m) => Number((m * 10 ** p).toPrecision(3))))
      .filter((v) => v >= low && v <= high);
  };
  // Less than a decade: even steps, as on a linear axis.
  return [[1], [1, 3], [1, 2, 5]].map(ticks).find((some) => some.length >= 4)
    ?? evenTicks(low, high, roundStep(high - low, 4));
}

/** The least round number of which so many cover a span. */
export function roundStep(span, count) {
  const power = 10 ** Math.floor(Math.log10(span / count));
  return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= (span / count) * (1 - 1e-9));
}

/** Every multiple of a step between two values. */
export function evenTicks(low, high, step) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

// --- drawings at a size in pixels -------------------------------------------------------------

/** The numbers of a rising axis beside its rules, which go from left to right. */
export function rising({ at, ticks }, left, right, write) {
  return ticks.map((v) => `<path class="plot-rule" d="M${left} ${at(v)}H${right}"/><text
    class="plot-y" x="${left - 8}" y="${at(v)}" dy="4">${write(v)}</text>`).join("");
}

/** A line through points {x, y, spread} over two axes, with its marks where it has some. */
export function lineOf(line, along, up) {
  const at = line.points.map(({ x, y }) => [along.at(x), up.at(y)]);
  const marks = line.marks ? line.points.map((point, i) =>
    `${errorBar(point, at[i][0], up)}${markOf(line, ...at[i])}`) : [];
  return `<g ${attributesOf(line)}><polyline ${dashOf(line)} points="${at.join(" ")}"/>${
    marks.join("")}</g>`;
}

function attributesOf({ colour, width }) {
  return `class="plot-line" style="--line:var(--${colour});stroke-width:${width}"`;
}

function dashOf({ dash }) {
  return `stroke-dasharray="${dash || "none"}"`;
}

function markOf({ mark = "circle" }, x, y) {
  return `<path class="plot-mark" d="${SHAPES[mark]}" transform="translate(${x} ${y})"/>`;
}

function errorBar({ y, spread }, x, up) {
  if (!spread) return "";
  const [low, high] = [y - spread, y + spread].map(up.at);
  return `<path class="plot-error-bar" d="M${x} ${low}V${high}M${x - 4} ${low}h8M${
    x - 4} ${high}h8"/>`;
}

/** Where texts stand that are to be at these heights, which rise, each a gap below the one before:
    as near as all can be to where they belong. Of more than have room the gap is smaller. */
export function apart(wanted, gap, low, high) {
  const step = Math.min(gap, (high - low) / Math.max(1, wanted.length - 1));
  const groups = []; // of texts that push each other: those stand at the mean of what they want
  for (const [i, y] of wanted.entries()) {
    let group = { sum: y - i * step, count: 1 };
    while (groups.length && groups.at(-1).sum / groups.at(-1).count > group.sum / group.count) {
      const above = groups.pop();
      group = { sum: above.sum + group.sum, count: above.count + group.count };
    }
    groups.push(group);
  }
  const most = high - (wanted.length - 1) * step;
  return groups.flatMap(({ sum, count }) => Array(count).fill(clamp(sum / count, low, most)))
    .map((y, i) => y + i * step);
}

// --- drawings that are stretched to their box: up from 0 to 1 ---------------------------------

/** A path through [x, share], with a gap where the share is not finite. A single point is a dot. */
export function curveOf(points) {
  let pen = "M";
  return points.map(([x, share]) => {
    if (!Number.isFinite(share)) {
      pen = "M";
      return "";
    }
    const piece = pen === "M" ? `M${x} ${heightOf(share)}L${x} ${heightOf(share)}`
      : `L${x} ${heightOf(share)}`;
    pen = "L";
    return piece;
  }).join("");
}

/** Bars of these shares; bar i stands between edges i and i + 1. */
export function barsOf(shares, edges) {
  return shares.map((share, i) => `M${edges[i]} 1V${heightOf(share)}H${edges[i + 1]}V1z`).join("");
}

/** Numbers below an axis, each { place (share of the way), label }. */
export function ticksBelow(ticks) {
  return ticks.map(({ place, label }) => {
    const edge = place < 0.02 ? "first" : place > 0.98 ? "last" : "";
    return `<span data-edge="${edge}" style="left:${100 * place}%">${label}</span>`;
  }).join("");
}

function heightOf(share) {
  return (1 - Math.min(1, share)).toFixed(4);
}

// --- asking -----------------------------------------------------------------------------------

/** Which of these distances is the least, if any is within reach; else -1. */
export function nearest(distances, reach = Infinity) {
  const least = Math.min(...distances);
  return least <= reach ? distances.indexOf(least) : -1;
}

/** Where a key leads from a place in a row of so many; undefined if it leads nowhere. In a row of
    which no page is to scroll, up and down are back and on. */
export function walk({ key, ctrlKey, metaKey, altKey }, at, count, upAndDown = false) {
  if (ctrlKey || metaKey || altKey) return undefined;
  const [up, down] = upAndDown ? [at - 1, at + 1] : [];
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: up, ArrowDown: down, Home: 0,
    End: count - 1 }[key];
  return to === undefined ? undefined : clamp(to, 0, count - 1);
}

/** Three figures of a number. */
export function short(value) {
  return String(Number(value.toPrecision(3)));
}
