import { clamp, closeAll, decodeAll } from "../component.js";
import {
  costText, drawCell, errorMarkup, fromBase64, imageOf, listenToHands, makePlayback, paintThumbs,
  resize, STRIP_HEIGHT, timelineMarkup, transportMarkup,
} from "./transport.js";

const NAMES = {
  x: { symbol: "<i>x<sub>t</sub></i>", text: "the sample", spoken: "samples" },
  x0: {
    symbol: "<i>x̂</i><sub>0</sub>",
    text: 'the<span class="player-wide"> clean</span> image it predicts',
    spoken: "predicted clean images",
  },
};
const GUTTER = 1; // image pixels between tiles
const COST = "Calls of the network for each image, and seconds of computing. Waiting for other "
  + "visitors does not count.";
const SPARE_BYTES = 2 ** 25; // of frames that were asked for, the last of which stay here

export function mount({ element, props, trigger, watch, server }) {
  const root = element.querySelector(".player");
  // Not in `props`: an update that arrives before the component is first shown would lose them there.
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  const names = { ...NAMES, ...options.names };
  root.innerHTML = skeleton(options, names);
  const find = (selector) => root.querySelector(selector);
  const stage = find(".player-stage");
  const timeline = find(".player-timeline");
  const strip = find(".player-strip");
  const mats = [...root.querySelectorAll(".player-mat")].map(matOf);
  const undo = new AbortController();
  const resized = new ResizeObserver(layout);
  const playback = makePlayback(root, {
    loop: Boolean(options.loop),
    // What is played is what the browser holds from the start.
    last: () => (reel ? reel.played.length - 1 : 0),
    at: () => reel.played.findLastIndex((k) => k <= at),
    goTo: (place) => goTo(reel.played[clamp(place, 0, reel.played.length - 1)]),
    begun: () => (head = false),
    way: options.way,
    rested() {
      if (reel?.live && at === reel.frames.length - 1) head = true; // it has caught up
      paintSoon();
    },
  });

  let reel = null; // what is on the stage: about the run, and its frames
  let at = 0; // which frame of the reel
  let wanted = 0; // which frame was asked for: the same, unless that is on its way
  let asking = false;
  let tile = 0;
  let head = true; // the cursor follows the newest frame of a live run
  let paintDue = 0;
  let ticket = 0;
  let newest = 0; // the order of the newest run heard of
  let stripKey = "";
  let ticksKey = "";

  setState("idle");
  listen();
  playback.refresh();
  receive(props.value);
  watch("value", () => receive(props.value));

  // --- values from the server -------------------------------------------------------------

  function receive(value) {
    if (!value || !value.kind) return;
    if (value.order < newest) return; // late news of a run that another has overtaken
    // What is drawn stands in for the film to come, and the one before it may be said again.
    if (root.dataset.state === "drawn" && value.order === newest) return;
    newest = value.order ?? newest;
    if (value.kind !== "error") hideError();
    ({ idle: showIdle, live: showLive, film: showFilm, error: showError, next: tellNext })[
      value.kind]?.(value);
  }

  /** Of a run that shows nothing before its end, how far it is. */
  function tellNext({ index, total }) {
    if (!reel) return;
    reel.next = { index, total };
    paintSoon();
  }

  function showIdle(value) {
    ticket += 1;
    playback.pause();
    replaceReel(null);
    find(".player-note").textContent = value.message;
    setState("idle");
    paintSoon();
  }

  function showLive(value) {
    ticket += 1;
    // The same run may have been begun anew.
    const known = reel?.live && reel.run === value.run && reel.order === value.order;
    if (!known) startReel(value);
    const bytes = {};
    for (const pane in value.frame) bytes[pane] = fromBase64(value.frame[pane]);
    reel.played.push(reel.frames.length);
    reel.frames.push({ index: value.index, t: value.t, bytes });
    reel.seconds = value.seconds;
    reel.calls = value.calls;
    reel.next = null;
    if (head) goTo(reel.frames.length - 1);
    setState("live");
    paintSoon();
  }

  function startReel(value) {
    playback.pause();
    head = true;
    at = -1;
    replaceReel({ ...about(value), live: true, frames: [], played: [] });
    tile = Math.min(tile, reel.shape[0] - 1);
  }

  async function showFilm(value) {
    // It may be said again, in case that it was not heard.
    if (reel?.sheets && reel.run === value.run && reel.order === value.order) return;
    const mine = (ticket += 1);
    const next = { ...about(value), live: false, stopped: value.stopped, source: value.source };
    next.still = Boolean(value.still); // its end is what is asked for, not its course
    const t = [...value.t];
    next.frames = [...value.indices].map((index, k) => ({ index, t: t[k] }));
    next.played = [...value.chosen];
    next.played.forEach((k, cell) => (next.frames[k].cell = cell));
    next.spare = []; // frames that were asked for since
    try {
      next.sheets = await decodeAll(value.sheets);
    } catch {
      if (mine === ticket) showError({ message: "The recording could not be read. Run it again." });
      return;
    }
    if (mine === ticket) putOnStage(next);
    else closeAll(next.sheets);
  }

  function replaceReel(next) {
    closeAll(reel?.sheets);
    reel = next;
  }

  /** What is being drawn, until there is a film of it: one picture, at the end of the timeline. */
  function showPicture({ side, channels, bytes }) {
    ticket += 1; // a film that is still being decoded shows an older drawing
    playback.pause();
    const total = reel?.total ?? 1;
    const panes = Object.fromEntries(mats.map(({ pane }) => [pane, bytes]));
    const frames = [{ index: total, t: 0, bytes: panes }];
    const drawn = { run: "drawn", order: newest, total, shape: [1, side, side, channels], columns: 1 };
    replaceReel({ ...about({ ...drawn, seconds: 0, calls: 0 }), live: false, frames, played: [0] });
    tile = 0;
    setState("drawn");
    goTo(0, true);
  }

  function putOnStage(next) {
    const watched = reel && reel.live && reel.run === next.run;
    const step = watched && !head ? reel.frames[at].index : Infinity;
    if (!watched) playback.pause();
    replaceReel(next);
    tile = Math.min(tile, reel.shape[0] - 1);
    setState(find(".player-error").hidden ? "film" : "error"); // said while it was on its way
    const plays = !watched && !next.still && reel.frames.length > 1
      && Boolean(options.autoplay) && playback.motionIsWelcome();
    goTo(plays ? 0 : nearest(step), true);
    playback.goOn(); // the same run has other frames now
    if (watched) announce();
    if (plays) playback.playOnceSeen();
  }

  function showError(value) {
    find(".player-error-text").textContent = value.message;
    find(".player-error").hidden = false;
    if (reel) Object.assign(reel, { live: false, next: null });
    setState("error");
    paintSoon();
  }

  function hideError() {
    if (find(".player-error").hidden) return;
    find(".player-error").hidden = true;
    setState(reel ? (reel.live ? "live" : "film") : "idle");
  }

  function announce() {
    const how = reel.stopped ? "Run stopped" : "Run finished";
    find(".player-status").textContent = `${how}: ${stepText()}, ${costText(reel)}`;
  }

  // --- the cursor -------------------------------------------------------------------------

  function goTo(frame, anew = false) {
    wanted = clamp(frame, 0, reel.frames.length - 1);
    const k = isHere(wanted) ? wanted : nearestHere(reel.frames[wanted].index);
    if (k !== wanted) askFor(wanted);
    if (k === at && !anew) return;
    at = k;
    tellCursor();
    paintSoon();
  }

  function tellCursor() {
    const { index, t } = reel.frames[at];
    const detail = { index, t, run: reel.run, tile };
    Object.assign(root.dataset, detail, { frames: reel.frames.length });
    root.dispatchEvent(new CustomEvent("player:cursor", { bubbles: true, detail }));
  }

  function userGoesTo(frame) {
    if (!reel) return;
    playback.pause();
    goTo(frame);
    head = at === reel.frames.length - 1;
  }

  function nearest(index, among = reel.frames.map((_, k) => k)) {
    const steps = among.map((k) => reel.frames[k].index);
    const after = steps.findIndex((step) => step >= index);
    if (after < 0) return among.at(-1);
    return among[after > 0 && index - steps[after - 1] < steps[after] - index ? after - 1 : after];
  }

  // --- frames that are not here ---------------------------------------------------------------

  function isHere(k) {
    const { bytes, cell } = reel.frames[k];
    return Boolean(bytes) || cell !== undefined;
  }

  function nearestHere(index) {
    return nearest(index, [...reel.frames.keys()].filter(isHere));
  }

  async function askFor(frame) {
    if (asking) return; // what is wanted by then is asked for next
    asking = true;
    const mine = reel;
    let answer = null;
    let failed = false;
    try {
      answer = await server.some_frames({ source: mine.source, frame });
    } catch {
      failed = true;
    }
    asking = false;
    if (reel !== mine) return reel && goTo(wanted);
    if (failed) {
      wanted = at;
      return showError({ message: "This step could not be fetched. Try again." });
    }
    if (answer) keepSpare(answer);
    else forgetOthers();
    goTo(wanted, true);
  }

  function keepSpare({ first, frames }) {
    frames.forEach((panes, i) => {
      if (isHere(first + i)) return;
      const bytes = {};
      for (const pane in panes) bytes[pane] = fromBase64(panes[pane]);
      reel.frames[first + i].bytes = bytes;
      reel.spare.push(first + i);
    });
    const size = 2 * reel.shape.reduce((product, side) => product * side);
    const tooMany = Math.max(0, reel.spare.length - Math.ceil(SPARE_BYTES / size));
    for (const k of reel.spare.splice(0, tooMany)) if (k !== at) delete reel.frames[k].bytes;
  }

  /** The server does not keep them any more. */
  function forgetOthers() {
    const { index } = reel.frames[wanted];
    const here = reel.frames[at];
    reel.all ??= reel.frames.length;
    reel.frames = reel.frames.filter((_, k) => isHere(k));
    reel.played = [...reel.frames.keys()];
    reel.spare = [];
    at = reel.frames.indexOf(here);
    wanted = nearest(index);
    playback.goOn(); // among other frames
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    const on = (target, type, act) => target.addEventListener(type, act, { signal: undo.signal });
    on(root, "click", onClick);
    on(root, "player:show", (event) => showPicture(event.detail));
    on(root, "player:seek", (event) => reel && userGoesTo(nearest(event.detail.index)));
    listenToHands(root, on, {
      playback,
      stepBy: (count) => userGoesTo(wanted + count),
      toEnd: (way) => userGoesTo(way < 0 ? 0 : reel?.frames.length - 1),
      slideTo: (part) => reel && userGoesTo(nearest(part * reel.total)),
      claims: (event) => event.target.closest("[role=listbox]") && moveTile(event),
      held: ".player-stage",
    });
    on(window, "resize", layout);
    resized.observe(stage);
  }

  function onClick(event) {
    if (event.target.closest("[data-dismiss]")) hideError();
    // Tiles alone: the player's own root tells of a tile, too.
    const cell = event.target.closest(".player-tiles [data-tile]");
    if (cell) pick(Number(cell.dataset.tile));
  }

  function moveTile(event) {
    if (!reel) return false;
    const across = columns();
    const stride = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    if (event.key === "Enter") pick(tile);
    else if (!(event.key in stride)) return false;
    else pointAt(tile + stride[event.key]);
    return true;
  }

  function pointAt(choice) {
    if (choice < 0 || choice >= reel.shape[0] || choice === tile) return;
    tile = choice;
    tellCursor();
    paintSoon();
  }

  function pick(choice) {
    pointAt(choice);
    trigger("select", { index: choice, value: reel.run });
  }

  // --- painting ---------------------------------------------------------------------------

  function setState(state) {
    root.dataset.state = state;
    if (reel) return;
    for (const name of ["index", "t", "run", "tile"]) delete root.dataset[name];
    root.dataset.frames = 0;
  }

  function paintSoon() {
    paintDue ||= requestAnimationFrame(paint);
  }

  function layout() {
    if (!root.isConnected) return cleanUp();
    if (stage.clientWidth) paint();
  }

  function paint() {
    cancelAnimationFrame(paintDue);
    paintDue = 0;
    const width = stage.clientWidth;
    if (!width) return; // in a tab not open yet; its first size calls again
    arrangeMats(width);
    for (const mat of mats) paintMat(mat);
    paintStrip(timeline.clientWidth);
    paintTicks(timeline.clientWidth);
    paintCursor();
    if (!playback.plays()) describe();
  }

  function arrangeMats(width) {
    // A phone has pixels to spare for two small panes; a narrow window of a coarse screen has not.
    const coarse = width < 560 && devicePixelRatio < 1.5;
    const [wide, high] = reel ? gridSize() : options.grid;
    const flat = wide > 2 * high; // panes of long rows stand one above the other
    const rows = coarse || flat ? mats.length : 1;
    const gap = width < 560 ? 10 : 20;
    const across = mats.length / rows;
    const box = Math.floor((width - gap * (across - 1)) / across);
    const room = Math.max(flat ? 60 : 220, Math.floor((0.58 * innerHeight) / rows));
    const height = flat ? Math.min(room, Math.ceil((box * high) / wide) + 8) : Math.min(box, room);
    // Low enough to stay in view while the page scrolls under it; theme.css acts on it.
    stage.dataset.compact = String(rows === 1 && height < 0.45 * innerHeight);
    stage.style.setProperty("--across", across);
    stage.style.setProperty("--gap", `${gap}px`);
    for (const mat of mats) Object.assign(mat, { width: box, height });
    stage.style.setProperty("--mat", `${height}px`);
  }

  function paintMat(mat) {
    const frame = reel?.frames[at];
    const shown = Boolean(frame) && hasPane(frame, mat.pane);
    mat.print.hidden = !reel;
    mat.note.hidden = shown || (mat.pane === "x" && Boolean(reel));
    if (!reel) return;
    const [n, h, w] = reel.shape;
    const [wide, high] = gridSize();
    resize(mat.canvas, wide, high);
    const fit = Math.min(mat.width / wide, mat.height / high) * devicePixelRatio;
    const scale = Math.max(1, Math.floor(fit)) / devicePixelRatio;
    mat.print.style.width = `${wide * scale}px`;
    mat.print.style.height = `${high * scale}px`;
    if (mat.tiles) arrangeTiles(mat, n, scale);
    const ink = mat.canvas.getContext("2d");
    ink.clearRect(0, 0, wide, high);
    const across = columns();
    for (let i = 0; shown && i < n; i++) {
      const column = i % across;
      const row = Math.floor(i / across);
      drawTile(ink, mat.pane, at, i, column * (w + GUTTER), row * (h + GUTTER));
    }
  }

  function gridSize() {
    const [n, h, w] = reel.shape;
    const across = columns();
    const rows = Math.ceil(n / across);
    return [across * (w + GUTTER) - GUTTER, rows * (h + GUTTER) - GUTTER];
  }

  /** Tiles in a row; a single long one is folded where it would be too small to see. */
  function columns() {
    const [n, , w] = reel.shape;
    const single = n <= reel.columns && n > 4;
    const small = stage.clientWidth < 2 * reel.columns * (w + GUTTER);
    return single && small ? Math.ceil(n / 2) : reel.columns;
  }

  function hasPane(frame, pane) {
    return reel.live ? pane in frame.bytes : pane === "x" || frame.index > 0;
  }

  function drawTile(ink, pane, k, i, left, top) {
    const [n, h, w, channels] = reel.shape;
    const { bytes, cell } = reel.frames[k];
    if (bytes) return ink.putImageData(imageOf(bytes[pane], i, h, w, channels), left, top);
    const skipped = pane === "x0" && reel.frames[0].index === 0 ? 1 : 0;
    drawCell(ink, reel.sheets[pane], h, w, (cell - skipped) * n + i, left, top);
  }

  function arrangeTiles(mat, n, scale) {
    const across = columns();
    const key = [n, across, reel.shape, scale].join();
    if (mat.key !== key) {
      mat.key = key;
      mat.tiles.style.setProperty("--columns", across);
      mat.tiles.style.gap = `${GUTTER * scale}px`;
      mat.tiles.innerHTML = Array.from({ length: n }, (_, i) => tileOf(mat, i, across)).join("");
    }
    const before = mat.tiles.querySelector(".player-tile-here");
    const here = mat.tiles.children[tile];
    if (before === here) return;
    before?.classList.remove("player-tile-here");
    before?.setAttribute("aria-selected", "false");
    here.classList.add("player-tile-here");
    if (mat !== mats[0]) return;
    here.setAttribute("aria-selected", "true");
    mat.tiles.setAttribute("aria-activedescendant", here.id);
  }

  function tileOf(mat, i, columns) {
    if (mat !== mats[0]) return `<div data-tile="${i}"></div>`;
    const place = `row ${Math.floor(i / columns) + 1}, column ${(i % columns) + 1}`;
    return `<div data-tile="${i}" role="option" aria-selected="false" id="${element.id}-tile-${i}"
      aria-label="Tile ${i + 1}, ${place}"></div>`;
  }

  function paintStrip(width) {
    const newest = reel?.frames.at(-1);
    const key = [reel?.run, reel?.live, reel?.frames.length, width, devicePixelRatio, tile].join();
    if (key === stripKey) return;
    stripKey = key;
    const filled = newest && root.dataset.state !== "drawn" ? newest.index / reel.total : 0;
    root.style.setProperty("--filled", filled);
    resize(strip, Math.round(width * devicePixelRatio), STRIP_HEIGHT * devicePixelRatio);
    const ink = strip.getContext("2d");
    ink.clearRect(0, 0, strip.width, strip.height);
    if (!newest || root.dataset.state === "drawn") return;
    const draw = (into, part) =>
      drawTile(into, "x", nearest(part * reel.total, reel.played), tile, 0, 0);
    paintThumbs(ink, reel.shape.slice(1, 3), filled, draw);
  }

  function paintTicks(width) {
    const known = reel?.frames.at(-1).index ?? -1;
    const key = [reel?.run, reel?.live, reel?.total, known, width].join();
    if (key === ticksKey) return;
    ticksKey = key;
    const marks = Math.min(reel?.total ?? 10, width > 640 ? 10 : 4);
    const steps = Array.from({ length: marks + 1 }, (_, j) => j / marks);
    find(".player-ticks").innerHTML = steps.map(tickAt).join("");
  }

  function tickAt(part, j, all) {
    const k = reel ? nearest(Math.round(part * reel.total)) : -1;
    const at = reel ? reel.frames[k].index / reel.total : Infinity;
    // A mark is named after the frame nearest to it, unless that one belongs to another mark.
    const near = Math.abs(at - part) < 0.5 / (all.length - 1);
    const reached = near && Math.round(part * reel.total) <= reel.frames.at(-1).index;
    const place = reached ? at : part;
    const edge = j === 0 ? "player-tick-first" : j === all.length - 1 ? "player-tick-last" : "";
    const label = reached ? (j ? "" : "t = ") + reel.frames[k].t : "";
    return `<span class="player-tick ${edge}" style="left:${100 * place}%">${label}</span>`;
  }

  function paintCursor() {
    const frame = reel?.frames[at];
    root.style.setProperty("--at", frame ? frame.index / reel.total : 0);
    find(".player-step").textContent = frame ? `${frame.index} / ${reel.total}` : "–";
    find(".player-t").textContent = frame ? frame.t : "–";
    find(".player-cost").innerHTML = frame ? costMarkup() : "";
    find(".player-kept").textContent = reel?.all ? keptText() : "";
    if (frame) root.dataset.frames = reel.frames.length;
  }

  function describe() {
    const frame = reel?.frames[at];
    timeline.setAttribute("aria-valuemax", reel?.total ?? 0);
    timeline.setAttribute("aria-valuenow", frame?.index ?? 0);
    timeline.setAttribute("aria-valuetext", frame ? stepText() : "nothing recorded yet");
    if (root.dataset.state === "live") return;
    for (const { canvas, pane } of mats) {
      const grid = frame ? `${reel.shape[0]} ${names[pane].spoken} at ${stepText()}` : "";
      const empty = frame && !hasPane(frame, pane) ? ", nothing predicted yet" : "";
      canvas.setAttribute("aria-label", grid ? grid + empty : `${names[pane].spoken}: none yet`);
    }
  }

  function costMarkup() {
    const { preview, total, next, seconds } = reel;
    const wide = (text) => `<span class="player-wide">${text}</span>`;
    const [calls, time] = costText(reel).split(" · ");
    let said = `${seconds === null ? wide(`${calls} · `) : `${calls} · `}${time}`;
    if (preview) said = `preview, ${total} of ${preview} steps`;
    if (!next) return said;
    const name = preview ? "full" : "next";
    return said + wide(` · ${name} run at step ${next.index} of ${next.total}`);
  }

  function keptText() {
    const [held, all] = [reel.frames.length, reel.all].map((count) => count.toLocaleString("en"));
    return `${held} of ${all} frames are kept. Run it again for all of them.`;
  }

  function stepText() {
    const { index, t } = reel.frames[at];
    return `${options.counts} ${index} of ${reel.total}, t = ${t}`;
  }

  function cleanUp() {
    playback.disconnect();
    cancelAnimationFrame(paintDue);
    undo.abort();
    resized.disconnect();
    closeAll(reel?.sheets);
  }
}

