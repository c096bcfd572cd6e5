// The transport: its buttons, its keys, and the clock that moves the cursor by itself.

import { clamp, escapeText, listenToHold } from "../component.js";
import { CLOSE } from "./axis.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const SPEED_LABELS = ["¼×", "½×", "1×", "2×", "4×"];
const FRAMES_PER_SECOND = 24;
const SHORTEST_PLAY = 4; // seconds, in which the sentence under the stage can be read
const LONGEST_PLAY = 12; // s; a longer film leaves frames out
const HOLD = 1000; // ms on the last frame before a loop starts over
const ICONS = {
  first: "M4 4h2v12H4zM16 4v12L7 10z",
  back: "M13 4v12L5 10zM14.5 4h2v12h-2z",
  reverse: "M16 3.5v13L4 10z",
  play: "M4 3.5v13L16 10z",
  pause: "M4.5 4h4v12h-4zM11.5 4h4v12h-4z",
  forward: "M7 4v12l8-6zM3.5 4h2v12h-2z",
  last: "M14 4h2v12h-2zM4 4v12l9-6z",
  loop: "M6 5h8a3 3 0 0 1 3 3v2h-2V8a1 1 0 0 0-1-1H6v2.5L2.5 6 6 2.5zM14 15H6a3 3 0 0 1-3-3v-2h2v2"
    + "a1 1 0 0 0 1 1h8v-2.5l3.5 3.5-3.5 3.5z",
};

/** What moves the cursor by itself, from one of the `places()`, which rise, to the next; `way` is where
    Play leads: 1 to the last, -1 to the first. */
