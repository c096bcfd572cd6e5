// Points in the plane: what was learned beside what is exact, on one timeline, and the controls of
// both. Where points go is computed on the server; the transport is that of the player.

import { atNextFrame, clamp, escapeText, onTheme, term } from "../component.js";
import { axisOf, nearest, putInPlace, stopBeside, stopsOf, ticksOf } from "../player/axis.js";
import { PATIENCE, WAITING } from "../player/sentence.js";
import {
  ERROR, listenToDrags, listenToHands, makePlayback, timelineMarkup, transportMarkup,
} from "../player/transport.js";
import { bytesOf, figure } from "../numbers.js";
import { curveOf, nearest as nearestOf, ticksBelow } from "../plot.js";
import { pairs, paintPane, paintStrip, planeOf } from "./drawing.js";
import { makeSheet } from "./sheet.js";
import { planeSentence } from "./words.js";

const PANES = ["learned", "exact"];
const TRAILS = 6; // points whose paths are drawn, unless one is chosen
const REACH = 14; // px around a point in which it is meant
const DECADES = 4; // of the curve of distances, below 1
const RECORDED = "recorded · press Train";

export function mount({ root, options, find, findAll, on, onSize, props, trigger }) {
  root.innerHTML = planeMarkup(options);
  const player = find(".player");
  const form = find("form");
  const canvases = PANES.map((name) => find(`[data-pane=${name}] canvas`));
  const paintSoon = atNextFrame(paint);
  const sheet = makeSheet(find(".plane-sheet"), on, options.most.drawn);
  const playback = makePlayback(player, {
    way: 1,
    places: () => stops,
    place: () => place,
    goTo,
    begun() {},
    rested: paintSoon,
  });
  const shown = { arrows: true, paths: false };
  const captions = {}; // what they say
  let film = null; // the points on their way
  let before = null; // the film of the same points before it
  let live = null; // a training
  let lanes = [];
  let stops = [];
  let place = 0;
  let point = null; // whose path alone is drawn
  let lastRun = ""; // that was on the stage
  let followed = ""; // the link that was followed
  let isLate = false; // something was chosen while the network learned
  let isEmpty = false; // points are to be drawn first
  let asking = 0; // the timer of what was asked for
  let waits = false; // for the first news of it

  listen();
  player.dataset.state = "idle";
  playback.refresh();
  return receive;

  // --- values from the server -------------------------------------------------------------

  function receive(value) {
    if (value.kind === "link") follow(value);
    if (!["live", "film", "error"].includes(value.kind)) return;
    if (value.recorded && window.page.awaits(player)) return; // a link leads to something else
    if (isEmpty) return; // what was stopped may still come
    if (!value.recorded) window.page.hears(player, value.order);
    clearTimeout(asking);
    waits = false;
    if (value.kind === "error") return showError(value.message);
    if (value.kind === "film" && film?.run === value.run) return; // it may be said again
    find(".player-error").hidden = true;
    const learned = new Int16Array(bytesOf(value.data).buffer);
    const about = { ...value, data: Float32Array.from(learned, (v) => v / options.plane.point) };
    if (value.kind === "live") showLive({ ...about, points: pointsOf(value.points)[0] });
    else showFilm({ ...about, points: mapped(value.points, pointsOf), fields: mapped(value.fields, arrowsOf) });
  }

  function showLive(value) {
    if (!live) playback.pause();
    [live, film, before, stops, place] = [value, null, null, [], 0];
    setState("live");
    paintSoon();
  }

  function showFilm(value) {
    const isSame = film && String(film.data) === String(value.data);
    before = isSame && film.words !== value.words ? film : null;
    const isFirst = !isSame; // what a slider or a chip changed is looked at where the cursor is
    [film, live] = [value, null];
    const frames = film.indices.map((index, i) => ({ index, t: film.t[i], i }));
    lanes = [{ frames, total: film.total }];
    putInPlace(axisOf("step", lanes), lanes);
    stops = stopsOf(lanes);
    find(".plane-code code").textContent = film.python;
    setState("film");
    const step = film.recorded ? undefined : window.page.takeRest(player, film.order)?.step;
    const plays = step === undefined && isFirst && playback.motionIsWelcome();
    goTo(step !== undefined ? nearest(frames, step, "index").place : plays ? 0 : isFirst ? 1 : place, true);
    find(".player-status").textContent = `Finished: ${film.words}, ${film.calls} calls`;
    if (plays) playback.playOnceSeen();
    else playback.goOn();
    comeIntoView();
    if (isLate) ask("sample");
    isLate = false;
  }

  /** On a phone the controls stand below the stage. */
  function comeIntoView() {
    if (!film.recorded && matchMedia("(max-width: 700px)").matches
      && find(".plane-panes").getBoundingClientRect().bottom < innerHeight / 6) player.scrollIntoView();
  }

  function showError(message) {
    find(".player-error-text").textContent = message;
    find(".player-error").hidden = false;
    live = null;
    setState("error");
    paintSoon();
  }

  function dismiss() {
    if (find(".player-error").hidden) return;
    find(".player-error").hidden = true;
    setState(film ? "film" : "idle");
  }

  function setState(state) {
    player.dataset.state = state;
    find(".player-recorded").hidden = !film?.recorded;
    const stop = find("#plane-stop");
    if (!live && stop === document.activeElement) find("#plane-train").focus({ preventScroll: true });
    stop.disabled = !live;
    for (const name of ["run", "index", "t"]) if (!film) delete player.dataset[name];
  }

  // --- what is asked ----------------------------------------------------------------------

  function settings(linked) {
    const chosen = { ...Object.fromEntries(new FormData(form)), ...linked };
    const { steps, scale, seed, ...others } = chosen;
    const numbers = { steps: numberOf(steps), scale: numberOf(scale), seed: numberOf(seed) };
    return { ...others, ...numbers, ...(others.data === "drawn" ? { drawn: sheet.packed() } : {}) };
  }

  function ask(what, linked = {}) {
    lastRun = film?.run ?? lastRun;
    props.value = { kind: "asked", do: what, run: lastRun, ...settings(linked) };
    trigger("input");
    clearTimeout(asking);
    if (what === "stop") return;
    isEmpty = false;
    asking = setTimeout(() => {
      waits = true;
      paintSoon();
    }, PATIENCE);
  }

  /** A link or a file brings back what it names; the network learns it anew. */
  function follow({ query, wanted }) {
    if (wanted === followed) return; // it may be said again
    followed = wanted;
    const asked = new URLSearchParams(query);
    if (asked.get("data") === "drawn") sheet.unpack(asked.get("drawn") ?? "");
    const names = Object.keys(options.first).filter((name) => asked.has(name));
    const linked = Object.fromEntries(names.map((name) => [name, asked.get(name)]));
    for (const name of names) {
      const field = form.elements.namedItem(name);
      if ("value" in field) field.value = linked[name];
    }
    refreshForm();
    // As the link has it: what the controls do not offer they leave out, but the server says so.
    ask("train", linked);
  }

  function onChange({ target }) {
    if (!(target.name in options.first)) return;
    dismiss();
    refreshForm();
    if (form.elements.data.value === "drawn" && !sheet.packed()) return clearStage();
    const isTask = ["data", "schedule", "seed"].includes(target.name);
    if (live && !isTask) isLate = true;
    else ask(isTask ? "train" : "sample");
  }

  function refreshForm() {
    find(".plane-sheet").hidden = form.elements.data.value !== "drawn";
    for (const range of findAll("input[type=range]")) {
      const share = (range.value - range.min) / (range.max - range.min);
      range.style.setProperty("--range_progress", `${100 * share}%`);
      range.closest(".plane-range").querySelector("output").textContent = range.value;
    }
  }

  /** There is nothing yet to learn. */
  function clearStage() {
    if (live) ask("stop");
    clearTimeout(asking);
    waits = false;
    playback.pause();
    [isEmpty, isLate, live, film, before, stops, place] = [true, false, null, null, null, [], 0];
    setState("idle");
    paintSoon();
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    on(form, "input", refreshForm);
    on(form, "change", onChange);
    on(form, "submit", (event) => {
      event.preventDefault();
      ask("train");
    });
    on(find("#plane-stop"), "click", () => ask("stop"));
    on(find("#plane-roll"), "click", () => {
      form.elements.seed.value = Math.floor(Math.random() * 1e6);
      ask("train");
    });
    on(player, "click", ({ target }) => {
      const chip = target.closest("[data-shows]");
      if (chip) show(chip.dataset.shows, !shown[chip.dataset.shows]);
      if (!target.closest("[data-dismiss]")) return;
      dismiss();
      find(".player-timeline").focus({ preventScroll: true }); // the button is gone
    });
    on(find(".plane-sheet"), "pointerdown", dismiss);
    for (const canvas of canvases) on(canvas, "click", (event) => pick(canvas, event));
    listenToHands(player, on, {
      playback,
      stepBy: (count) => film && userGoesTo(stopBeside(stops, place, count)),
      toEnd: (way) => userGoesTo(way < 0 ? 0 : 1),
      slideTo: userGoesTo,
      claims: null,
      held: ".plane-panes",
    });
    listenToDrags(find(".plane-distance"), on, userGoesTo);
    onSize(find(".plane-panes"), paint);
    onTheme(on, paintSoon);
    refreshForm();
  }

  function userGoesTo(target) {
    if (!film) return;
    playback.pause();
    goTo(target);
  }

  function goTo(target, anew = false) {
    const frame = nearest(lanes[0].frames, target);
    if (frame.place === place && !anew) return;
    place = frame.place;
    const { index, t, i } = frame;
    const rest = frame.place < 1 ? { step: index, frame: i } : { step: "", frame: "" };
    Object.assign(player.dataset, { run: film.run, index, t, frames: stops.length, ...rest });
    paintSoon();
  }

  function show(what, on) {
    shown[what] = on;
    point = null;
    paintSoon();
  }

  /** Show the path of the nearest point alone; of none, if none is near. */
  function pick(canvas, { offsetX, offsetY }) {
    if (!film) return;
    const { at } = planeOf(canvas.clientWidth, options.plane.edge);
    const now = pairs(film.points[canvas.parentElement.dataset.pane][frameHere().i]).map(at);
    const index = nearestOf(now.map(([x, y]) => Math.hypot(x - offsetX, y - offsetY)), REACH);
    show("paths", index >= 0);
    point = index < 0 ? null : index;
  }

  // --- painting ---------------------------------------------------------------------------

  function frameHere() {
    return lanes[0].frames.find((frame) => frame.place === place);
  }

  function paint() {
    if (!canvases[0].clientWidth) return; // in a tab not open yet; its first size calls again
    const here = film && frameHere();
    root.style.setProperty("--at", place);
    root.style.setProperty("--filled", film ? 1 : 0);
    player.dataset.guided = String(Boolean(film?.guided));
    for (const chip of findAll("[data-shows]")) {
      chip.setAttribute("aria-pressed", String(shown[chip.dataset.shows]));
    }
    canvases.forEach((canvas, i) => paintPane(canvas, sceneOf(PANES[i], here), options.plane));
    paintStrip(find(".player-strip"), {
      film: film && { run: film.run, at: thumbnail },
      losses: live?.losses ?? [],
      share: live ? live.done / live.training : 1,
    }, options.plane.edge);
    const ticks = film ? ticksOf("step", axisOf("step", lanes), lanes, find(".player-timeline").clientWidth) : [];
    find(".plot-ticks").innerHTML = ticksBelow(ticks);
    paintWords(here);
    paintCurve();
  }

  /** What there is to see on a plane. */
  function sceneOf(name, here) {
    const value = film ?? live;
    if (!value) return null;
    const { data, labels } = value;
    if (!film) return { data, labels, points: name === "learned" ? live.points : [], trailed: null };
    const points = film.points[name];
    const stride = Math.floor(options.plane.points / TRAILS);
    return {
      data, labels,
      points: points[here.i],
      arrows: shown.arrows ? film.fields[name][here.i] : null,
      trailed: shown.paths ? (i) => (point === null ? i % stride === 0 : i === point) : null,
      way: points.slice(0, here.i + 1),
      wayBefore: before?.points[name].filter((_, i) => before.t[i] >= here.t),
    };
  }

  /** What was learned, at a part of the way. */
  function thumbnail(part) {
    return film.points.learned[nearest(lanes[0].frames, part).i];
  }

  function paintWords(here) {
    const [left, right] = live ? ["what it makes so far", "what it learns from"]
      : ["by the network", "computed from the training points"];
    const dashed = film && before && shown.paths ? `; dashed: ${before.words}` : "";
    caption("learned", `<b>learned</b> <span class="player-word">${left}${escapeText(dashed)}</span>`);
    caption("exact", live ? right
      : `<b ${term("exact", -1)}>exact</b> <span class="player-word">${right}</span>`);
    find(".player-sentence").textContent = waits ? WAITING : planeSentence({ film, live, here });
    find(".player-step").textContent = live ? `${live.done} / ${live.training}`
      : here ? `${here.index} / ${film.total}` : "–";
    find(".player-time b").textContent = here ? here.t : "–";
    find(".plane-apart").textContent = here ? figure(film.distance[here.i]) : "–";
    find(".player-cost").textContent = film ? `${film.words} · ${film.calls} calls` : "";
    const timeline = find(".player-timeline");
    timeline.setAttribute("aria-valuemax", film?.total ?? 0);
    timeline.setAttribute("aria-valuenow", here?.index ?? 0);
    if (playback.plays()) return;
    timeline.setAttribute("aria-valuetext", here
      ? `step ${here.index} of ${film.total}, t = ${here.t}, distance ${figure(film.distance[here.i])}` : "learning");
  }

  /** A term that is pointed at, or has the focus, stays while its words do. */
  function caption(name, words) {
    if (captions[name] === words) return;
    captions[name] = words;
    find(`[data-caption=${name}]`).innerHTML = words;
  }

  function paintCurve() {
    const curve = (film?.distance ?? []).map((distance, i) =>
      [lanes[0].frames[i].place, clamp(1 + Math.log10(distance) / DECADES, 0, 1)]);
    find(".plane-distance path").setAttribute("d", curveOf(curve));
    const { done, losses } = film ?? live ?? {};
    find(".plane-learned").textContent = losses?.length
      ? `${done.toLocaleString("en")} training steps, loss ${figure(losses.at(-1))}` : "";
  }

  // --- numbers ----------------------------------------------------------------------------

  /** Frames, each x and y in turn. */
  function framesOf(numbers, unit, places) {
    const all = Float32Array.from(numbers, (v) => v / unit);
    return Array.from({ length: all.length / places / 2 }, (_, i) => all.slice(2 * i * places, 2 * (i + 1) * places));
  }

  function pointsOf(text) {
    return framesOf(new Int16Array(bytesOf(text).buffer), options.plane.point, options.plane.points);
  }

  function arrowsOf(text) {
    return framesOf(new Int8Array(bytesOf(text).buffer), options.plane.arrow, options.plane.grid ** 2);
  }
}

