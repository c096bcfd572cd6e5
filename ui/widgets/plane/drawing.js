// What is seen of a plane: points, arrows and paths on a canvas.

import { resize } from "../component.js";

const STRIP = 56; // px, the height of the timeline's strip
const USUAL = 420; // px: on a smaller plane all is drawn smaller
const [LEARNED, SAMPLED] = [1.7, 2.6]; // px, the radius of a point

/** x and y in turn as [x, y]. */
export function pairs(flat) {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}

/** A square of so many pixels that shows the plane from -edge to edge: pixels of a length of 1, and
    where a point is. */
export function planeOf(side, edge) {
  const scale = side / 2 / edge;
  return { scale, at: ([x, y]) => [side / 2 + x * scale, side / 2 - y * scale] };
}

/** Paint what was learned, the arrows of a field, paths of points that are `trailed`, and points; a
    path is a list of frames. */
export function paintPane(canvas, scene, { edge, grid }) {
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  resize(canvas, side, side);
  const ink = canvas.getContext("2d");
  const look = getComputedStyle(canvas);
  const { at, scale } = planeOf(side, edge);
  const unit = side / USUAL;
  ink.clearRect(0, 0, side, side);
  if (!scene) return;
  colour(look.getPropertyValue("--ink-soft"), 0.55, 1);
  pairs(scene.data).forEach((place, i) => mark(place, LEARNED, scene.labels[i]));
  if (scene.arrows) {
    colour(look.getPropertyValue("--arrows"), 0.8, 1.1);
    pairs(scene.arrows).forEach(arrow);
  }
  if (scene.trailed) {
    colour(look.color, 0.7, 1.4);
    ink.setLineDash([2 * unit, 4 * unit]);
    paths(scene.wayBefore ?? []);
    ink.setLineDash([]);
    paths(scene.way);
  }
  colour(look.color, 1, 1);
  pairs(scene.points).forEach((place, i) => {
    ink.globalAlpha = !scene.trailed || scene.trailed(i) ? 1 : 0.35;
    mark(place, SAMPLED, false);
  });

  function colour(name, alpha, width) {
    ink.strokeStyle = ink.fillStyle = name;
    ink.globalAlpha = alpha;
    ink.lineWidth = width * unit;
  }

  function mark(place, size, isHollow) {
    ink.beginPath();
    ink.arc(...at(place), size * unit, 0, 7);
    if (isHollow) ink.stroke();
    else ink.fill();
  }

  function arrow([dx, dy], i) {
    const cell = (2 * edge) / grid;
    // The root, so that weak pulls are seen beside strong ones; the strongest has the length 1.
    const reach = (0.9 * cell * scale) / Math.sqrt(Math.hypot(dx, dy) || 1);
    const [u, v] = [dx * reach, -dy * reach];
    const [x, y] = at([-edge + cell * ((i % grid) + 0.5), edge - cell * (Math.floor(i / grid) + 0.5)]);
    const tip = [x + u / 2, y + v / 2];
    ink.beginPath();
    ink.moveTo(x - u / 2, y - v / 2);
    ink.lineTo(...tip);
    for (const turn of [-0.6, 0.6]) {
      ink.moveTo(tip[0] - 0.3 * (u + turn * v), tip[1] - 0.3 * (v - turn * u));
      ink.lineTo(...tip);
    }
    ink.stroke();
  }

  function paths(frames) {
    for (let i = 0; i < scene.points.length / 2; i++) {
      if (!scene.trailed(i)) continue;
      ink.beginPath();
      for (const frame of frames) ink.lineTo(...at([frame[2 * i], frame[2 * i + 1]]));
      ink.stroke();
    }
  }
}

/** Small planes along the timeline, where `film.at` gives the points at a part of the way; before
    there is a film, the losses of a training as far as it is. */
export function paintStrip(strip, { film, losses, share }, edge) {
  const look = getComputedStyle(strip).color;
  const key = [film?.run, losses.length, strip.clientWidth, devicePixelRatio, look].join();
  if (strip.dataset.key === key) return;
  strip.dataset.key = key;
  const [width, height] = [strip.clientWidth, STRIP].map((px) => Math.round(px * devicePixelRatio));
  resize(strip, width, height);
  const ink = strip.getContext("2d");
  ink.clearRect(0, 0, width, height);
  ink.fillStyle = ink.strokeStyle = look;
  if (film) paintThumbnails(ink, film, edge);
  else paintLosses(ink, losses, share);
}

function paintLosses(ink, losses, share) {
  const { width, height } = ink.canvas;
  const most = Math.max(...losses);
  ink.lineWidth = 1.5 * devicePixelRatio;
  ink.beginPath();
  losses.forEach((loss, i) => ink.lineTo((i / losses.length) * share * width, height * (1 - 0.9 * (loss / most))));
  ink.stroke();
}

function paintThumbnails(ink, film, edge) {
  const { width, height } = ink.canvas;
  const { at } = planeOf(height, edge);
  const slots = Math.max(2, Math.floor(width / height));
  for (let slot = 0; slot < slots; slot++) {
    const part = slot / (slots - 1);
    for (const [x, y] of pairs(film.at(part)).map(at)) {
      if (x < 0 || x > height) continue;
      ink.fillRect((width - height) * part + x, y, devicePixelRatio, devicePixelRatio);
    }
  }
}
