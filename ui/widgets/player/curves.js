// One curve of every lane, large: what each did at every frame. Also the lines by which lanes are
// told apart.

import { escapeText } from "../component.js";
import { figure, minus } from "../numbers.js";
import {
  apart, axisOf, lineOf, logAxis, nearest, rising, roundAxis, short, ticksBelow,
} from "../plot.js";
import { frameAt } from "./axis.js";

const HEIGHT = 240; // px of the drawing
const [TOP, FOOT] = [12, 234];
const LEFT = 52; // px for the numbers of the rising axis
const LETTER = 7.8; // px that one takes, about
const LINE = 15; // px from one name to the next
const LEAD = 18; // px from the end of a line to its name
const NEAR = 24; // px between a pointer and the line that it means

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
  const { colour, dash } = styleOf(i);
  return `<svg class="player-swatch" viewBox="0 0 26 8" aria-hidden="true"><path d="M0 4H26"
    style="stroke:var(--${colour})" stroke-dasharray="${dash || "none"}"/></svg>`;
}

function styleOf(i) {
  return LINES[i % LINES.length];
}

export function curvesMarkup(curves) {
  if (!curves.length) return "";
  const chips = curves.map(({ key, symbol, text }) =>
    `<button type="button" class="button" data-curve-of="${escapeText(key)}"><b>${symbol}</b> ${
      escapeText(text)}</button>`);
  return `<figure class="player-curve">
    <div class="player-choice" role="group" aria-label="Curve shown">${chips.join("")}</div>
    <p class="player-about soft small"></p>
    <div class="plot"><svg height="${HEIGHT}" role="img" aria-label="Nothing yet"></svg>
      <div class="player-plot plot-time"><i class="plot-cursor"></i><i class="player-pointed"></i></div>
      <p class="instead note"></p></div>
    <div class="plot-ticks mono" aria-hidden="true"></div>
    <figcaption><span class="player-place soft"></span><ul class="player-values"></ul></figcaption>
  </figure>`;
}

/** What of the page shows the curves; `readAt` says what a place on the timeline is. */
export function makeCurves(box, { curves, on, readAt }) {
  const [about, svg, area, instead, ticks, where, list] = ["about", "curve svg[role]", "plot",
    "curve .instead", "curve .plot-ticks", "place", "values"]
    .map((part) => box.querySelector(`.player-${part}`));
  let chosen = curves[0];
  let drawn = null; // what is: its names, lanes, lines and axes
  let place = 0; // of the cursor
  let pointed = NaN; // where a pointer is, if it is over the curves
  let near = -1; // the lane that it means

  listen();
  choose(chosen.key);
  return { build, draw, moveTo, describe };

  function listen() {
    on(box, "click", ({ target }) => {
      const chip = target.closest("[data-curve-of]");
      if (chip) choose(chip.dataset.curveOf);
    });
    on(area, "pointermove", (event) => event.pointerType === "touch" || point(event));
    on(area, "pointerleave", () => leave());
    on(list, "pointerover", ({ target }) => name(Number(target.closest("li")?.dataset.line ?? -1)));
    on(list, "pointerleave", () => leave());
  }

  function choose(key) {
    chosen = curves.find((curve) => curve.key === key);
    about.innerHTML = chosen.about;
    for (const chip of box.querySelectorAll("[data-curve-of]")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.curveOf === key));
    }
    if (drawn) draw(drawn);
  }

  function build(names) {
    list.innerHTML = names.map((lane, i) => `<li data-line="${i}">${swatch(i)}<span class="cut">${
      escapeText(lane)}</span><b class="mono">–</b></li>`).join("");
  }

  function draw({ names, lanes, axis, marksIn }) {
    const width = svg.parentElement.clientWidth;
    const longest = Math.max(...names.map((lane) => lane.length));
    const right = Math.round(width - Math.min(longest * LETTER + LEAD + 5, 0.32 * width));
    const along = axisOf({ low: 0, high: 1 }, LEFT, right);
    const up = upOf(chosen, lanes);
    const lines = withSpots((up ? lanes : []).map((lane) => ({
      lane,
      i: names.indexOf(lane.name),
      at: placesOf(lane, chosen.key, axis, up).map(([x, y]) => [along.at(x), up.at(y)]),
    })).filter(({ at }) => at.length));
    drawn = { names, lanes, axis, marksIn, along, up, lines, width, right };
    area.style.inset = `${TOP}px ${width - right}px ${HEIGHT - FOOT}px ${LEFT}px`;
    ticks.style.margin = `0 ${width - right}px 0 ${LEFT}px`;
    ticks.innerHTML = ticksBelow(marksIn(right - LEFT));
    instead.textContent = lanes.length && !lines.length ? "Known when all have ended." : "";
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.innerHTML = `${up ? rising(up, LEFT, right, number) : ""}<path class="plot-axis" d="M${LEFT} ${
      FOOT}H${right}"/>${lines.map(lineMarkup).join("")}${namesMarkup(drawn)}<text class="player-near
      plot-name" x="${width}"/>`;
    tell();
  }

  function moveTo(target) {
    place = target;
    if (drawn) tell();
  }

  /** The values of all lanes where the pointer is, or else the cursor. */
  function tell() {
    const { names, lanes, lines, along, up } = drawn;
    const isPointed = !Number.isNaN(pointed);
    const frameOf = (lane) => (isPointed ? frameAt(lane.frames, pointed) : lane.here);
    const { symbol, value } = readAt(isPointed ? pointed : place);
    where.innerHTML = lanes.length ? `at ${symbol} = <b class="mono here">${value}</b>` : "";
    where.style.setProperty("--at", isPointed ? pointed : place);
    const cells = list.querySelectorAll("b");
    names.forEach((lane, i) => (cells[i].textContent = valueOf(lane, frameOf)));
    for (const { lane, i } of lines) {
      const frame = frameOf(lane);
      const value = frame.numbers[chosen.key];
      const dot = svg.querySelector(`circle[data-line="${i}"]`);
      dot.style.visibility = up.isDrawn(value) ? "" : "hidden";
      dot.setAttribute("cx", along.at(frame.place));
      dot.setAttribute("cy", up.at(value));
    }
  }

  function point(event) {
    const { left, top, width } = area.getBoundingClientRect();
    pointed = Math.min(1, Math.max(0, (event.clientX - left) / width));
    area.style.setProperty("--pointed", pointed);
    area.dataset.pointed = "true";
    if (!drawn) return;
    const [x, y] = [drawn.along.at(pointed), event.clientY - top + TOP];
    const away = drawn.lines.map(({ at }) => Math.abs(heightAt(at, x) - y));
    const closest = nearest(away.map((d) => (Number.isNaN(d) ? Infinity : d)), NEAR);
    name(closest < 0 ? -1 : drawn.lines[closest].i);
    tell();
  }

  function leave() {
    pointed = NaN;
    delete area.dataset.pointed;
    name(-1);
    if (drawn) tell();
  }

  /** The lane that is meant is named in full, and the others step back. */
  function name(i) {
    near = drawn?.lines.some((line) => line.i === i) ? i : -1;
    for (const part of box.querySelectorAll("[data-line]")) {
      part.dataset.near = near < 0 ? "" : String(Number(part.dataset.line) === near);
    }
    const text = svg.querySelector(".player-near");
    if (!text) return;
    text.textContent = near < 0 ? "" : drawn.names[near];
    if (near < 0) return;
    text.setAttribute("y", drawn.lines.find((line) => line.i === near).spot + 4);
    text.style.fill = `var(--${styleOf(near).colour})`;
  }

  function valueOf(name, frameOf) {
    const lane = drawn.lanes.find((one) => one.name === name);
    return figure(lane && frameOf(lane).numbers[chosen.key]);
  }

  function describe() {
    if (!drawn) return;
    const values = drawn.names.map((lane) => `${lane} ${valueOf(lane, ({ here }) => here)}`);
    svg.setAttribute("aria-label", `${chosen.text}: ${values.join("; ")}`);
  }
}

