// Runs on one timeline: a lane for each of several, or one alone. Values from the server say what
// is on the stage; hands and the clock move the cursor; whatever has changed is painted.

import { atNextFrame, clamp, term, withTerms } from "../component.js";
import { ticksBelow } from "../plot.js";
import {
  CLOSE, axisOf, frameAt, nearest, placeOn, putInPlace, readingAt, stopBeside, stopsOf, ticksOf,
} from "./axis.js";
import { curvesMarkup, makeCurves } from "./curves.js";
import {
  addFrame, costText, filmLane, forgetOthers, heldText, isHere, keepSpare, liveLane, loadPanes,
  pictureLane, release,
} from "./lanes.js";
import { PATIENCE, sentenceOf, WAITING } from "./sentence.js";
import { makeStage } from "./stage.js";
import { paintStrip } from "./strip.js";
import {
  ERROR, listenToDrags, listenToHands, makePlayback, timelineMarkup, transportMarkup,
} from "./transport.js";

const ALIGN_NAMES = { step: "step", t: "step", logsnr: "log-SNR" };
const IN_SENTENCES = ["x_t", "x̂0", "judge", "Guidance"];
const REST = 300; // milliseconds after which a hand rests
const UNREAD = "The recording could not be read. Run it again.";
const UNFETCHED = "This step could not be fetched. Try again.";

