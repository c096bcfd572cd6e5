import { clamp, onlyNews } from "../component.js";
import { fixed } from "../numbers.js";
import {
  costText, listenToDrags, listenToHands, makePlayback, paintThumbs, resize, STRIP_HEIGHT,
} from "../player/transport.js";
import {
  axisOf, CLOSE, frameAt, gridOf, placeOn, raceMarkup, sharedT, tickMarkup, ticksOf,
} from "./race_parts.js";
import {
  aboutLane, addFrame, drawTile, filmLane, liveLane, loadPanes, release, whyEmpty,
} from "./race_lanes.js";
import { makeCurvesView, makeLanesView } from "./race_views.js";

export function mount({ element, props, watch }) {
  const root = element.querySelector(".race");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  root.innerHTML = raceMarkup(options);
  root.dataset.size = options.compact ? "small" : "large";
  const find = (selector) => root.querySelector(selector);
  const stage = find(".race-stage");
  const timeline = find(".player-timeline");
  const strip = find(".player-strip");
  const lanesView = makeLanesView(stage, options.compact);
  const curvesView = makeCurvesView(find(".race-curves"), options.curves);
  const isNews = onlyNews();
  const undo = new AbortController();
  const resized = new ResizeObserver(layout);
  const playback = makePlayback(root, {
    loop: false,
    last: () => (race ? Math.max(...race.lanes.map((lane) => lane.t.length)) - 1 : 0),
    at() {
      if (!filled()) return 0;
      return place < filled() ? (longest() * place) / filled() : longest(); // rounding aside
    },
    goTo: (frame) => goTo((frame / longest()) * filled()),
    begun: () => (head = false),
    rested() {
      if (race?.live && place >= filled()) head = true; // it has caught up
      paintSoon();
    },
  });

  let race = null; // about the run, and its lanes
  let names = options.lanes;
  let chosen = options.panes.filter((pane) => options.shown.includes(pane));
  let aligned = options.align[0];
  let axis = null;
  let stops = [0]; // every place where a lane changes its frame
  let place = 0; // the cursor, from 0 to 1
  let head = true; // it follows the newest frame of a live run
  let ticket = 0;
  let paintDue = 0;
  const done = {}; // what each part of the page was last painted from

  listen();
  setState("idle");
  playback.refresh();
  receive(props.value);
  watch("value", () => receive(props.value));

  // --- values from the server -------------------------------------------------------------

  function receive(value) {
    if (!value?.kind || !isNews(value)) return;
    if (value.kind !== "error") hideError();
    ({ idle: showIdle, live: showLive, film: showFilm, error: showError })[value.kind]?.(value);
  }

  function showIdle(value) {
    ticket += 1;
    playback.pause();
    replaceRace(null);
    names = [...(value.lanes ?? options.lanes)];
    find(".race-message").textContent = value.message;
    setState("idle");
    paintSoon();
  }

  function showLive(value) {
    ticket += 1;
    // The same run may have been begun anew.
    if (!race?.live || race.run !== value.run || race.order !== value.order) begin(value);
    for (const news of value.lanes) hear(news);
    race.lanes = race.lanes.filter((lane) => lane.t.length);
    if (!race.lanes.length) race = null;
    else settle();
    if (race && head) goTo(1, true);
    setState("live");
    paintSoon();
  }

  function begin(value) {
    playback.pause();
    head = true;
    replaceRace({ run: value.run, order: value.order, live: true, lanes: [] });
    const known = new Set(names);
    if (!value.lanes.every((lane) => known.has(lane.name))) names = value.lanes.map((l) => l.name);
  }

  function hear(news) {
    let lane = race.lanes.find((other) => other.name === news.name);
    if (!lane) {
      lane = liveLane();
      race.lanes.push(lane);
      if (!names.includes(news.name)) names = [...names, news.name];
    }
    Object.assign(lane, aboutLane(news));
    race.lanes.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
    addFrame(lane, news, options.curves);
  }

  async function showFilm(value) {
    // A generator's last value is sent twice.
    if (race && !race.live && race.run === value.run && race.order === value.order) return;
    const mine = (ticket += 1);
    const { run, order, stopped, still, recorded, earlier } = value;
    const lanes = [...value.lanes].map(filmLane);
    const next = { run, order, stopped, still, recorded, earlier, lanes };
    try {
      await loadPanes(next.lanes, chosen);
    } catch {
      if (mine === ticket) showError({ message: "The recording could not be read. Run it again." });
      return;
    }
    if (mine === ticket) putOnStage(next);
    else release(next);
  }

  function putOnStage(next) {
    const watched = Boolean(race?.live) && race.run === next.run;
    // The axis may have another range now; the cursor stays where it is on it.
    const value = watched && !head ? axis.low + place * (axis.high - axis.low) : Infinity;
    if (!watched) playback.pause();
    replaceRace(next);
    names = race.lanes.map((lane) => lane.name);
    settle();
    setState(find(".player-error").hidden ? "film" : "error"); // said while it was on its way
    const plays = !watched && !race.still && stops.length > 1 && playback.motionIsWelcome();
    goTo(plays ? 0 : placeOn(axis, value), true);
    playback.goOn(); // the same run has other frames now
    if (watched) announce();
    if (plays) playback.playOnceSeen();
    fetchChosen();
  }

  /** Panes that were chosen while others were on their way. */
  function fetchChosen() {
    const mine = race;
    if (!mine || mine.live) return;
    loadPanes(mine.lanes, chosen).then(paintSoon, () => {
      if (race === mine) showError({ message: "These pictures could not be read. Try again." });
    });
  }

  function showError(value) {
    find(".player-error-text").textContent = value.message;
    find(".player-error").hidden = false;
    if (race) race.live = false;
    setState("error");
    paintSoon();
  }

  function hideError() {
    if (find(".player-error").hidden) return;
    find(".player-error").hidden = true;
    setState(race ? (race.live ? "live" : "film") : "idle");
  }

  function announce() {
    const costs = race.lanes.map((lane) => `${lane.name} ${costText(lane)}`);
    find(".player-status").textContent =
      `${race.stopped ? "Run stopped" : "Run finished"}: ${costs.join("; ")}`;
  }

  function replaceRace(next) {
    if (race) release(race);
    race = next;
    if (!race) [place, stops, axis] = [0, [0], null];
  }

  // --- the cursor -------------------------------------------------------------------------

  /** Put every frame in its place on the timeline. */
  function settle() {
    axis = axisOf(aligned, race.lanes, race.live);
    for (const lane of race.lanes) {
      lane.places = lane.t.map((_, k) => placeOn(axis, axis.valueOf(lane, k)));
      lane.at = frameAt(lane, place);
    }
    stops = [0];
    for (const stop of race.lanes.flatMap((lane) => lane.places).sort((a, b) => a - b)) {
      if (stop > stops.at(-1) + CLOSE) stops.push(stop);
    }
  }

  function filled() {
    return stops.at(-1);
  }

  function longest() {
    return Math.max(1, ...race.lanes.map((lane) => lane.t.length - 1));
  }

  function goTo(wanted, anew = false) {
    const next = clamp(wanted, 0, filled());
    if (next === place && !anew) return;
    place = next;
    for (const lane of race.lanes) lane.at = frameAt(lane, place);
    tellCursor();
    paintSoon();
  }

  function tellCursor() {
    const [lane] = race.lanes;
    const detail = { index: lane.indices[lane.at], t: lane.t[lane.at], run: race.run, tile: 0 };
    detail.position = place.toFixed(4);
    Object.assign(root.dataset, detail, { frames: lane.t.length, align: aligned });
    detail.position = place;
    root.dispatchEvent(new CustomEvent("player:cursor", { bubbles: true, detail }));
  }

  function userGoesTo(wanted) {
    if (!race) return;
    playback.pause();
    goTo(wanted);
    head = place >= filled();
  }

  function stepBy(count) {
    const after = stops.findIndex((stop) => stop > place + CLOSE);
    const here = (after < 0 ? stops.length : after) - 1;
    // Between two stops, the one before is a step back.
    const from = count < 0 && place > stops[here] + CLOSE ? here + 1 : here;
    userGoesTo(stops[clamp(from + count, 0, stops.length - 1)]);
  }

  function seek({ detail }) {
    if (!race) return;
    const [{ indices, places }] = race.lanes;
    const after = indices.findIndex((index) => index >= detail.index);
    userGoesTo(places.at(after));
  }

  function alignBy(choice) {
    if (choice === aligned) return;
    playback.pause();
    aligned = choice;
    refreshSwitches();
    if (!race) return paintSoon();
    // The first lane keeps its frame.
    const [{ at }] = race.lanes;
    const ended = place >= filled();
    settle();
    goTo(ended ? 1 : at ? race.lanes[0].places[at] : 0, true);
  }

  function toggle(pane) {
    const more = !chosen.includes(pane);
    if (!more && chosen.length === 1) return;
    const kept = more ? [...chosen, pane] : chosen.filter((other) => other !== pane);
    chosen = options.panes.filter((other) => kept.includes(other));
    refreshSwitches();
    fetchChosen();
    paintSoon();
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    const on = (target, type, act) => target.addEventListener(type, act, { signal: undo.signal });
    const slideTo = (part) => userGoesTo(part);
    on(root, "click", onClick);
    on(root, "player:seek", seek);
    listenToHands(root, on, {
      playback,
      stepBy,
      toEnd: (way) => userGoesTo(way < 0 ? 0 : 1),
      slideTo,
      held: ".race-stage, .race-plot",
      claims: null,
    });
    for (const plot of root.querySelectorAll(".race-plot")) listenToDrags(plot, on, slideTo);
    on(window, "resize", layout);
    resized.observe(stage);
    refreshSwitches();
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (button?.dataset.chip) toggle(button.dataset.chip);
    else if (button?.dataset.alignBy) alignBy(button.dataset.alignBy);
    else if (button?.dataset.dismiss) hideError();
  }

  function refreshSwitches() {
    for (const chip of root.querySelectorAll("[data-chip]")) {
      chip.setAttribute("aria-pressed", String(chosen.includes(chip.dataset.chip)));
    }
    for (const choice of root.querySelectorAll("[data-align-by]")) {
      choice.setAttribute("aria-pressed", String(choice.dataset.alignBy === aligned));
    }
    root.dataset.align = aligned;
  }

  // --- painting ---------------------------------------------------------------------------

  function setState(state) {
    root.dataset.state = state;
    find(".race-message").hidden = Boolean(race);
    const words = race?.recorded ? `recorded · ${race.recorded}`
      : race?.earlier ? "computed earlier" : "";
    find(".race-recorded").hidden = !words;
    find(".race-recorded").textContent = find(".race-recorded").title = words;
    if (race) return;
    for (const name of ["index", "t", "run", "tile", "position"]) delete root.dataset[name];
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
    if (!stage.clientWidth) return; // in a tab not open yet; its first size calls again
    const width = timeline.clientWidth;
    const extent = [race?.run, race?.live, race?.lanes.map((l) => l.t.length), aligned].join();
    anew("lanes", [names.join("\n"), chosen].join(), buildLanes);
    arrange(stage.clientWidth);
    const key = race && [race.run, race.order, Boolean(race.live)].join();
    lanesView.paint(names, laneOf, key);
    const loaded = race?.lanes.map((lane) => Boolean(lane.sheets[chosen[0]])).join();
    anew("strip", [extent, width, devicePixelRatio, chosen[0], loaded].join(), paintStrip);
    anew("ticks", [extent, width].join(), () => paintTicks(width));
    anew("curves", extent, () => curvesView.draw(names, race, axis));
    paintCursor();
    if (!playback.plays()) describe();
  }

  function anew(part, key, act) {
    if (done[part] === key) return;
    done[part] = key;
    act();
  }

  function buildLanes() {
    lanesView.build(names, chosen);
    curvesView.build(names);
    done.curves = null;
  }

  function arrange(width) {
    const narrow = width < 560;
    const grids = race ? race.lanes.map(gridOf) : [[28, 28]];
    const grid = [0, 1].map((side) => Math.max(...grids.map((size) => size[side])));
    // On a phone, what is left beside the timeline with its switches.
    const { compact } = options;
    const part = narrow ? 0.62 : compact && chosen.length > 1 ? 0.72 : 0.58;
    const room = Math.max(240, Math.min(part * innerHeight, innerHeight - 230));
    const count = { lanes: names.length, panes: chosen.length };
    lanesView.arrange({ width, room, ...count, grid, compact, narrow });
  }

  function laneOf(i) {
    return race?.lanes.find((lane) => lane.name === names[i]);
  }

  function paintStrip() {
    const across = Math.round(timeline.clientWidth * devicePixelRatio);
    resize(strip, across, STRIP_HEIGHT * devicePixelRatio);
    const ink = strip.getContext("2d");
    ink.clearRect(0, 0, strip.width, strip.height);
    root.style.setProperty("--filled", race ? filled() : 0);
    if (!race) return;
    // More than two would be too small to see: then the one with most to show.
    const many = names.length > 2;
    const most = [...race.lanes].sort((a, b) => b.t.length - a.t.length).slice(0, 1);
    const rowsOfStrip = many ? 1 : names.length;
    (many ? most : race.lanes).forEach((lane, row) => {
      const draw = (into, part) => {
        const k = frameAt(lane, part);
        if (!whyEmpty(lane, chosen[0], k)) drawTile(into, lane, chosen[0], k, 0, 0, 0);
      };
      // A lane that has ended before the others rests where it is.
      const reached = race.live ? lane.places.at(-1) : filled();
      paintThumbs(ink, lane.shape.slice(1, 3), reached, draw, row, rowsOfStrip);
    });
  }

  function paintTicks(width) {
    const ticks = ticksOf(aligned, axis, race?.lanes ?? [], width > 640);
    find(".player-ticks").innerHTML = ticks.map(tickMarkup).join("");
  }

  function paintCursor() {
    root.style.setProperty("--at", place);
    find(".race-cursor").innerHTML = race ? cursorText() : "&nbsp;";
    curvesView.moveTo(names, laneOf);
  }

  function cursorText() {
    const value = axis.low + place * (axis.high - axis.low);
    if (aligned === "logsnr") return `log-SNR = <b>${fixed(value, 2)}</b>`;
    const whole = sharedT(race.lanes);
    if (whole) return `<i>t</i> = <b>${Math.round(whole * (1 - place))}</b>`;
    return `<i>t</i> / <i>T</i> = <b>${(1 - place).toFixed(3)}</b>`;
  }

  function describe() {
    timeline.setAttribute("aria-valuemax", 1000);
    timeline.setAttribute("aria-valuenow", Math.round(1000 * place));
    const times = race?.lanes.map((lane) => `${lane.name}: t = ${lane.t[lane.at]}`).join("; ");
    timeline.setAttribute("aria-valuetext", times ?? "nothing recorded yet");
    if (root.dataset.state === "live") return;
    lanesView.describe(names, laneOf);
    curvesView.describe(names, laneOf);
  }

  function cleanUp() {
    playback.disconnect();
    cancelAnimationFrame(paintDue);
    undo.abort();
    resized.disconnect();
    if (race) release(race);
  }
}