/** What is no number goes to the server as it is, which says so. */
function numberOf(text) {
  if (text === "") return null;
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function mapped(values, change) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

function planeMarkup({ data, schedule, sampler, label, most, first, prefix }) {
  const chips = (name, title, entries) => `<fieldset class="segments chips" id="${prefix}-${name}"><legend
    ${term(title)}>${title}</legend>${entries.map(([text, value]) => `<label><input type="radio"
    name="${name}" value="${value}" ${value === first[name] ? "checked" : ""}><span>${escapeText(text)}</span></label>`).join("")}</fieldset>`;
  const range = (name, title, low, high, step, more = "") => `<label class="plane-range ${more}"
    id="${prefix}-${name}"><span class="line"><span ${term(title)}>${title}</span><output class="mono" aria-live="off"></output></span>
    <input type="range" name="${name}" aria-label="${title}" min="${low}" max="${high}" step="${step}" value="${first[name]}"></label>`;
  const pane = (name) => `<figure data-pane="${name}"><canvas role="img" aria-label="Points, ${name}"></canvas><figcaption
    class="cut" data-caption="${name}"></figcaption></figure>`;
  return `
    <div class="player" data-hints>
      <div class="player-top"><div class="player-chips" role="group" aria-label="Drawn over the points">
        <button type="button" class="button" data-shows="arrows">Arrows</button>
        <button type="button" class="button" data-shows="paths">Paths</button></div>
        <p class="player-recorded soft small cut" hidden>${RECORDED}</p></div>
      <div class="player-stage"><div class="plane-panes">${PANES.map(pane).join("")}</div>
        ${ERROR}</div>
      <p class="player-sentence"></p>
      <div class="player-readout soft"><span><span ${term("step", -1)}>step</span> <b class="player-step mono"></b></span>
        <span class="player-time"><span ${term("t")}><i>t</i></span> = <b class="mono here"></b></span>
        <span><span ${term("distance", -1)}>distance</span> <b class="mono here plane-apart"></b></span>
        <span class="player-cost player-wide mono"></span></div>
      ${timelineMarkup("Position of the points")}
      ${transportMarkup(1)}
    </div>
    <div class="plane-more">
      <div class="plane-distance plot-time"><svg class="plot-stretched" viewBox="0 0 1 1" preserveAspectRatio="none"
        aria-hidden="true"><path class="plot-line"/></svg><i class="plot-cursor"></i></div>
      <p class="line soft small plane-below"><span>Distance of the fields, from 0.0001 to 1</span><span class="plane-learned"></span></p>
      <details class="plane-code small"><summary>Python</summary><pre><code></code></pre></details>
    </div>
    <form class="controls">
      <div class="actions"><button type="submit" class="button inked" id="${prefix}-train">Train</button>
        <button type="button" class="button" id="${prefix}-stop">Stop</button></div>
      ${chips("data", "Points", data)}
      <div class="plane-sheet" hidden></div>
      ${chips("schedule", "Noise schedule", schedule)}
      ${chips("sampler", "Sampler", sampler)}
      ${range("steps", "Steps", 1, most.steps, 1)}
      ${chips("label", "Class", label)}
      ${range("scale", "Guidance scale s", 0, most.scale, 0.5, "guidance")}
      <div class="plane-seed"><label><span ${term("Seed")}>Seed</span><input type="number" name="seed" min="0" step="1"
        value="${first.seed}"></label><button type="button" class="button" id="${prefix}-roll">Roll</button></div>
    </form>`;
}
