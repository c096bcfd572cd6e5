// Where frames stand on the timeline, which of them is shown, and what its marks say.

import { clamp } from "../component.js";
import { fixed, minus } from "../numbers.js";
import { evenTicks, nearest as nearestOf } from "../plot.js";

export const CLOSE = 1e-9;
const FURTHEST = 12; // of log-SNR: beyond, less than half a grey level of the other is left
const [NARROW, WIDE] = [300, 740]; // px, how much room there is for ticks
const USUAL_END = 10; // where in log-SNR a run under way is expected to end

/** Places from `low` to `high`: by step, for one run; by t or by log-SNR, for several. */
export function axisOf(aligned, lanes, live) {
  const whole = { low: 0, high: 1 };
  if (aligned === "step") return { ...whole, valueOf: ({ total }, { index }) => index / total };
  if (aligned === "t") return { ...whole, valueOf: ({ frames }, { t }) => 1 - t / frames[0].t };
  const within = (value) => clamp(value, -FURTHEST, FURTHEST);
  const low = within(Math.min(...lanes.map((lane) => lane.frames[0].logSnr)));
  const ends = lanes.map((lane) => lane.frames.at(-1).logSnr);
  const high = within(Math.max(...ends, live ? USUAL_END : -Infinity));
  return { low, high: high > low ? high : low + 1, valueOf: (lane, { logSnr }) => logSnr };
}

export function placeOn(axis, value) {
  return clamp((value - axis.low) / (axis.high - axis.low), 0, 1);
}

export function putInPlace(axis, lanes) {
  for (const lane of lanes) {
    for (const frame of lane.frames) frame.place = placeOn(axis, axis.valueOf(lane, frame));
  }
}

/** Every place where a lane changes its frame, rising. */
export function stopsOf(lanes) {
  const places = lanes.flatMap((lane) => lane.frames.map((frame) => frame.place));
  const rising = places.sort((a, b) => a - b);
  return rising.filter((place, i) => !i || place > rising[i - 1] + CLOSE);
}

/** Where so many steps lead; from between two stops, the one before is a step back. */
export function stopBeside(stops, place, count) {
  const after = stops.findIndex((stop) => stop > place + CLOSE);
  const here = (after < 0 ? stops.length : after) - 1;
  const from = count < 0 && place > stops[here] + CLOSE ? here + 1 : here;
  return stops[clamp(from + count, 0, stops.length - 1)];
}

/** The last frame that is not beyond a place; at the very start the opening noise. */
export function frameAt(frames, place) {
  if (place <= 0) return frames[0];
  return frames.findLast((frame) => frame.place <= place + CLOSE) ?? frames[0];
}

/** The frame nearest to a value, by its place or another of its numbers. */
export function nearest(frames, value, by = "place") {
  return frames[nearestOf(frames.map((frame) => Math.abs(frame[by] - value)))];
}

/** T, if all lanes have the same. */
function sharedT(lanes) {
  const [first, ...others] = lanes.map((lane) => lane.frames[0].t);
  return others.every((other) => other === first) ? first : null;
}

/** What the cursor stands at: a symbol, and its value. */
export function readingAt(aligned, axis, lanes, place) {
  const symbol = "<i>t</i>";
  if (!lanes.length) return { symbol, value: "–" };
  if (aligned === "step") return { symbol, value: String(lanes[0].here.t) };
  if (aligned === "logsnr") {
    const value = fixed(axis.low + place * (axis.high - axis.low), 2);
    return { symbol: "log-SNR", value };
  }
  const whole = sharedT(lanes);
  if (whole) return { symbol, value: String(Math.round(whole * (1 - place))) };
  return { symbol: "<i>t</i> / <i>T</i>", value: (1 - place).toFixed(3) };
}

/** As many as so many pixels have room for. */
export function ticksOf(aligned, axis, lanes, room) {
  if (aligned === "logsnr") return axis ? levelTicks(axis, room > WIDE) : [];
  const most = room > WIDE ? 10 : room > NARROW ? 4 : 2;
  const marks = aligned === "step" && lanes.length ? Math.min(most, lanes[0].total) : most;
  const parts = Array.from({ length: marks + 1 }, (_, j) => j / marks);
  if (!lanes.length) return parts.map((place) => ({ place, label: "" }));
  const tickAt = aligned === "step" ? (part) => stepTick(lanes[0], part, 0.5 / marks)
    : (part) => timeTick(sharedT(lanes), part);
  return parts.map(tickAt).map(({ place, label }, j) =>
    ({ place, label: j || label === "" ? label : `t = ${label}` }));
}

/** Named after the frame nearest to it, unless that one belongs to another mark. */
function stepTick({ frames, total }, part, reach) {
  const step = Math.round(part * total);
  const { place, t } = nearest(frames, step, "index");
  const reached = Math.abs(place - part) < reach && step <= frames.at(-1).index;
  return reached ? { place, label: String(t) } : { place: part, label: "" };
}

function timeTick(whole, place) {
  const label = whole ? Math.round(whole * (1 - place)) : `${+(1 - place).toFixed(2)} T`;
  return { place, label: String(label) };
}

function levelTicks(axis, wide) {
  const span = axis.high - axis.low;
  const step = [1, 2, 4, 6].find((size) => span / size <= (wide ? 12 : 5)) ?? 12;
  return evenTicks(axis.low, axis.high, step)
    .map((v) => ({ place: placeOn(axis, v), label: minus(String(v)) }));
}
