// Everything is drawn and read in the browser; only the small picture is sent.

import { atNextFrame, clamp, decode, drawCell, escapeText, imageOf, playerOf } from "../component.js";
import { bytesOf } from "../numbers.js";

const SIDE = 280; // of the sheet that is drawn on, in pixels
const PEN = 22; // about as wide as the strokes of the digits that the models know
const WIDE = 40; // the brush that paints a hole
const STEP = 4; // how far an arrow key moves the pen
const DARK = 64; // a picture with nothing lighter shows nothing on black
const MOST_PIXELS = 50e6; // of a picture that is opened: each takes four bytes

export function mount({ root, options, find, findAll, on, props, trigger }) {
  root.innerHTML = skeleton(options);
  const sheet = find(".sketch-sheet");
  const ink = sheet.getContext("2d", { willReadFrequently: true });
  const hole = find(".sketch-hole").getContext("2d", { willReadFrequently: true });
  const small = document.createElement("canvas");
  const showSoon = atNextFrame(showOnStage);

  let { side, channels } = options;
  let brush = "ink"; // or "hole"
  let exact = null; // of a sample that was chosen: its own pixels, until something is drawn on it
  let pen = { x: SIDE / 2, y: SIDE / 2 };
  let down = null; // the pointer that draws: of several fingers the first
  let unsaid = false; // something was drawn that has not been told yet
  let ticket = 0; // of the file that is being opened
  let wanted; // what the newest value was for
  let sent = null; // the newest picture

  wipe();
  listen();
  const ready = loadSamples(); // the pictures of the test set
  root.dataset.state = "ready";
  return receive;

  function receive(value) {
    if (value.wanted === undefined) return; // it comes from here
    // Gradio hands a value over more than once: it is answered once.
    if (value.wanted === wanted) {
      if (sent) props.value = sent; // or the picture would be gone from what the server is told
      return;
    }
    ({ wanted, side, channels } = value);
    if (value.hole) paintHole(value.hole);
    if (value.chosen !== undefined) {
      ready.then(() => soon(() => show(find(`[data-sample="${value.chosen}"] canvas`))));
    } else if (value.pixels) soon(() => showPixels(value));
    else if (root.dataset.sent) soon(tell); // the same picture again, as large as is wanted now
  }

  function soon(act) {
    // What was set together with the sheet, a class or a seed, must have arrived when it tells.
    setTimeout(act, 40);
  }

  // --- drawing ----------------------------------------------------------------------------

  function wipe(paper = "#000") {
    ticket += 1; // a file that is still being opened comes too late
    exact = null;
    ink.fillStyle = paper;
    ink.fillRect(0, 0, SIDE, SIDE);
  }

  function strokeTo(x, y) {
    const inks = brush === "ink";
    const on = inks ? ink : hole;
    Object.assign(on, { strokeStyle: "#fff", lineWidth: inks ? PEN : WIDE, lineCap: "round",
      lineJoin: "round" });
    on.beginPath();
    on.moveTo(pen.x, pen.y);
    on.lineTo(x, y);
    on.stroke();
    unsaid = true;
    moveTo(x, y);
    if (!inks) return;
    exact = null;
    showSoon();
  }

  function take(which) {
    brush = which;
    for (const button of findAll("[data-brush]")) {
      button.setAttribute("aria-pressed", String(button.dataset.brush === brush));
    }
  }

  function closeHole() {
    hole.clearRect(0, 0, SIDE, SIDE);
  }

  /** Of bytes, one for each pixel of the model's. */
  function paintHole(text) {
    closeHole();
    const painted = new ImageData(side, side);
    bytesOf(text).forEach((byte, p) => painted.data.fill(byte ? 255 : 0, 4 * p, 4 * p + 4));
    small.width = small.height = side;
    small.getContext("2d").putImageData(painted, 0, 0);
    hole.imageSmoothingEnabled = false;
    hole.drawImage(small, 0, 0, SIDE, SIDE);
  }

  function moveTo(x, y) {
    pen = { x, y };
    root.style.setProperty("--pen-x", x / SIDE);
    root.style.setProperty("--pen-y", y / SIDE);
  }

  function paste(image, width, height, paper = "#000") {
    wipe(paper);
    const fit = Math.max(SIDE / width, SIDE / height); // the middle square of it
    const [w, h] = [width * fit, height * fit];
    ink.imageSmoothingEnabled = Math.min(width, height) > 64;
    ink.drawImage(image, (SIDE - w) / 2, (SIDE - h) / 2, w, h);
  }

  /** A picture as small as the models see it, which is told as it is. */
  function show(image) {
    paste(image, image.width, image.height);
    exact = image;
    tell();
  }

  function showPixels(value) {
    const image = document.createElement("canvas");
    image.width = image.height = side;
    const pixels = imageOf(bytesOf(value.pixels), [1, side, side, channels]);
    image.getContext("2d").putImageData(pixels, 0, 0);
    show(image);
  }

  async function open(file) {
    const mine = (ticket += 1);
    const name = file.name || "That";
    const image = new Image();
    image.src = URL.createObjectURL(file);
    await new Promise((done) => (image.onload = image.onerror = done));
    // Of a picture that is not drawn a browser reads no more than its head.
    const { naturalWidth: width, naturalHeight: height } = image;
    if (mine === ticket) { // no other was opened meanwhile
      if (!width) note(`${name} is not a picture that can be read: a PNG or JPEG can.`);
      else if (width * height > MOST_PIXELS) note(`${name} is too large: ${width} × ${height} pixels.`);
      else {
        paste(image, width, height);
        // Dark ink on nothing: on black it could not be seen.
        if (smallBytes().every((level) => level < DARK)) paste(image, width, height, "#fff");
        tell();
        find("[data-offer]").hidden = !isDarkOnLight();
      }
    }
    URL.revokeObjectURL(image.src);
  }

  /** Whether the models of digits, which know white on black, would see nothing they know. */
  function isDarkOnLight() {
    if (channels > 1) return false;
    const isOnEdge = (at) => at === 0 || at === side - 1;
    const edge = smallBytes().filter((_, p) => isOnEdge(p % side) || isOnEdge(Math.floor(p / side)));
    return edge.reduce((sum, grey) => sum + grey, 0) > 127 * edge.length;
  }

  function negate() {
    exact = null;
    ink.globalCompositeOperation = "difference";
    ink.fillStyle = "#fff";
    ink.fillRect(0, 0, SIDE, SIDE);
    ink.globalCompositeOperation = "source-over";
  }

  function note(words) {
    find(".sketch-note").textContent = words;
  }

  // --- telling ----------------------------------------------------------------------------

  function showOnStage() {
    const detail = { side, channels, bytes: smallBytes() };
    if (unsaid) playerOf(options.player)?.dispatchEvent(new CustomEvent("player:show", { detail }));
  }

  /** What was drawn; a hole leaves the picture as it is, and sets nothing off. */
  function finish() {
    if (brush === "ink") return tell();
    unsaid = false;
    if (sent) props.value = sent = { ...sent, hole: holeText() };
  }

  function tell() {
    unsaid = false;
    note("");
    find("[data-offer]").hidden = true;
    props.value = sent = { side, channels, pixels: textOf(smallBytes()), hole: holeText() };
    root.dataset.sent = Number(root.dataset.sent ?? 0) + 1;
    trigger("input");
  }

  function textOf(bytes) {
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }

  /** For each pixel whether it is in the hole; nothing if none is. */
  function holeText() {
    const data = shrunk(hole.canvas);
    const bytes = Array.from({ length: side * side }, (_, p) => Number(data[4 * p + 3] > 127));
    return bytes.includes(1) ? textOf(bytes) : "";
  }

  function shrunk(canvas) {
    small.width = small.height = side;
    const pens = small.getContext("2d", { willReadFrequently: true });
    Object.assign(pens, { imageSmoothingEnabled: true, imageSmoothingQuality: "high" });
    pens.drawImage(canvas, 0, 0, side, side);
    return pens.getImageData(0, 0, side, side).data;
  }

  /** The picture as small as the models see it. */
  function smallBytes() {
    const data = shrunk(exact ?? sheet);
    const bytes = new Uint8Array(side * side * channels);
    for (let p = 0; p < side * side; p++) {
      const [r, g, b] = [data[4 * p], data[4 * p + 1], data[4 * p + 2]];
      if (channels === 3) bytes.set([r, g, b], 3 * p);
      else bytes[p] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    }
    return bytes;
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    on(sheet, "pointerdown", (event) => {
      if (event.button || down !== null) return;
      sheet.setPointerCapture(event.pointerId);
      down = event.pointerId;
      pen = placeOf(event);
      strokeTo(pen.x, pen.y);
    });
    on(sheet, "pointermove", (event) => {
      if (event.pointerId === down) strokeTo(...Object.values(placeOf(event)));
    });
    on(sheet, "lostpointercapture", (event) => {
      if (event.pointerId !== down) return;
      down = null;
      finish();
    });
    on(sheet, "keydown", onKey);
    on(sheet, "keyup", (event) => {
      if (event.key.startsWith("Arrow") && unsaid) finish();
    });
    on(sheet, "blur", () => {
      if (unsaid && down === null) finish();
    });
    on(root, "click", onClick);
    on(find("input"), "change", (event) => {
      if (event.target.files[0]) open(event.target.files[0]);
      event.target.value = "";
    });
    on(root, "dragover", (event) => event.preventDefault());
    on(root, "drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
    });
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (button?.dataset.sample) show(button.querySelector("canvas"));
    else if (button?.dataset.brush) take(button.dataset.brush);
    else if (button?.dataset.do === "clear") {
      if (brush === "hole") closeHole();
      else wipe();
      finish();
    } else if (button?.dataset.do === "negative") {
      negate();
      tell();
    } else if (button?.dataset.do === "open") find("input").click();
  }

  function onKey(event) {
    const move = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    }[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = [clamp(pen.x + move[0], 0, SIDE), clamp(pen.y + move[1], 0, SIDE)];
    if (event.shiftKey) moveTo(x, y);
    else strokeTo(x, y);
  }

  function placeOf(event) {
    const box = sheet.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * SIDE,
      y: ((event.clientY - box.top) / box.height) * SIDE,
    };
  }

  async function loadSamples() {
    const image = await decode(options.samples);
    const h = image.height;
    findAll("[data-sample] canvas").forEach((canvas, i) => {
      canvas.width = canvas.height = h;
      drawCell(canvas.getContext("2d"), image, [h, h], i);
    });
    image.close();
  }
}

