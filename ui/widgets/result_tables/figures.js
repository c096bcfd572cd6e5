// Plots of the board: an SVG, and over it a button for every point. Several share a page.

import { escapeText } from "../component.js";

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
const PLOT = { height: 340, top: 34, bottom: 46, left: 52, right: 14, second: 50 };
const REACH = 40; // px from a point at which a pointer still means it

export function makePlot(block, about, name = "") {
  const floor = about.floors.slice(0, 1).map((it) => ({ ...it, isFloor: true }));
  const legend = [...about.lines, ...floor];
  block.innerHTML = `<div class="result-tables-legend">${legend.map((line) => `<span>${swatchOf(line)}${
    escapeText(line.name)}</span>`).join("")}</div>
    <p class="result-tables-readout" aria-hidden="true"></p>
    <div class="result-tables-plot"><svg role="img" height="${PLOT.height}"></svg>
      <div class="result-tables-points" role="group" data-group="${escapeText(about.label)}"></div>
      <p class="result-tables-empty"></p></div>`;
  const plot = { ...about, name, block, box: block.querySelector(".result-tables-plot"), places: [] };
  const points = block.querySelector(".result-tables-points");
  points.setAttribute("aria-label", `${about.label}: points`);
  for (const point of about.lines.flatMap((line) => line.points)) {
    const button = document.createElement("button");
    button.type = "button";
    Object.assign(button.dataset, { cell: point.cell, row: point.row, column: point.column });
    button.setAttribute("aria-label", point.label);
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-expanded", "false");
    points.append(button);
    plot.places.push({ point, button, x: NaN, y: NaN });
  }
  if (!plot.places.length) points.remove();
  readOut(plot, null);
  return plot;
}

export function drawPlot(plot) {
  const svg = plot.box.querySelector("svg");
  const width = plot.box.clientWidth;
  if (!width) return;
  const first = plot.lines.filter((line) => !line.second);
  const second = plot.lines.filter((line) => line.second);
  const frame = {
    left: PLOT.left,
    right: width - (second.length ? PLOT.second : PLOT.right),
    top: PLOT.top,
    bottom: PLOT.height - PLOT.bottom,
  };
  const along = axisOf(plot.x, frame.left, frame.right);
  const up = risingAxis(first, plot.floors, frame);
  const other = second.length ? risingAxis(second, [], frame) : null;
  const xTicks = plot.x.ticks ?? roundTicks(plot.x.high, width < 520 ? 4 : 6);
  svg.setAttribute("viewBox", `0 0 ${width} ${PLOT.height}`);
  svg.setAttribute("aria-label", summaryOf(plot));
  const parts = up.ticks.map((v) => `<path class="result-tables-rule" d="M${frame.left} ${n(up.at(v))}H${
    frame.right}"/><text class="result-tables-y" data-value="${v}" x="${frame.left - 8}" y="${n(up.at(v))}"
    dy="4">${short(v)}</text>`);
  parts.push(...(other?.ticks ?? []).map((v) => `<text class="result-tables-y2" data-value="${v}" x="${
    frame.right + 8}" y="${n(other.at(v))}" dy="4">${short(v)}</text>`));
  parts.push(`<path class="result-tables-axis" d="M${frame.left} ${frame.bottom}H${frame.right}"/>`);
  parts.push(...xTicks.map((v) => `<path class="result-tables-axis" d="M${n(along(v))} ${frame.bottom}v5"/>
    <text class="result-tables-x" data-value="${v}" x="${n(along(v))}" y="${frame.bottom + 20}">${
    plot.x.write(v)}</text>`));
  parts.push(`<text class="result-tables-name" x="0" y="14">${plot.y.name}, log scale</text>
    <text class="result-tables-name" x="${frame.right}" y="${PLOT.height - 6}" text-anchor="end">${
    plot.x.name}${plot.x.kind === "log" ? ", log scale" : ""}</text>`);
  if (other) {
    parts.push(`<text class="result-tables-name result-tables-y2" x="${width}" y="14" text-anchor="end">${plot.y2.name}, log scale</text>`);
  }
  parts.push(...plot.floors.map(({ at }) => `<path class="result-tables-floor" data-value="${at}" d="M${
    frame.left} ${n(up.at(at))}H${frame.right}"/>`));
  const places = new Map(plot.places.map((place) => [place.point, place]));
  for (const line of plot.lines) {
    const axis = line.second ? other : up;
    const at = line.points.map((p) => [along(p.x), axis.at(p.y)]);
    const stroke = `style="--line:var(--${line.colour});stroke-width:${line.width}"`;
    parts.push(`<g ${stroke} class="result-tables-line"><polyline stroke-dasharray="${line.dash || "none"}"
      points="${at.map((xy) => xy.map(n).join()).join(" ")}"/>${
      line.marks ? line.points.map((p, i) => errorBar(p, at[i][0], axis)
        + `<path class="result-tables-mark" data-x="${p.x}" data-y="${p.y}" d="${
          SHAPES[line.mark ?? "circle"]}" transform="translate(${at[i].map(n).join(" ")})"/>`)
        .join("") : ""}</g>`);
    line.points.forEach((p, i) => {
      const place = places.get(p);
      [place.x, place.y] = at[i];
      place.colour = line.colour;
      place.button.style.cssText = `left:${n(at[i][0])}px;top:${n(at[i][1])}px`;
    });
  }
  svg.innerHTML = `${parts.join("")}<g class="result-tables-here"></g>`;
  plot.box.querySelector(".result-tables-empty").textContent = plot.places.length ? "" : plot.empty;
  readOut(plot, plot.box.querySelector("button:focus"));
}

/** Says what a point tells, and rings it. */
export function readOut(plot, button) {
  const place = plot.places.find((it) => it.button === button);
  const text = place ? place.point.label : plot.places.length ? plot.told : "";
  const readout = plot.block.querySelector(".result-tables-readout");
  readout.textContent = text;
  readout.dataset.on = Boolean(place);
  const ring = plot.box.querySelector(".result-tables-here");
  plot.box.style.cursor = place ? "pointer" : "";
  if (!ring) return;
  ring.innerHTML = place ? `<circle cx="${n(place.x)}" cy="${n(place.y)}" r="9"
    style="stroke:var(--${place.colour})"/>` : "";
}

export function nearest(plot, event) {
  const box = plot.box.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const away = (place) => Math.hypot(place.x - x, place.y - y);
  const first = plot.places.reduce((a, b) => (a && away(a) <= away(b) ? a : b), null);
  return first && away(first) <= REACH ? first.button : null;
}

function errorBar({ y, spread }, x, axis) {
  if (!spread) return "";
  const [low, high] = [axis.at(Math.max(y - spread, axis.low)), axis.at(y + spread)];
  return `<path class="result-tables-error-bar" d="M${n(x)} ${n(low)}V${n(high)}M${n(x - 4)} ${n(low)}h8M${
    n(x - 4)} ${n(high)}h8"/>`;
}

