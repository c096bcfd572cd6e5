// A lane: one run's frames with their numbers, and its pictures, which are bytes of a frame or
// cells of a sheet.

import { closeAll, decode, drawCell, imageOf } from "../component.js";
import { bytesOf } from "../numbers.js";

const SPARE_BYTES = 2 ** 25; // of frames that were asked for, the last of which stay here

export function liveLane(name) {
  return { name, note: "", frames: [], here: null, files: {}, sheets: {}, coming: {}, spare: [] };
}

export function addFrame(lane, { frame, ...news }) {
  const { index, t, log_snr: logSnr, numbers, ...about } = news;
  Object.assign(lane, about);
  if (lane.frames.at(-1)?.index >= index) return;
  lane.frames.push({ index, t, logSnr, numbers, bytes: panesOf(frame), held: true });
}

export function filmLane(value) {
  const { t, log_snr: logSnr, indices, numbers, chosen, sheets, ...about } = value;
  const frames = indices.map((index, k) => ({
    index, t: t[k], logSnr: logSnr?.[k], numbers: numbersAt(numbers, k),
  }));
  const inSheets = chosen ? chosen.map((k) => frames[k]) : frames;
  inSheets.forEach((frame, cell) => Object.assign(frame, { cell, held: true }));
  return { ...liveLane(about.name), ...about, frames, files: sheets };
}

/** One picture that stands at the end of the timeline, in each of its panes. */
export function pictureLane({ side, channels, bytes }, panes, total) {
  const pictures = Object.fromEntries(panes.map((pane) => [pane, bytes]));
  const frame = { index: total, t: 0, bytes: pictures, held: true };
  const shape = [1, side, side, channels];
  return { ...liveLane(""), shape, columns: 1, calls: 0, seconds: 0, total, frames: [frame] };
}

function numbersAt(numbers, k) {
  return Object.fromEntries(Object.entries(numbers ?? {}).map(([key, values]) => [key, values[k]]));
}

function panesOf(pictures) {
  return Object.fromEntries(Object.entries(pictures).map(([pane, text]) => [pane, bytesOf(text)]));
}

// --- which frames are here ----------------------------------------------------------------------

export function isHere({ held, bytes }) {
  return Boolean(held || bytes);
}

/** Keep frames that were asked for, from number `first` on. */
export function keepSpare(lane, { first, frames }) {
  frames.forEach((pictures, i) => {
    const frame = lane.frames[first + i];
    if (isHere(frame)) return;
    frame.bytes = panesOf(pictures);
    lane.spare.push(frame);
  });
  const size = 2 * lane.shape.reduce((product, side) => product * side);
  const tooMany = Math.max(0, lane.spare.length - Math.ceil(SPARE_BYTES / size));
  for (const frame of lane.spare.splice(0, tooMany)) if (frame !== lane.here) delete frame.bytes;
}

/** The server does not keep them any more. */
export function forgetOthers(lane) {
  lane.frames = lane.frames.filter(isHere);
}

/** Of a film that is not here as a whole, how much of it is. */
export function heldText({ frames }) {
  const all = frames.at(-1).index - frames[0].index + 1;
  if (frames[0].bytes || frames.length === all) return "";
  return `${frames.length.toLocaleString("en")} of ${all.toLocaleString("en")} frames`;
}

/** `expected` is about how many seconds a run that goes on will take, where that is known. Of a
 * recording no seconds are known: they would be those of another machine. */
export function costText({ calls, seconds, expected = null }) {
  const count = `${calls} ${calls === 1 ? "call" : "calls"}`;
  if (seconds === undefined) return count;
  const whole = expected === null ? "" : ` of about ${expected}`;
  const time = seconds === null ? "computed earlier"
    : `${seconds.toFixed(seconds < 10 ? 2 : 1)}${whole} s`;
  return `${count} · ${time}`;
}

// --- pictures -----------------------------------------------------------------------------------

/** Why a lane has no picture to show in a pane; empty if it has one. */
export function whyEmpty(lane, pane, { bytes, index } = lane.here) {
  if (!index && pane !== "x") return "nothing predicted yet";
  if (bytes ? pane in bytes : lane.sheets[pane]) return "";
  return bytes || !lane.files[pane] ? "not recorded" : "on its way";
}

export function drawTile(ink, lane, pane, { bytes, cell }, i, left, top) {
  const [n, ...size] = lane.shape;
  if (bytes) return ink.putImageData(imageOf(bytes[pane], lane.shape, i), left, top);
  const skipped = pane !== "x" && lane.frames[0].index === 0 ? 1 : 0;
  drawCell(ink, lane.sheets[pane], size, (cell - skipped) * n + i, left, top);
}

/** Fetch the sheets of some panes, as far as they are not here yet. */
export function loadPanes(lanes, panes) {
  const wanted = lanes.flatMap((lane) => panes.map((pane) => [lane, pane]));
  return Promise.all(wanted.map(async ([lane, pane]) => {
    if (!lane.files[pane]) return;
    try {
      const sheet = await (lane.coming[pane] ??= decode(lane.files[pane]));
      if (lane.released) sheet.close();
      else lane.sheets[pane] = sheet;
    } catch (failure) {
      delete lane.coming[pane];
      throw failure;
    }
  }));
}

/** Give their memory back at once: nothing else does before long. */
export function release(lanes) {
  for (const lane of lanes) {
    lane.released = true;
    closeAll(lane.sheets);
  }
}
