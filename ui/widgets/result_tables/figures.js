// A plot of the board: over its drawing a button for every point, which opens the point's protocol.

import { escapeText } from "../component.js";
import {
  axisOf, evenTicks, legendOf, lineOf, logAxis, nearest, rising, roundStep, short, summaryOf,
} from "../plot.js";

const PLOT = { height: 340, top: 34, bottom: 46, left: 52, right: 14, second: 50 };
const REACH = 40; // px from a point at which a pointer still means it

export function makePlot(block, about, name = "") {
  const floor = about.floors.slice(0, 1).map((it) => ({ ...it, isFloor: true }));
  block.innerHTML = `<div class="result-tables-legend">${legendOf([...about.lines, ...floor])}</div>
    <p class="result-tables-readout note" aria-hidden="true"></p>
    <div class="plot"><svg role="img" height="${PLOT.height}"></svg>
      <div class="result-tables-points" role="group" data-group="${escapeText(about.label)}"
        aria-label="${escapeText(about.label)}: points"></div>
      <p class="result-tables-empty note instead"></p></div>`;
  const plot = { ...about, name, block, box: block.querySelector(".plot"), places: [] };
  const points = block.querySelector(".result-tables-points");
  for (const line of about.lines) {
    for (const point of line.points) {
      const button = document.createElement("button");
      button.type = "button";
      Object.assign(button.dataset, { cell: point.cell, row: point.row, column: point.column });
      button.setAttribute("aria-label", point.label);
      button.setAttribute("aria-haspopup", "dialog");
      button.setAttribute("aria-expanded", "false");
      points.append(button);
      plot.places.push({ point, line, button, x: NaN, y: NaN });
    }
  }
  if (!plot.places.length) points.remove();
  readOut(plot, null);
  return plot;
}

export function drawPlot(plot) {
  const svg = plot.box.querySelector("svg");
  const width = plot.box.clientWidth;
  if (!width) return;
  const isSecond = plot.lines.some((line) => line.second);
  const [left, right] = [PLOT.left, width - (isSecond ? PLOT.second : PLOT.right)];
  const [top, bottom] = [PLOT.top, PLOT.height - PLOT.bottom];
  const along = axisOf(plot.x, left, right);
  const [up, other] = [false, true].map((second) =>
    logAxis(heightsOf(plot, second), bottom, top));
  const xTicks = plot.x.ticks
    ?? evenTicks(0, plot.x.high, roundStep(plot.x.high, width < 520 ? 4 : 6));
  svg.setAttribute("viewBox", `0 0 ${width} ${PLOT.height}`);
  svg.setAttribute("aria-label", summaryOf(plot.label, plot.lines, plot.x));
  const second = isSecond ? [
    ...other.ticks.map((v) => `<text class="plot-second" x="${right + 8}" y="${other.at(v)}"
      dy="4">${short(v)}</text>`),
    `<text class="plot-name plot-second plot-end" x="${width}" y="14">${plot.y2.name}, log scale</text>`,
  ] : [];
  const below = xTicks.map((v) => `<path class="plot-axis" d="M${along.at(v)} ${bottom}v5"/>
    <text class="plot-x" x="${along.at(v)}" y="${bottom + 20}">${plot.x.write(v)}</text>`);
  const floors = plot.floors.map(({ at }) =>
    `<path class="plot-floor" d="M${left} ${up.at(at)}H${right}"/>`);
  const lines = plot.lines.map((line) => lineOf(line, along, line.second ? other : up));
  svg.innerHTML = `${rising(up, left, right, short)}${second.join("")}
    <path class="plot-axis" d="M${left} ${bottom}H${right}"/>${below.join("")}
    <text class="plot-name" x="0" y="14">${plot.y.name}, log scale</text>
    <text class="plot-name plot-end" x="${right}" y="${PLOT.height - 6}">${
      plot.x.name}${plot.x.kind === "log" ? ", log scale" : ""}</text>
    ${floors.join("")}${lines.join("")}<circle class="result-tables-here" r="9"/>`;
  for (const place of plot.places) {
    place.x = along.at(place.point.x);
    place.y = (place.line.second ? other : up).at(place.point.y);
    place.button.style.cssText = `left:${place.x}px;top:${place.y}px`;
  }
  plot.box.querySelector(".result-tables-empty").textContent = plot.places.length ? "" : plot.empty;
  readOut(plot, plot.box.querySelector("button:focus"));
}

/** All that one of the rising axes has to hold. */
function heightsOf({ lines, floors }, second) {
  const points = lines.filter((line) => Boolean(line.second) === second)
    .flatMap((line) => line.points);
  const heights = points.flatMap(({ y, spread = 0 }) => [y - spread, y, y + spread]);
  return second ? heights : [...heights, ...floors.map((floor) => floor.at)];
}

/** Says what a point tells, and rings it. */
export function readOut(plot, button) {
  const place = plot.places.find((it) => it.button === button);
  const text = place ? place.point.label : plot.places.length ? plot.told : "";
  const readout = plot.block.querySelector(".result-tables-readout");
  readout.textContent = text;
  readout.classList.toggle("mono", Boolean(place));
  readout.classList.toggle("note", !place);
  plot.box.style.cursor = place ? "pointer" : "";
  const ring = plot.box.querySelector(".result-tables-here");
  if (!ring) return;
  ring.style.display = place ? "" : "none";
  if (!place) return;
  ring.setAttribute("transform", `translate(${place.x} ${place.y})`);
  ring.style.stroke = `var(--${place.line.colour})`;
}

/** The button of the point that a pointer means. */
export function pointUnder(plot, event) {
  const box = plot.box.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const distances = plot.places.map((place) => Math.hypot(place.x - x, place.y - y));
  return plot.places[nearest(distances, REACH)]?.button ?? null;
}
