// Where a visitor draws points of two classes. Drawings are packed as lab/process/plane.py does.

import { clamp, onTheme, resize } from "../component.js";
import { bytesOf } from "../numbers.js";

const APART = 0.045; // of the way across, between two points of a stroke
const SCATTER = 0.03; // of a stroke's points about the pen
const KEY = 0.06; // how far an arrow key moves the pen
const MOVES = { ArrowLeft: [-KEY, 0], ArrowRight: [KEY, 0], ArrowUp: [0, KEY], ArrowDown: [0, -KEY] };

export function makeSheet(box, on, most) {
  const classes = ["● first class", "○ second class"].map((name, i) => `<label><input type="radio"
    name="drawing" value="${i}" ${i ? "" : "checked"}><span>${name}</span></label>`);
  box.innerHTML = `<canvas tabindex="0" role="application" aria-label="Draw points with the pointer; arrow
    keys move the pen, Enter puts a point"></canvas>
    <div class="line"><div class="segments" role="group" aria-label="Class of what is drawn">${classes.join("")}</div>
    <button type="button" class="button">Clear</button></div>
    <p class="soft small" role="status"></p>`;
  const canvas = box.querySelector("canvas");
  let points = []; // each [x, y, class] in bytes
  let pen = [0, 0];
  let last = null; // where a stroke put its last point

  on(canvas, "pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    put((last = placeOf(event)));
  });
  on(canvas, "pointermove", (event) => {
    const here = placeOf(event);
    if (!last || !event.isPrimary || Math.hypot(here[0] - last[0], here[1] - last[1]) < APART) return;
    last = here;
    put(here.map((v) => v + SCATTER * 2 * (Math.random() + Math.random() - 1)));
  });
  on(canvas, "lostpointercapture", () => (last = null));
  on(canvas, "keydown", (event) => {
    const move = MOVES[event.key];
    if (move) pen = pen.map((v, i) => clamp(v + move[i], -1, 1));
    else if (event.key === "Enter") put(pen);
    else return;
    event.preventDefault();
    event.stopPropagation();
    paint();
  });
  for (const type of ["focus", "blur"]) on(canvas, type, paint);
  onTheme(on, paint);
  on(box.querySelector("button"), "click", () => {
    points = [];
    paint();
  });
  new ResizeObserver(paint).observe(canvas);
  return { packed, unpack };

  function packed() {
    const text = btoa(String.fromCharCode(...points.flat()));
    return text.replaceAll("+", "-").replaceAll("/", "_");
  }

  function unpack(text) {
    try {
      const bytes = Array.from(bytesOf(text.replaceAll("-", "+").replaceAll("_", "/")));
      points = Array.from({ length: Math.min(most, bytes.length / 3) }, (_, i) => bytes.slice(3 * i, 3 * i + 3));
    } catch {
      points = []; // the server says what is wrong with a link
    }
    paint();
  }

  function placeOf({ offsetX, offsetY }) {
    return [(2 * offsetX) / canvas.clientWidth - 1, 1 - (2 * offsetY) / canvas.clientHeight];
  }

  function put(place) {
    if (points.length === most) return;
    const label = Number(box.querySelector("input:checked").value);
    points.push([...place.map((v) => Math.round((clamp(v, -1, 1) + 1) * 127.5)), label]);
    paint();
  }

  function paint() {
    box.querySelector("p").textContent = points.length ? `${points.length} of at most ${most} points; then press Train`
      : "Draw some strokes, then press Train";
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    resize(canvas, side, side);
    const ink = canvas.getContext("2d");
    const circle = (x, y, r, isHollow) => {
      ink.beginPath();
      ink.arc((x * side) / 2 + side / 2, side / 2 - (y * side) / 2, r * devicePixelRatio, 0, 7);
      ink[isHollow ? "stroke" : "fill"]();
    };
    ink.clearRect(0, 0, side, side);
    ink.fillStyle = ink.strokeStyle = getComputedStyle(canvas).color;
    ink.lineWidth = 1.2 * devicePixelRatio;
    for (const [x, y, label] of points) circle(x / 127.5 - 1, y / 127.5 - 1, 2.2, label);
    if (document.activeElement === canvas) circle(...pen, 8, true);
  }
}