export function mount({ root, options, find, findAll, on, onSize, element, trigger, server }) {
  const many = options.lanes.length > 1;
  const [columns, rows] = options.grid;
  // What is laid out before the first run, which then moves nothing.
  const expected = { shape: [columns * rows, 28, 28], columns };
  root.innerHTML = playerMarkup(options, many);
  root.dataset.hints = "";
  const box = find(".player-stage");
  const timeline = find(".player-timeline");
  const stage = makeStage(box, { clickable: options.clickable, id: element.id });
  const curves = options.curves.length ? makeCurves(find(".player-curves"), {
    curves: options.curves, on, readAt: (at) => readingAt(aligned, axis, run?.lanes ?? [], at),
  }) : null;
  const paintSoon = atNextFrame(paint);
  const playback = makePlayback(root, {
    way: options.way,
    places: () => beats,
    place: () => place,
    goTo,
    begun: () => (head = false),
    rested() {
      if (run?.live && place >= filled()) head = true; // it has caught up
      paintSoon();
    },
  });

  let run = null; // what is on the stage: about the run, and its lanes
  let names = options.lanes;
  let chosen = options.shown; // panes
  let aligned = options.align[0];
  let axis = null;
  let stops = []; // every place where a lane changes its frame
  let beats = []; // the places that are played
  let place = 0; // the cursor, from 0 to 1
  let wanted = 0; // where it was put: the same, unless a frame is on its way
  let head = true; // it follows the newest frame of a live run
  let tile = 0;
  let beside = 0; // the order of the run that goes on beside what is said of a refusal
  let message = "";
  let ticket = 0;
  let newest = 0; // the order of the newest run heard of
  let runs = 0; // that were on the stage
  let resting = 0; // the timer of a hand that moves a slider
  let asking = 0; // the timer of a run that was asked for
  let waits = false; // for the first news of it
  const done = {}; // what each part of the page was last painted from

  listen();
  setState("idle");
  playback.refresh();
  return receive;

  // --- values from the server -------------------------------------------------------------

  function receive(value) {
    // What is drawn stands in for the film to come, and the one before it may be said again.
    if (root.dataset.state === "drawn" && value.order === newest) return;
    // Somebody who followed a link would take a recording for what it leads to.
    if (value.recorded && window.page.awaits(root)) return ask();
    if (value.kind === "error" || value.recorded || (value.order ?? newest) !== newest) heard();
    newest = value.order ?? newest;
    if (value.order && !value.recorded) window.page.hears(root, value.order);
    clearTimeout(resting);
    if (value.preview) resting = setTimeout(() => trigger("rested"), REST);
    if (value.kind !== "error" && !(beside && beside === value.order)) hideError();
    ({ idle: showIdle, live: showLive, film: showFilm, error: showError, next: tellNext })[
      value.kind]?.(value);
  }

  /** On a busy server a press may wait for its turn: that is said. */
  function onPress({ target }) {
    const tab = root.closest("[id$=-stage]")?.id.replace(/-stage$/, "");
    if (tab && target.closest?.(`#${tab}-stop`)) playback.pause(); // of a run that is complete
    if (!tab || !target.closest?.(`#${tab}-run, #${tab}-roll`)) return;
    window.page.hears(root, 0); // what comes is another run than the address named
    ask();
  }

  function ask() {
    clearTimeout(asking);
    asking = setTimeout(() => {
      waits = true;
      paintSoon();
    }, PATIENCE);
  }

  function heard() {
    clearTimeout(asking);
    if (waits) paintSoon();
    waits = false;
  }

  function showIdle(value) {
    replaceRun(null);
    names = options.lanes;
    message = value.message;
    setState("idle");
    paintSoon();
  }

  /** Of a run that shows nothing before its end, how far it is. */
  function tellNext({ index, total }) {
    if (!run) return;
    run.next = { index, total };
    paintSoon();
  }

  function showLive(value) {
    // The same run may have been begun anew.
    if (!run?.live || !isOnStage(value) || hasOtherRows(value)) begin(value);
    ticket += 1;
    Object.assign(run, { preview: value.preview, next: null });
    for (const news of value.lanes) addFrame(laneFor(news.name), news);
    settle();
    goTo(head ? 1 : wanted, true);
    setState("live");
    paintSoon();
  }

  /** The run that a branch leaves is shown first, alone. */
  function hasOtherRows({ lanes }) {
    return lanes.some(({ name, shape: [n] }) => run.lanes.some((lane) => lane.name === name && lane.shape[0] !== n));
  }

  function begin(value) {
    head = true;
    replaceRun({ name: value.run, order: value.order, live: true, lanes: [] });
    const known = new Set(names);
    if (!value.lanes.every(({ name }) => known.has(name))) names = value.lanes.map(({ name }) => name);
    comeIntoView();
  }

  /** The button that runs several may stand far below the stage. */
  function comeIntoView() {
    if (many && box.getBoundingClientRect().bottom < innerHeight / 4) box.scrollIntoView();
  }

  function laneFor(name) {
    const known = run.lanes.find((lane) => lane.name === name);
    if (known) return known;
    if (!names.includes(name)) names = [...names, name];
    const lane = liveLane(name);
    run.lanes = [...run.lanes, lane].sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
    return lane;
  }

  async function showFilm(value) {
    if (run?.film && isOnStage(value)) return; // it may be said again, in case it was not heard
    const mine = (ticket += 1);
    const { run: name, order, stopped, still, recorded, earlier } = value;
    const lanes = value.lanes.map(filmLane);
    try {
      await loadPanes(lanes, chosen);
    } catch {
      release(lanes);
      if (mine === ticket) showError({ message: UNREAD });
      return;
    }
    if (mine !== ticket) return release(lanes);
    putOnStage({ name, order, film: true, stopped, still, recorded, earlier, lanes });
  }

  function putOnStage(next) {
    const watched = Boolean(run?.live) && run.name === next.name;
    // The axis may have another range now; the cursor stays where it is on it.
    const value = watched && !head ? axis.low + place * (axis.high - axis.low) : Infinity;
    replaceRun(next, watched);
    names = run.lanes.map((lane) => lane.name);
    settle();
    setState(beside || find(".player-error").hidden ? "film" : "error"); // said while it was on its way
    const rest = run.recorded ? null : window.page.takeRest(root, run.order);
    const plays = rest === null && !watched && !run.still && options.autoplay && stops.length > 1
      && playback.motionIsWelcome();
    goTo(rest ? placeOfRest(rest) : plays ? 0 : placeOn(axis, value), true);
    playback.goOn(); // the same run has other frames now
    if (!run.recorded) announce();
    if (!watched) comeIntoView();
    if (plays) playback.playOnceSeen();
    fetchChosen();
  }

  /** Panes that were chosen while others were on their way. */
  function fetchChosen() {
    const mine = run;
    if (!mine?.film) return;
    loadPanes(mine.lanes, chosen).then(paintSoon, () => {
      if (run === mine) showError({ message: "These pictures could not be read. Try again." });
    });
  }

  /** What is being drawn, until there is a film of it: one picture, at the end of the timeline. */
  function showPicture(picture) {
    const lane = pictureLane(picture, chosen, run?.lanes[0].total ?? 1);
    replaceRun({ name: "drawn", order: newest, lanes: [lane] });
    settle();
    setState("drawn");
    goTo(1, true);
  }

  function showError(value) {
    find(".player-error-text").textContent = value.message;
    find(".player-error").hidden = false;
    beside = value.beside && run?.live ? value.order : 0;
    if (beside) return;
    if (run) Object.assign(run, { live: false, next: null });
    else message = ""; // it promises what does not come
    setState("error");
    paintSoon();
  }

  function hideError() {
    if (find(".player-error").hidden) return;
    find(".player-error").hidden = true;
    beside = 0;
    if (!run) setState("idle");
    else setState(run.live ? "live" : run.name === "drawn" ? "drawn" : "film");
  }

  function announce() {
    const end = ({ frames, total }) => whereText({ here: frames.at(-1), total });
    const costs = run.lanes.map((lane) => `${lane.name || end(lane)}, ${costText(lane)}`);
    find(".player-status").textContent =
      `${run.stopped ? "Run stopped" : "Run finished"}: ${costs.join("; ")}`;
  }

  function isOnStage(value) {
    return run.name === value.run && run.order === value.order;
  }

  function replaceRun(next, goesOn = false) {
    if (!goesOn) playback.pause();
    ticket += 1; // a film that is still being decoded is of an earlier run
    runs += 1;
    if (run) release(run.lanes);
    run = next;
    if (!run) [place, wanted, stops, beats, axis] = [0, 0, [], [], null];
  }

  // --- the cursor -------------------------------------------------------------------------

  /** Put every frame in its place on the timeline. */
  function settle() {
    tile = Math.min(tile, run.lanes[0].shape[0] - 1);
    axis = axisOf(aligned, run.lanes, run.live);
    putInPlace(axis, run.lanes);
    stops = stopsOf(run.lanes);
    // Of one run what the browser holds from the start; of several as many as the longest has.
    const longest = Math.max(1, ...run.lanes.map((lane) => lane.frames.length - 1));
    const evenly = () => Array.from({ length: longest + 1 }, (_, i) => (i / longest) * filled());
    const held = () => run.lanes[0].frames.filter((frame) => frame.held);
    beats = run.lanes.length > 1 ? evenly() : held().map((frame) => frame.place);
  }

  function filled() {
    return stops.at(-1);
  }

  function goTo(target, anew = false) {
    const before = place;
    const [first] = run.lanes;
    // By step, the cursor rests on frames.
    wanted = aligned === "step" ? nearest(first.frames, target).place : clamp(target, 0, filled());
    for (const lane of run.lanes) {
      lane.wanted = frameAt(lane.frames, wanted);
      lane.here = isHere(lane.wanted) ? lane.wanted : nearest(lane.frames.filter(isHere), wanted);
      if (lane.here !== lane.wanted) askFor(lane);
    }
    place = aligned === "step" ? first.here.place : wanted;
    if (place === before && !anew) return;
    tellCursor();
    paintSoon();
  }

  function tellCursor() {
    const [{ here, frames }] = run.lanes;
    // At the end neither is told: link and picture are of it by themselves, unless it was stopped.
    const ends = place >= filled();
    const step = ends && !run.stopped ? "" : here.index;
    // The server numbers frames by t.
    const frame = ends || aligned === "logsnr" ? "" : stops.findLastIndex((stop) => stop <= place + CLOSE);
    // Not below it: the frame that begins here would not be reached.
    const level = axis.low + place * (axis.high - axis.low);
    const logSnr = step !== "" && aligned === "logsnr" ? (Math.ceil(level * 1000 - 0.001) / 1000).toFixed(3) : "";
    const detail = { index: here.index, t: here.t, run: run.name, tile, position: place, step, logSnr, frame };
    Object.assign(root.dataset, detail, { position: place.toFixed(4), frames: frames.length });
    root.dispatchEvent(new CustomEvent("player:cursor", { bubbles: true, detail }));
  }

  function userGoesTo(target) {
    if (!run) return;
    playback.pause();
    window.page.takeRest(root, run.order); // the visitor has chosen another
    goTo(target);
    head = place >= filled();
  }

  function seek({ detail }) {
    if (run) userGoesTo(placeOf(detail.index));
  }

  function placeOf(index) {
    return nearest(run.lanes[0].frames, index, "index").place;
  }

  /** Where a link has the cursor rest; one of a log-SNR aligns by it.
   * @param {{ step?: number, logSnr?: number }} rest */
  function placeOfRest({ step, logSnr }) {
    if (logSnr === undefined) return placeOf(step);
    if (!options.align.includes("logsnr")) return filled();
    aligned = "logsnr";
    refreshSwitches();
    settle();
    return placeOn(axis, logSnr);
  }

  function alignBy(choice) {
    if (choice === aligned) return;
    playback.pause();
    aligned = choice;
    refreshSwitches();
    if (!run) return paintSoon();
    // The first lane keeps its frame.
    const [{ here, frames }] = run.lanes;
    const ended = place >= filled();
    settle();
    goTo(ended ? 1 : here === frames[0] ? 0 : here.place, true);
  }

  function toggle(pane) {
    const more = !chosen.includes(pane);
    if (!more && chosen.length === 1) return;
    const kept = more ? [...chosen, pane] : chosen.filter((other) => other !== pane);
    chosen = options.panes.map(({ key }) => key).filter((key) => kept.includes(key));
    refreshSwitches();
    fetchChosen();
    paintSoon();
  }

  /** A frame of a long film that is not here. */
  async function askFor(lane) {
    if (lane.asking) return; // what is wanted by then is asked for next
    lane.asking = true;
    const asked = { source: lane.source, frame: lane.frames.indexOf(lane.wanted) };
    const answer = await server.some_frames(asked).catch(() => undefined);
    lane.asking = false;
    if (lane.released) return;
    if (answer === undefined) {
      wanted = place;
      return showError({ message: UNFETCHED });
    }
    if (answer) keepSpare(lane, answer);
    else {
      forgetOthers(lane);
      settle();
      playback.goOn(); // among other frames
    }
    goTo(wanted, true);
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    on(root, "click", onClick);
    on(document, "click", onPress);
    on(root, "player:asked", ask);
    on(root, "player:show", (event) => showPicture(event.detail));
    on(root, "player:seek", seek);
    listenToHands(root, on, {
      playback,
      stepBy: (count) => userGoesTo(stopBeside(stops, wanted, count)),
      toEnd: (way) => userGoesTo(way < 0 ? 0 : 1),
      slideTo: userGoesTo,
      claims: (event) => event.target.closest("[role=listbox]") && moveTile(event),
      held: ".player-stage, .player-plot",
    });
    for (const plot of findAll(".player-plot")) listenToDrags(plot, on, userGoesTo);
    on(window, "resize", paint);
    onSize(box, paint);
    refreshSwitches();
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (button?.dataset.chip) toggle(button.dataset.chip);
    else if (button?.dataset.alignBy) alignBy(button.dataset.alignBy);
    else if (button?.dataset.dismiss) {
      hideError();
      timeline.focus({ preventScroll: true }); // the button is gone
    }
    // Tiles alone: the player's own root tells of a tile, too.
    const cell = event.target.closest(".player-tiles [data-tile]");
    if (cell) pick(Number(cell.dataset.tile));
  }

  function moveTile(event) {
    if (!run) return false;
    const across = stage.columnsOf(run.lanes[0]);
    const stride = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    if (event.key === "Enter") pick(tile);
    else if (!(event.key in stride)) return false;
    else pointAt(tile + stride[event.key]);
    return true;
  }

  function pointAt(choice) {
    if (choice < 0 || choice >= run.lanes[0].shape[0] || choice === tile) return;
    tile = choice;
    tellCursor();
    paintSoon();
  }

  function pick(choice) {
    pointAt(choice);
    trigger("select", { index: choice, value: run.name });
  }

  function refreshSwitches() {
    for (const button of findAll("[data-chip], [data-align-by]")) {
      const { chip, alignBy } = button.dataset;
      button.setAttribute("aria-pressed", String(chip ? chosen.includes(chip) : alignBy === aligned));
    }
  }

  // --- painting ---------------------------------------------------------------------------

  function setState(state) {
    root.dataset.state = state;
    const words = run?.recorded ? `recorded · ${run.recorded}`
      : run?.earlier ? "computed earlier" : "";
    find(".player-recorded").hidden = !words;
    find(".player-recorded").textContent = find(".player-recorded").title = words;
    if (run) return;
    for (const name of ["index", "t", "run", "tile", "position", "step", "frame"]) delete root.dataset[name];
    root.dataset.frames = 0;
  }

  function paint() {
    if (!box.clientWidth) return; // in a tab not open yet; its first size calls again
    const lanes = run?.lanes ?? [];
    const width = timeline.clientWidth;
    const extent = [runs, lanes.map((lane) => lane.frames.length), aligned].join();
    anew("lanes", [names.join("\n"), chosen].join(), buildLanes);
    root.dataset.size = !many ? "one" : stage.isSmall() ? "small" : "large";
    stage.arrange(lanes.length ? lanes : [expected]);
    stage.paint(laneOf, { run: runs, tile, message });
    const loaded = lanes.map((lane) => Boolean(lane.sheets[chosen[0]])).join();
    const strip = [extent, width, devicePixelRatio, chosen[0], loaded, tile].join();
    anew("strip", strip, () => paintTimeline(lanes, width));
    anew("ticks", [extent, width].join(), () => {
      const marksIn = (room) => ticksOf(aligned, axis, lanes, room);
      find(".plot-ticks").innerHTML = ticksBelow(marksIn(width));
      curves?.draw({ names, lanes, axis, marksIn });
    });
    paintCursor(lanes);
    if (!playback.plays()) describe(lanes);
  }

  function anew(part, key, act) {
    if (done[part] === key) return;
    done[part] = key;
    act();
  }

  function buildLanes() {
    stage.build(names, options.panes.filter(({ key }) => chosen.includes(key)));
    curves?.build(names);
    done.ticks = null;
  }

  function laneOf(i) {
    return run?.lanes.find((lane) => lane.name === names[i]);
  }

  function paintTimeline(lanes, width) {
    // Of a preview there is nothing but its end.
    const shown = root.dataset.state === "drawn" || run?.preview ? [] : lanes;
    root.style.setProperty("--filled", shown.length ? filled() : 0);
    // A lane that has ended before the others rests where it is.
    const reached = (lane) => (run.live ? lane.frames.at(-1).place : filled());
    paintStrip(find(".player-strip"), width, shown, { pane: chosen[0], tile, filled: reached });
  }

  function paintCursor(lanes) {
    const [lane] = lanes;
    root.style.setProperty("--at", place);
    root.dataset.frames = lane?.frames.length ?? 0;
    const { symbol, value } = readingAt(aligned, axis, lanes, place);
    anew("symbol", symbol, () => {
      const name = find(".player-symbol");
      name.innerHTML = symbol;
      name.dataset.term = aligned === "logsnr" ? "log-SNR" : "t";
    });
    find(".player-time b").textContent = value;
    const sentence = waits ? WAITING : sentenceOf(lanes, { forward: options.way < 0 });
    anew("sentence", sentence, () => tell(sentence));
    curves?.moveTo(place);
    if (many) return;
    find(".player-step").textContent = lane ? `${lane.here.index} / ${lane.total}` : "–";
    paintCost(lane);
    const kept = lane && heldText(lane);
    find(".player-kept").textContent =
      kept ? `${kept} are kept. Run it again for all of them.` : "";
  }

  /** Where a term of the sentence has the focus, the same term keeps it. */
  function tell(sentence) {
    const box = find(".player-sentence");
    const held = /** @type {HTMLElement} */ (document.activeElement);
    const focused = box.contains(held) && held.dataset.term;
    box.innerHTML = withTerms(sentence, IN_SENTENCES);
    if (!focused) return;
    const same = /** @type {HTMLElement | null} */ (box.querySelector(`[data-term="${focused}"]`));
    (same ?? timeline).focus({ preventScroll: true });
  }

  function paintCost(lane) {
    const { preview, next } = run ?? {};
    const [calls, time = ""] = lane && !preview ? costText(lane).split(" · ") : [""];
    const before = preview ? `preview, ${lane.total} of ${preview} steps` : time && " · ";
    const after = next ? ` · ${preview ? "full" : "next"} run at step ${next.index} of ${next.total}` : "";
    const texts = { calls, between: before, seconds: time, next: after };
    for (const name in texts) find(`.player-${name}`).textContent = texts[name];
    const short = lane?.seconds === null;
    for (const name of ["calls", "between"]) {
      find(`.player-${name}`).classList.toggle("player-wide", short && !preview);
    }
  }

  function describe(lanes) {
    const most = aligned === "step" ? (lanes[0]?.total ?? 0) : 1000;
    timeline.setAttribute("aria-valuemax", most);
    timeline.setAttribute("aria-valuenow", Math.round(most * place));
    const where = lanes.map((lane) => `${many ? `${lane.name}: ` : ""}${whereText(lane)}`);
    timeline.setAttribute("aria-valuetext", where.join("; ") || "nothing recorded yet");
    if (root.dataset.state === "live") return;
    stage.describe(laneOf, options.panes, whereText);
    curves?.describe();
  }

  function whereText({ here: { index, t }, total }) {
    return many ? `t = ${t}` : `${options.counts} ${index} of ${total}, t = ${t}`;
  }
}

