// A lane of the race: its frames and numbers, and its pictures as bytes (live) or sheets (film).

import { closeAll, decode } from "../component.js";
import { drawCell, fromBase64, imageOf } from "../player/transport.js";

export function aboutLane({ name, note, shape, columns, calls, seconds, total }) {
  // Gradio hands out reactive proxies; plain copies are cheaper to read for every tile.
  return { name, note, shape: [...shape], columns, calls, seconds, total };
}

export function filmLane(lane) {
  const { t, log_snr: logSnr, indices, numbers, sheets } = JSON.parse(JSON.stringify(lane));
  return { ...aboutLane(lane), t, logSnr, indices, numbers, files: sheets, sheets: {}, coming: {} };
}

export function liveLane() {
  return { t: [], logSnr: [], indices: [], numbers: {}, bytes: [], sheets: {}, files: {} };
}

export function addFrame(lane, news, curves) {
  if (lane.indices.length && lane.indices.at(-1) >= news.index) return;
  const bytes = {};
  for (const pane in news.frame) bytes[pane] = fromBase64(news.frame[pane]);
  for (const { key } of curves) (lane.numbers[key] ??= []).push(news.numbers[key] ?? null);
  lane.t.push(news.t);
  lane.logSnr.push(news.log_snr);
  lane.indices.push(news.index);
  lane.bytes.push(bytes);
}

export function release({ lanes }) {
  for (const lane of lanes) {
    lane.released = true;
    closeAll(lane.sheets);
  }
}

export function numberAt(lane, key) {
  return lane?.numbers[key]?.[lane.at] ?? null;
}

/** What stands after the name; of a film that is too long for one transfer also how much is here. */
export function noteText({ note, bytes, t, indices }) {
  const all = indices.at(-1) + 1;
  if (bytes || t.length === all) return note;
  const held = `${t.length} of ${all.toLocaleString("en")} frames`;
  return note ? `${note}, ${held}` : held;
}

export function stepText({ indices, at, total }) {
  return `step ${indices[at]}${total ? ` / ${total}` : ""}`;
}

/** Why a lane has no picture to show in a pane; empty if it has one. */
export function whyEmpty(lane, pane, k = lane.at) {
  if (lane.bytes) return pane in lane.bytes[k] ? "" : missing(k);
  if (pane !== "x" && !k) return missing(k);
  if (lane.sheets[pane]) return "";
  return lane.files[pane] ? "on its way" : missing(k);
}

function missing(k) {
  return k ? "not recorded" : "nothing predicted yet";
}

export function drawTile(ink, lane, pane, k, i, left, top) {
  const [n, h, w, channels] = lane.shape;
  const bytes = lane.bytes?.[k];
  if (bytes) return ink.putImageData(imageOf(bytes[pane], i, h, w, channels), left, top);
  const skipped = pane === "x" ? 0 : 1;
  drawCell(ink, lane.sheets[pane], h, w, (k - skipped) * n + i, left, top);
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
