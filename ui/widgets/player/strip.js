// The strip of thumbnails along the timeline.

import { resize } from "../component.js";
import { nearest } from "./axis.js";
import { drawTile, whyEmpty } from "./lanes.js";

const HEIGHT = 56;

/** A row for each of two lanes; of more, which would be too small to see, that with most to show.
    `filled` is how far along a lane reaches. */
export function paintStrip(strip, width, lanes, { pane, tile, filled }) {
  resize(strip, Math.round(width * devicePixelRatio), HEIGHT * devicePixelRatio);
  const ink = strip.getContext("2d");
  ink.clearRect(0, 0, strip.width, strip.height);
  const most = [...lanes].sort((a, b) => b.frames.length - a.frames.length);
  const rows = lanes.length > 2 ? most.slice(0, 1) : lanes;
  rows.forEach((lane, row) => {
    const held = lane.frames.filter((frame) => frame.held);
    const draw = (into, part, left) => {
      const frame = nearest(held, part);
      if (!whyEmpty(lane, pane, frame)) drawTile(into, lane, pane, frame, tile, left, 0);
    };
    paintThumbs(ink, lane.shape.slice(1, 3), filled(lane), draw, row, rows.length);
  });
}

/** Thumbnails along the filled part of one row; `draw(ink, part, left)` draws one. */
function paintThumbs(ink, [h, w], filled, draw, row, rows) {
  const { width, height } = ink.canvas;
  const high = height / rows;
  const scale = Math.max(1, Math.round(high / h));
  // One more than fit, each a little over the one before: the first and last stay whole enough.
  const slots = Math.max(2, Math.ceil(width / (w * scale)));
  const pitch = (width - w * scale) / (slots - 1);
  const top = Math.round(row * high + (high - h * scale) / 2);
  const hair = Math.round(devicePixelRatio);
  // All are drawn before the first is enlarged: WebKit enlarges what a canvas holds in the end.
  const shown = [...Array(slots).keys()].filter((i) => i * pitch <= filled * width).length;
  const thumbs = new OffscreenCanvas(w * shown, h);
  const into = thumbs.getContext("2d");
  for (let i = 0; i < shown; i++) draw(into, i / (slots - 1), i * w);
  ink.imageSmoothingEnabled = false;
  ink.save();
  ink.beginPath();
  // The opening noise has no length yet; a sliver of it says that the run has begun.
  ink.rect(0, row * high, Math.max(filled * width, 3), high);
  ink.clip();
  for (let i = 0; i < shown; i++) {
    const left = Math.round(i * pitch);
    ink.clearRect(left - hair, row * high, hair, high);
    ink.drawImage(thumbs, i * w, 0, w, h, left, top, w * scale, h * scale);
  }
  ink.restore();
}