function skeleton(options) {
  const samples = options.names.map((name, i) => `<button type="button" data-sample="${i}"
    aria-label="${escapeText(name)}"><canvas></canvas></button>`);
  return `
    <p>${escapeText(options.label)}</p>
    <div class="sketch-actions" role="group" aria-label="Brush">
      <button type="button" class="button" data-brush="ink" aria-pressed="true">Draw</button>
      <button type="button" class="button" data-brush="hole" aria-pressed="false">Paint a hole</button>
    </div>
    <div class="sketch-paper">
      <canvas class="sketch-sheet" width="${SIDE}" height="${SIDE}" tabindex="0" role="application"
        aria-label="${escapeText(options.label)}: draw with the pointer, or with the arrow keys;
        with shift the pen is lifted"></canvas>
      <canvas class="sketch-hole" width="${SIDE}" height="${SIDE}" aria-hidden="true"></canvas>
      <span class="sketch-pen" aria-hidden="true"></span>
      <span class="sketch-keys" aria-hidden="true"><kbd>←↑↓→</kbd> draw, <kbd>shift</kbd> lifts</span>
    </div>
    <div class="sketch-actions"><button type="button" class="button" data-do="clear">Clear</button>
      <button type="button" class="button" data-do="open">Open a picture</button>
      <input type="file" accept="image/*" aria-label="Open a picture" tabindex="-1" hidden></div>
    <p class="small" data-offer hidden>Dark on light: models of digits know white on black.
      <button type="button" data-do="negative">Make it a negative</button></p>
    <div class="sketch-samples" role="group" aria-label="From the test set">${samples.join("")}</div>
    <p class="sketch-note soft small" role="status"></p>`;
}