/** The rising axis of a curve, with its ticks and which values it has room for; null if no lane has
    any. */
export function upOf({ key, scale, span = [] }, lanes) {
  const isDrawn = (v) => Number.isFinite(v) && (scale !== "log" || v > 0);
  const values = lanes.flatMap((lane) => lane.frames.map(({ numbers }) => numbers[key]))
    .filter(isDrawn);
  if (!values.length) return null;
  if (scale === "log") return { ...logAxis(values, FOOT, TOP), isDrawn };
  return { ...roundAxis([...values, ...span], 5, FOOT, TOP), isDrawn };
}

/** Where a lane's numbers stand, each [place, value]; what is beyond the timeline is left out. */
function placesOf(lane, key, axis, { isDrawn }) {
  return lane.frames.filter((frame) => {
    const value = axis.valueOf(lane, frame);
    return value >= axis.low && value <= axis.high && isDrawn(frame.numbers[key]);
  }).map(({ place, numbers }) => [place, numbers[key]]);
}

function lineMarkup({ i, at }) {
  const points = at.map(([x, y]) => ({ x, y }));
  const line = lineOf({ ...styleOf(i), width: 2, points }, { at: Number }, { at: Number });
  return `<g data-line="${i}">${line}</g><circle data-line="${i}" class="plot-mark" r="4.5"
    style="--line:var(--${styleOf(i).colour})"/>`;
}

/** Names beside the ends of lines, in the order of these; each led to from its own. */
function namesMarkup({ names, lines, width, right }) {
  const letters = Math.floor((width - right - LEAD - 3) / LETTER);
  return lines.map(({ i, at, spot }) => {
    const [x, y] = at.at(-1);
    const colour = `var(--${styleOf(i).colour})`;
    return `<path data-line="${i}" class="player-leader" d="M${x} ${y}L${x + LEAD} ${spot}"
      style="stroke:${colour}"/><text data-line="${i}" class="player-end plot-name"
      x="${x + LEAD + 3}" y="${spot}" dy="4" style="fill:${colour}">${
      escapeText(shortened(names[i], letters))}</text>`;
  }).join("");
}

/** Where the name of each line stands: those of lines that end together in the order in which they
    came. */
function withSpots(lines) {
  const endOf = ({ at }) => at.at(-1)[1];
  const meanOf = ({ at }) => {
    const last = at.slice(-Math.ceil(at.length / 3));
    return last.reduce((sum, [, y]) => sum + y, 0) / last.length;
  };
  const order = (a, b) => (Math.abs(endOf(a) - endOf(b)) < 1
    ? meanOf(a) - meanOf(b) : endOf(a) - endOf(b));
  const sorted = [...lines].sort(order);
  const spots = apart(sorted.map(endOf), LINE, TOP + 2, FOOT - 4);
  return sorted.map((line, k) => ({ ...line, spot: spots[k] }));
}

/** The end of a name, where its number is, is not left out. */
function shortened(name, letters) {
  return name.length > letters ? `${name.slice(0, letters - 4)}…${name.slice(-3)}` : name;
}

/** How high a line is at an x; NaN beside it. */
function heightAt(at, x) {
  const next = at.findIndex(([end]) => end >= x);
  if (next < 1) return next === 0 && at[0][0] - x < 1 ? at[0][1] : NaN;
  const [[x0, y0], [x1, y1]] = [at[next - 1], at[next]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0 || 1);
}

function number(value) {
  return value && Math.abs(value) < 0.001 ? figure(value) : minus(short(value));
}