function playerMarkup({ label, panes, shown, align, curves, way }, many) {
  const chips = panes.map(({ key, symbol, text, spoken, term: name }) =>
    `<button type="button" class="button" data-chip="${key}" data-term="${name}" aria-label="${spoken}"
      ><b>${symbol}</b><span class="player-word"> ${text}</span></button>`);
  const switches = align.map((name) =>
    `<button type="button" class="button" data-align-by="${name}"
      data-term="${ALIGN_NAMES[name]}">${ALIGN_NAMES[name]}</button>`);
  return `
    <div class="player-top" ${many ? "" : "hidden"}>
      <div class="player-chips" role="group" aria-label="Pictures shown" ${
        shown.length < panes.length ? "" : "hidden"}>${chips.join("")}</div>
      <p class="player-recorded soft small cut" hidden></p>
    </div>
    <div class="player-stage"><div class="player-lanes"></div>
      ${ERROR}</div>
    <p class="player-sentence"></p>
    <div class="player-readout soft">
      ${many ? "" : `<span><span ${term("step", -1)}>step</span> <b class="player-step mono"></b></span>`}
      <span class="player-time"><span class="player-symbol" ${term("t")}></span> = <b class="mono here"></b></span>
      ${many ? "" : `<span class="player-cost mono"><span class="player-calls" ${term("calls", -1)}></span><span
        class="player-between"></span><span class="player-seconds" ${term("seconds", -1)}></span><span
        class="player-next player-wide"></span></span>`}
      <div class="player-align" role="group" aria-label="Aligned by" ${
        align.length > 1 ? "" : "hidden"}><span class="small" ${term("aligned by", -1)}>aligned by</span>${switches.join("")}</div>
    </div>
    ${timelineMarkup(`Position in the run: ${label}`)}
    ${many ? "" : '<p class="player-kept soft small" role="status"></p>'}
    ${transportMarkup(way)}
    <div class="player-curves">${curvesMarkup(curves)}</div>`;
}
