// A chart that can be asked: lines over a few places, and a hand that tells the values at one of
// them, by pointer, finger or key. What it draws is drawn by plot.js; chart.css is its look.

import { clamp, escapeText, listenToHold } from "./component.js";
import { lineOf, nearest, rising, walk } from "./plot.js";

export const HINT = "Point, drag or use the arrow keys.";
const STILL = 6; // px that a hand moves in a click
const [LEFT, RIGHT, AXIS] = [44, 4, 40]; // px: beside the panels, and below them for the places

/** A chart in a box; `pick` hears the number of a place that was clicked, or taken by Enter.
 *
 * What it shows: `label`; `places`, each { share (of the width), text (below it), name, state };
 * `below`, what the places are; `panels`, each { name, colour, top, tall, rise (its axis between
 * two heights), write, tell, lines, rule }, where the x of a point is the number of a place; `rest`,
 * what is told while nobody asks: the number of a place, or words. */
export function makeChart(box, height, pick = (...place) => void place) {
  box.innerHTML = `<div class="plot chart"><svg aria-hidden="true" height="${height}"></svg><div
    class="chart-hand" role="slider" tabindex="0" aria-valuemin="0"></div></div><p
    class="chart-readout mono" aria-hidden="true"></p>`;
  const [plot, svg, hand, readout] = [".plot", "svg", ".chart-hand", ".chart-readout"]
    .map((selector) => box.querySelector(selector));
  const on = (target, type, handler) => target.addEventListener(type, handler);
  const resized = new ResizeObserver(draw);
  let data = null;
  let stops = []; // the numbers of the places that have values
  let here = 0; // which of these the hand is at
  let isAsked = false;
  let [pressed, isDragged] = [0, false]; // a drag reads values, and picks none

  listenToHold(hand, on, { begin, move });
  on(hand, "pointermove", (event) => event.pointerType === "mouse" && follow(event));
  on(hand, "pointerleave", ({ pointerType }) => // what a finger asked for stays
    ask(here, pointerType !== "mouse" || document.activeElement === hand));
  on(hand, "focus", () => ask(here));
  on(hand, "blur", () => ask(here, false));
  on(hand, "click", () => isDragged || pick(stops[here]));
  on(hand, "keydown", (event) => {
    if (event.key === "Enter") pick(stops[here]);
    const to = walk(event, here, stops.length);
    if (to === undefined) return;
    event.preventDefault();
    ask(to);
  });
  resized.observe(plot);
  return { show, point };

  function show(next) {
    data = next;
    const drawn = data.panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points));
    stops = data.places.map((_, i) => i).filter((i) => drawn.some(({ x }) => x === i));
    here = clamp(here, 0, Math.max(0, stops.length - 1));
    draw();
  }

  /** Put the hand on a place. */
  function point(place) {
    here = Math.max(0, stops.indexOf(place));
    hand.focus({ preventScroll: true });
    ask(here);
  }

  function begin(event) {
    [pressed, isDragged] = [event.clientX, false];
    follow(event);
  }

  function move(event) {
    isDragged ||= Math.abs(event.clientX - pressed) > STILL;
    follow(event);
  }

  function follow(event) {
    const x = event.clientX - plot.getBoundingClientRect().left;
    ask(nearest(stops.map((i) => Math.abs(at(i) - x))));
  }

  function ask(to, asked = true) {
    here = to;
    isAsked = asked;
    tell();
  }

  // --- painting ---------------------------------------------------------------------------

  function at(place) {
    const width = plot.clientWidth - LEFT - RIGHT;
    return Number((LEFT + data.places[place].share * width).toFixed(1));
  }

  function draw() {
    if (!plot.isConnected) return resized.disconnect();
    const width = plot.clientWidth;
    if (!data || !width) return; // in a tab not open yet
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.innerHTML = `<path class="plot-axis"/>${data.places.map(placeOf).join("")}<text
      class="plot-name" x="0" y="${height - AXIS + 26}">${escapeText(data.below)}</text>${
      data.panels.map(panelOf).join("")}`;
    hand.hidden = !stops.length;
    hand.setAttribute("aria-label", data.label);
    hand.setAttribute("aria-valuemax", stops.length - 1);
    tell();
  }

  function panelOf({ name, colour, top, tall, rise, write, lines, rule }) {
    const [up, right] = [rise(top + tall, top), plot.clientWidth - RIGHT];
    const floor = rule && `<path class="plot-floor" d="M${LEFT} ${up.at(rule.at)}H${right}"/><text
      class="plot-name plot-end" x="${right}" y="${up.at(rule.at) + (rule.isBelow ? 13 : -5)}">${rule.name}</text>`;
    const named = lines.filter((line) => line.name && line.points.length);
    // A line's name stands over its beginning, that of the lowest below all of them.
    const begins = named.map(({ points }) => up.at(points[0].y));
    const foot = Math.max(...named.flatMap(({ points }) => points.slice(0, 3)).map(({ y }) => up.at(y)));
    const names = named.map(({ name, colour, points: [{ x }] }, i) => `<text class="plot-name"
      style="fill:var(--${colour})" x="${at(x) + 9}" y="${
      begins[i] === Math.max(...begins) ? foot + 17 : begins[i] - 6}">${name}</text>`);
    return `${rising(up, LEFT, right, write)}${floor ?? ""}<text class="plot-name" x="0"
      y="${top - 20}" style="fill:var(--${colour})">${name}</text>${
      lines.map((line) => lineOf(line, { at }, up)).join("")}${names.join("")}`;
  }

  function placeOf({ text, state }, i) {
    const y = height - AXIS + 8;
    const mark = state ? `<rect class="chart-${state}" x="${at(i) - 3.5}" y="${y - 3.5}" width="7"
      height="7"/>` : `<path class="plot-axis" d="M${at(i)} ${y - 4}v5"/>`;
    return `${mark}<text class="plot-x" x="${at(i)}" y="${y + 18}">${text}</text>`;
  }

  function tell() {
    if (!svg.firstChild) return;
    const { places, panels, rest } = data;
    const place = isAsked ? stops[here] : rest;
    const line = isAsked && stops.length
      ? `M${at(place)} ${panels[0].top}V${panels.at(-1).top + panels.at(-1).tall}` : "";
    svg.firstChild.setAttribute("d", line);
    readout.classList.toggle("soft", typeof place === "string");
    readout.innerHTML = typeof place === "string" ? place : place in places ? words(place) : "";
    if (!stops.length) return;
    hand.setAttribute("aria-valuenow", here);
    const spoken = document.createElement("p");
    spoken.innerHTML = words(stops[here]);
    hand.setAttribute("aria-valuetext", spoken.textContent);
  }

  function words(place) {
    const values = data.panels.flatMap(({ lines, tell }) => lines.flatMap(
      ({ name, colour, points }) => points.filter(({ x }) => x === place).map(({ y }) =>
        `<span style="color:var(--${colour})">${name ? `${name} ` : ""}${tell(y)}</span>`)));
    return [escapeText(data.places[place].name), ...values].join(" · ");
  }
}
