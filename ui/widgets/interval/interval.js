// Time runs as on the player's timeline, so the high end is the left handle.

import { clamp, escapeText, listenToHold, term } from "../component.js";

const ENDS = ["high", "low"];

export function mount({ root, options, find, on, props, trigger }) {
  const { maximum } = options;
  root.innerHTML = skeleton(options);
  const track = find(".interval-track");
  const handles = Object.fromEntries(ENDS.map((end) => [end, find(`[data-end="${end}"]`)]));
  let at = { low: 0, high: maximum };
  let held = null; // the drag under way: of which end, or both, and how far from its place

  listenToHold(track, on, { begin: grab, move: drag, end: () => (held = null) });
  // It would take the focus from the handle again.
  on(track, "mousedown", (event) => event.preventDefault());
  on(track, "keydown", onKey);
  return (value) => {
    if (held) return; // a hand on the handle knows better
    at = { low: value.low, high: value.high };
    paint();
  };

  function move(end, t) {
    const bounds = end === "high" ? [at.low, maximum] : [0, at.high];
    set({ ...at, [end]: clamp(Math.round(t), ...bounds) });
  }

  function moveBoth(t) {
    const length = at.high - at.low;
    const low = clamp(Math.round(t), 0, maximum - length);
    set({ low, high: low + length });
  }

  function set(next) {
    if (next.low === at.low && next.high === at.high) return;
    at = next;
    paint();
    props.value = { ...at };
    trigger("input");
  }

  // --- hands ------------------------------------------------------------------------------

  function grab(event) {
    const t = timeUnder(event);
    const { end } = event.target.dataset;
    const nearer = t - at.low < at.high - t ? "low" : "high";
    const isWhole = at.low === 0 && at.high === maximum; // which cannot be moved: make it shorter
    // Of two handles in one place the way they are pulled tells which is meant.
    if (at.low === at.high) held = { end: null, offset: end ? t - at[end] : 0 };
    else if (end) held = { end, offset: t - at[end] };
    else if (t > at.low && t < at.high && !isWhole) held = { end: "both", offset: t - at.low };
    else held = { end: nearer, offset: 0 };
    handles[held.end]?.focus({ preventScroll: true, focusVisible: false });
    drag(event);
  }

  function drag(event) {
    const t = timeUnder(event) - held.offset;
    if (Math.round(t) !== at.low) held.end ??= t > at.low ? "high" : "low";
    if (held.end === "both") moveBoth(t);
    else if (held.end) move(held.end, t);
  }

  function timeUnder(event) {
    const box = find(".interval-scale").getBoundingClientRect();
    return maximum * (1 - (event.clientX - box.left) / box.width);
  }

  function onKey(event) {
    const { end } = event.target.dataset;
    const step = Math.max(1, Math.round(maximum / 100));
    const stride = {
      ArrowLeft: step,
      ArrowUp: step,
      ArrowRight: -step,
      ArrowDown: -step,
      PageUp: 10 * step,
      PageDown: -10 * step,
      Home: maximum,
      End: -maximum,
    }[event.key];
    if (!end || !stride || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(end, at[end] + stride);
  }

  // --- painting ---------------------------------------------------------------------------

  function paint() {
    const place = (t) => `${100 * (1 - t / maximum)}%`;
    const [low, high, most] = [at.low, at.high, maximum].map((t) => t + options.first);
    root.style.setProperty("--from", place(at.high));
    root.style.setProperty("--to", place(at.low));
    const values = { high: [low, most, high], low: [options.first, high, low] };
    for (const end of ENDS) {
      ["min", "max", "now"].forEach((name, i) =>
        handles[end].setAttribute(`aria-value${name}`, values[end][i]));
      handles[end].setAttribute("aria-valuetext", `t = ${values[end][2]}`);
    }
    find(".interval-numbers").innerHTML =
      `<i>t</i> = <b class="mono">${high}</b> to <b class="mono">${low}</b>`;
  }
}

function skeleton({ label, maximum, first }) {
  const safe = escapeText(label);
  const handle = (end, name) => `<div class="interval-handle" data-end="${end}" role="slider"
    tabindex="0" aria-label="${safe}, ${name}"></div>`;
  return `
    <div class="interval-head line"><span ${term(label)}>${safe}</span>
      <span class="interval-numbers soft"></span></div>
    <div class="interval-line mono"><span class="interval-most" aria-hidden="true">${maximum + first}</span>
      <div class="interval-track plot-time"><div class="interval-scale"><div class="interval-fill"></div>
        ${handle("high", "from")}${handle("low", "to")}</div></div>
      <span class="interval-least" aria-hidden="true">${first}</span></div>`;
}