// --- pieces that know nothing of a player's state ---------------------------------------------

function skeleton(options, names) {
  return `
    <div class="player-stage">${[...options.panes].map((pane, i) => paneOf(names[pane], pane, i, options.clickable)).join("")}
      ${errorMarkup()}
    </div>
    <div class="player-readout">
      <span>step <b class="player-step"></b></span>
      <span class="player-time"><i>t</i> = <b class="player-t"></b></span>
      <span class="player-cost" title="${COST}"></span>
    </div>
    ${timelineMarkup("Position in the run")}
    <p class="player-kept" role="status"></p>
    ${transportMarkup(options.way)}`;
}

function paneOf({ symbol, text }, pane, i, clickable) {
  const quiet = "Nothing is predicted before the first step.";
  const tiles = !clickable ? "" : i ? '<div class="player-tiles"></div>'
    : `<div class="player-tiles" role="listbox" tabindex="0"
      aria-label="Tiles; Enter opens one"></div>`;
  return `<figure class="player-pane"><figcaption><b>${symbol}</b><span>${text}</span></figcaption>
    <div class="player-mat" data-pane="${pane}"><div class="player-print" hidden>
    <canvas role="img" aria-label=""></canvas>${tiles}</div>
    <p class="player-note">${pane === "x0" ? quiet : ""}</p></div></figure>`;
}

function matOf(mat) {
  const [print, canvas, tiles, note] =
    [".player-print", "canvas", ".player-tiles", ".player-note"].map((s) => mat.querySelector(s));
  return { pane: mat.dataset.pane, print, canvas, tiles, note };
}

/**
 * @param {any} value
 * @returns {any}
 */
function about({ run, order, total, shape, columns, seconds, calls, preview }) {
  // Gradio hands out reactive proxies; plain copies are cheaper to read for every tile.
  return { run, order, total, shape: [...shape], columns, seconds, calls, preview };
}
