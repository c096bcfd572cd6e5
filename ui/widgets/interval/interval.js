// Time runs as on the player's timeline, so the high end is the left handle.

import { clamp, escapeText, listenToHold, term } from "../component.js";

const ENDS = ["high", "low"];

export function mount({ root, options, find, on, props, trigger }) {
  root.innerHTML = skeleton(options);
  const track = find(".interval-track");
  const scale = find(".interval-scale");
  const handles = Object.fromEntries(ENDS.map((end) => [end, find(`[data-end="${end}"]`)]));

  let { maximum } = options;
  let at = { low: 0, high: maximum };
  let held = null; // the drag under way

  listen();
  root.dataset.state = "ready";
  return receive;

  function receive(value) {
    if (held) return; // a hand on the handle knows better
    maximum = value.maximum ?? maximum;
    at = { low: value.low, high: value.high };
    paint();
  }

  function moveTo(low, high) {
    if (low === at.low && high === at.high) return;
    at = { low, high };
    paint();
    props.value = { ...at };
    trigger("input");
  }

  function moveEnd(end, t) {
    if (end === "high") moveTo(at.low, clamp(t, at.low, maximum));
    else moveTo(clamp(t, 0, at.high), at.high);
  }

  // --- hands ------------------------------------------------------------------------------

  function listen() {
    listenToHold(track, on, { begin: grab, move: drag, end: letGo });
    // It would take the focus from the handle again.
    on(track, "mousedown", (event) => event.preventDefault());
    on(track, "keydown", onKey);
    on(track, "keyup", (event) => strideOf(event.key) && trigger("release"));
  }

  function grab(event) {
    const t = timeUnder(event);
    const part = partUnder(event.target, t);
    // A handle taken off its middle does not jump there.
    const offset = event.target.dataset.end ? t - at[part === "either" ? "low" : part] : 0;
    held = { part, offset, t, ...at };
    handles[part]?.focus({ preventScroll: true, focusVisible: false });
    drag(event);
  }

  function partUnder(target, t) {
    if (at.low === at.high) return "either";
    if (target.dataset.end) return target.dataset.end;
    const whole = at.low === 0 && at.high === maximum; // which cannot be moved: make it shorter
    if (t > at.low && t < at.high && !whole) return "both";
    return t - at.low < at.high - t ? "low" : "high";
  }

  function drag(event) {
    if (!held) return;
    const t = Math.round(timeUnder(event) - held.offset);
    // Two handles in one place: the way they are pulled tells which was meant.
    if (held.part === "either" && t !== at.low) take(t > at.low ? "high" : "low");
    if (held.part === "both") {
      const shift = clamp(Math.round(t - held.t), -held.low, maximum - held.high);
      moveTo(held.low + shift, held.high + shift);
    } else if (held.part !== "either") moveEnd(held.part, t);
  }

  function take(end) {
    held.part = end;
    handles[end].focus({ preventScroll: true, focusVisible: false });
  }

  function letGo() {
    held = null;
    props.value = { ...at }; // over what the server may have said meanwhile
    trigger("release");
  }

  function timeUnder(event) {
    const box = scale.getBoundingClientRect();
    return maximum * (1 - (event.clientX - box.left) / box.width);
  }

  function onKey(event) {
    const { end } = event.target.dataset;
    const stride = strideOf(event.key);
    if (!end || !stride || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moveEnd(end, clamp(at[end] + stride, 0, maximum));
  }

  function strideOf(key) {
    const step = Math.max(1, Math.round(maximum / 100));
    return {
      ArrowLeft: step,
      ArrowUp: step,
      ArrowRight: -step,
      ArrowDown: -step,
      PageUp: 10 * step,
      PageDown: -10 * step,
      Home: maximum,
      End: -maximum,
    }[key];
  }

  // --- painting ---------------------------------------------------------------------------

  function paint() {
    const place = (t) => `${100 * (1 - t / maximum)}%`;
    const shown = (t) => t + options.first;
    const bounds = { high: [at.low, maximum], low: [0, at.high] };
    root.style.setProperty("--from", place(at.high));
    root.style.setProperty("--to", place(at.low));
    for (const end of ENDS) {
      const [least, most] = bounds[end].map(shown);
      handles[end].setAttribute("aria-valuemin", least);
      handles[end].setAttribute("aria-valuemax", most);
      handles[end].setAttribute("aria-valuenow", shown(at[end]));
      handles[end].setAttribute("aria-valuetext", `t = ${shown(at[end])}`);
    }
    find(".interval-most").textContent = shown(maximum);
    find(".interval-numbers").innerHTML =
      `<i>t</i> = <b class="mono">${shown(at.high)}</b> to <b class="mono">${shown(at.low)}</b>`;
  }
}

function skeleton(options) {
  const label = escapeText(options.label);
  const handle = (end, name) => `<div class="interval-handle" data-end="${end}" role="slider"
    tabindex="0" aria-label="${label}, ${name}"></div>`;
  return `
    <div class="interval-head line"><span ${term(options.label)}>${label}</span>
      <span class="interval-numbers soft"></span></div>
    <div class="interval-line mono"><span class="interval-most" aria-hidden="true"></span>
      <div class="interval-track"><div class="interval-scale"><div class="interval-fill"></div>
        ${handle("high", "from")}${handle("low", "to")}</div></div>
      <span class="interval-least" aria-hidden="true">${options.first}</span></div>`;
}