function axisOf({ kind, low, high }, from, to) {
  const f = kind === "log" ? Math.log : Number;
  return (v) => from + ((to - from) * (f(v) - f(low))) / (f(high) - f(low));
}

/** A logarithmic axis that holds all points with their spreads. */
function risingAxis(lines, floors, frame) {
  const points = lines.flatMap((line) => line.points);
  const known = points.flatMap((p) => [p.y - (p.spread ?? 0), p.y + (p.spread ?? 0), p.y])
    .concat(floors.map((floor) => floor.at)).filter((v) => v > 0);
  const low = known.length ? Math.min(...known) / 1.15 : 1;
  const high = known.length ? Math.max(...known) * 1.15 : 10;
  const scale = axisOf({ kind: "log", low, high }, frame.bottom, frame.top);
  return { low, ticks: known.length ? logTicks(low, high) : [], at: (v) => scale(Math.max(v, low)) };
}

function logTicks(low, high) {
  const found = (mantissas) => {
    const from = Math.floor(Math.log10(low));
    const powers = Array.from({ length: Math.ceil(Math.log10(high)) - from }, (_, i) => from + i);
    return powers.flatMap((p) => mantissas.map((m) => Number((m * 10 ** p).toPrecision(3))))
      .filter((v) => v >= low && v <= high);
  };
  const ticks = [[1], [1, 3], [1, 2, 5]].map(found).find((some) => some.length >= 4);
  if (ticks) return ticks;
  // Less than a decade: even steps, as on a linear axis.
  const step = roundStep(high - low, 4);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

function roundStep(span, count) {
  const power = 10 ** Math.floor(Math.log10(span / count));
  return power * [1, 2, 2.5, 5, 10].find((m) => m * power >= (span / count) * (1 - 1e-9));
}

function roundTicks(high, count) {
  const step = roundStep(high, count);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => i * step);
}

/** The plot in a sentence, for those who do not see it. */
function summaryOf({ label, lines, x }) {
  const told = lines.filter((line) => line.points.length).map(({ name, points }) => {
    const [a, b] = [points[0], points.at(-1)];
    return `${name} ${short(a.y)} at ${x.write(a.x)} ${x.name}, ${short(b.y)} at ${x.write(b.x)}`;
  });
  return `${label}. ${told.join("; ") || "Nothing measured yet"}.`;
}

function swatchOf({ colour, dash, mark, marks, width, isFloor }) {
  const line = isFloor ? `<path class="result-tables-floor" d="M0 6H30"/>` : "";
  if (line) return `<svg viewBox="0 0 30 12" aria-hidden="true">${line}</svg>`;
  return `<svg viewBox="0 0 30 12" aria-hidden="true" class="result-tables-line" style="--line:var(--${
    colour});stroke-width:${width}"><polyline points="0,6 30,6" stroke-dasharray="${dash || "none"}"/>${
    marks ? `<path class="result-tables-mark" d="${SHAPES[mark ?? "circle"]}" transform="translate(15 6)"/>`
      : ""}</svg>`;
}

function short(value) {
  return String(Number(value.toPrecision(3)));
}

function n(value) {
  return value.toFixed(1);
}