export function makePlayback(root, { places, place, goTo, begun, rested, way }) {
  const last = () => Math.max(0, places().length - 1);
  const at = () => places().findLastIndex((one) => one <= place() + CLOSE);
  const goToNumber = (i) => goTo(places()[clamp(i, 0, last())]);
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  const seen = new IntersectionObserver(playIfWaiting);
  let direction = 0; // of the cursor: 1 to the last place, -1 to the first, 0 rests
  let clock = null;
  let loop = false;
  let speed = SPEEDS.indexOf(1);
  let waiting = false; // something to play once it comes into view

  function play(wanted) {
    const end = wanted > 0 ? last() : 0;
    if (last() < 1) return;
    waiting = false;
    direction = wanted;
    if (at() === end) goToNumber(last() - end);
    begun();
    restartClock(performance.now());
    // No frame is painted in a hidden page, and none is to be skipped for that.
    document.addEventListener("visibilitychange", goOn);
    refresh();
  }

  /** From where the cursor is now, if anything plays. */
  function goOn() {
    if (direction) restartClock(performance.now());
  }

  function pause() {
    if (!waiting && !direction) return; // a hand that drags says so with every move
    const played = direction !== 0;
    [waiting, direction] = [false, 0];
    refresh();
    if (!played) return;
    document.removeEventListener("visibilitychange", goOn);
    cancelAnimationFrame(clock.request);
    rested();
  }

  function playOnceSeen() {
    waiting = true;
    refresh();
    // Observing afresh reports at once, also where the root has been in view all along.
    seen.unobserve(root);
    seen.observe(root);
  }

  function playIfWaiting(entries) {
    if (waiting && entries.at(-1).isIntersecting) play(way);
  }

  function restartClock(start) {
    if (clock) cancelAnimationFrame(clock.request);
    clock = { start, from: at(), request: requestAnimationFrame(advance) };
  }

  function advance(now) {
    clock.request = requestAnimationFrame(advance);
    if (now < clock.start) return;
    const rate = clamp(FRAMES_PER_SECOND, last() / LONGEST_PLAY, last() / SHORTEST_PLAY) * SPEEDS[speed];
    const frame = clock.from + direction * Math.floor(((now - clock.start) / 1000) * rate);
    goToNumber(frame);
    if (frame >= 0 && frame <= last()) return;
    // The frame after the last one is where a loop starts over, once the last has been looked at.
    if (!loop) return pause();
    clock.start = now + HOLD;
    clock.from = direction > 0 ? 0 : last();
  }

  function setSpeed(choice) {
    speed = clamp(choice, 0, SPEEDS.length - 1);
    goOn();
    refresh();
  }

  function refresh() {
    root.toggleAttribute("data-plays", waiting || direction !== 0);
    for (const button of root.querySelectorAll("[data-speed]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === speed));
    }
    setButton("play", way, "Play");
    setButton("reverse", -way, "Play in reverse");
    root.querySelector('[data-do="loop"]').setAttribute("aria-pressed", String(loop));
  }

  function setButton(name, leads, label) {
    const button = root.querySelector(`[data-do="${name}"]`);
    const plays = direction === leads;
    const icon = plays ? "pause" : leads > 0 ? "play" : "reverse";
    button.setAttribute("aria-label", plays ? "Pause" : label);
    button.querySelector("path").setAttribute("d", ICONS[icon]);
  }

  return {
    pause,
    goOn,
    playOnceSeen,
    setSpeed,
    refresh,
    toggle: (sense) => (direction === sense * way ? pause() : play(sense * way)),
    faster: (by) => setSpeed(speed + by),
    toggleLoop() {
      loop = !loop;
      refresh();
    },
    plays: () => direction !== 0,
    motionIsWelcome: () => !stillness.matches,
  };
}

/** Buttons, keys and drags. `claims` may take a key first; `stepBy` and `toEnd` move the cursor. */
export function listenToHands(root, on, { playback, stepBy, toEnd, slideTo, held, claims }) {
  const timeline = root.querySelector(".player-timeline");
  const actions = {
    first: () => toEnd(-1),
    last: () => toEnd(1),
    back: () => stepBy(-1),
    forward: () => stepBy(1),
    play: () => playback.toggle(1),
    reverse: () => playback.toggle(-1),
    loop: playback.toggleLoop,
  };
  on(root, "keydown", onKey);
  on(root, "click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.do) actions[button.dataset.do]();
    else if (button?.dataset.speed) playback.setSpeed(Number(button.dataset.speed));
  });
  // A pressed button would keep the focus and, with it, the space bar: the timeline takes both.
  on(root, "mousedown", (event) => {
    if (!event.target.closest(`button, ${held}`)) return;
    event.preventDefault();
    timeline.focus({ preventScroll: true, focusVisible: false });
  });
  listenToDrags(timeline, on, slideTo);

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.target.closest("button") && [" ", "Enter"].includes(event.key)) return;
    if (claims?.(event)) return event.preventDefault();
    const stride = event.shiftKey ? 10 : 1;
    const act = {
      " ": actions.play,
      ArrowLeft: () => stepBy(-stride),
      ArrowRight: () => stepBy(stride),
      PageDown: () => stepBy(-10),
      PageUp: () => stepBy(10),
      Home: actions.first,
      End: actions.last,
      ArrowUp: () => playback.faster(1),
      ArrowDown: () => playback.faster(-1),
      r: actions.reverse,
      R: actions.reverse,
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** Tell where in an area a pointer is held, as a part of its width. */
export function listenToDrags(area, on, slideTo) {
  const tell = (event) => {
    const box = area.getBoundingClientRect();
    slideTo((event.clientX - box.left) / box.width);
  };
  listenToHold(area, on, { begin: tell, move: tell });
}

/** What is refused, over a stage. */
export const ERROR = `<div class="player-error inked" role="alert" hidden><p class="player-error-text"></p>
  <button type="button" data-dismiss="1">Dismiss</button></div>`;

export function timelineMarkup(label) {
  return `<div class="player-timeline plot-time" role="slider" tabindex="0" aria-valuemin="0" aria-valuemax="0"
      aria-valuenow="0" aria-label="${escapeText(label)}"><canvas class="player-strip" aria-hidden="true"></canvas>
      <div class="player-ramp"></div><div class="plot-cursor"></div></div>
    <div class="plot-ticks mono" aria-hidden="true"></div>`;
}

export function transportMarkup(way) {
  const button = (name, label, more = "") =>
    `<button type="button" data-do="${name}" aria-label="${label}" ${more}><svg viewBox="0 0 20 20"
      aria-hidden="true"><path d="${ICONS[name]}"/></svg></button>`;
  const ways = [button("reverse", "Play in reverse"), button("play", "Play", 'class="player-play inked"')];
  const speeds = SPEED_LABELS.map((label, i) =>
    `<button type="button" class="mono soft" data-speed="${i}" aria-label="Speed ${SPEEDS[i]}">${label}</button>`);
  return `
    <div class="player-transport" role="group" aria-label="Transport">
      <div class="player-keys">${button("first", "First frame")}${button("back", "Step back")}${
        (way > 0 ? ways : ways.reverse()).join("")}${
        button("forward", "Step forward")}${button("last", "Last frame")}</div>
      <div class="player-speeds" role="group" aria-label="Speed">${speeds.join("")}</div>
      <div class="player-keys">${button("loop", "Loop", 'class="soft"')}</div>
      <p class="player-legend soft small"><kbd>space</kbd> play <kbd>← →</kbd> step
        <kbd>shift</kbd> ten <kbd>R</kbd> reverse <kbd>↑ ↓</kbd> speed</p>
    </div>
    <p class="player-status unseen" role="status"></p>`;
}
