import { clamp, escapeText, onlyNews } from "../component.js";
import { percent } from "../numbers.js";
import { axisOf, evenTicks, lineOf, rising, roundStep, walk } from "../plot.js";

const EDGE = { left: 46, right: 0 };
const PANELS = {
  accuracy: { top: 34, name: "share judged the wanted class", colour: "guide" },
  distance: { top: 184, name: "mean pairwise distance", colour: "ink" },
};
const TALL = 96; // a panel
const AXIS = 298; // where the scales stand
const HEIGHT = 338;
const FLOORS = [0.95, 0.9, 0.8, 0.5, 0]; // of the accuracy axis: the highest that shows every point
const CHARACTER = 7.3; // px, of 12 px --mono

export function mount({ element, props, trigger, watch }) {
  const root = element.querySelector(".tradeoff");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  root.innerHTML = skeleton(options);
  const find = (selector) => root.querySelector(selector);
  const [plot, svg, targets] = [".plot", "svg", ".tradeoff-targets"].map(find);
  const isNews = onlyNews();
  const resized = new ResizeObserver(layout);

  let data = null;
  let shown = null; // the point whose numbers are read out
  let here = 0; // where the keyboard is, among the points
  let width = 0;

  const show = (i) => {
    shown = i;
    paintReadout();
  };
  targets.addEventListener("pointerover", (event) => show(pointOf(event)));
  targets.addEventListener("pointerleave", () =>
    show(targets.contains(document.activeElement) ? here : null));
  targets.addEventListener("focusin", (event) => show((here = pointOf(event))));
  targets.addEventListener("focusout", () => show(null));
  targets.addEventListener("keydown", onKey);
  targets.addEventListener("click", (event) => {
    const { index, scale } = data.points[pointOf(event)] ?? {};
    if (index !== undefined) trigger("select", { index, value: scale });
  });
  resized.observe(plot);
  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(value) {
    if (!isNews(value)) return;
    data = JSON.parse(JSON.stringify(value)); // not the proxy that Gradio hands out
    here = clamp(here, 0, Math.max(0, data.points.length - 1));
    if (shown !== null && !data.points[shown]) shown = null;
    root.dataset.state = data.running ? "running" : data.points.length ? "done" : "idle";
    root.dataset.points = data.points.length;
    layout();
  }

  function pointOf(event) {
    const target = event.target.closest("button");
    return target ? [...targets.children].indexOf(target) : null;
  }

  function onKey(event) {
    const to = walk(event, here, data.points.length);
    if (to === undefined) return;
    event.preventDefault();
    targets.children[to].focus();
  }

  // --- painting ---------------------------------------------------------------------------

  function layout() {
    if (!root.isConnected) return resized.disconnect();
    width = plot.clientWidth;
    if (data?.running && !width) trigger("stop"); // its tab was left
    if (!data || !width) return; // in a tab not open yet
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    // The readout stands behind the points.
    svg.innerHTML = `<g class="tradeoff-readout"></g>${panel("accuracy", accuracyAxis())}${
      panel("distance", distanceAxis())}${scaleAxis()}`;
    svg.setAttribute("aria-label", summary());
    find(".tradeoff-note").textContent = data.message;
    find("tbody").innerHTML = data.points.map(rowOf).join("");
    placeTargets();
    paintReadout();
  }

  function placeOf(index) {
    const step = (width - EDGE.left - EDGE.right) / data.scales.length;
    return EDGE.left + step * (index + 0.5);
  }

  function accuracyAxis() {
    const least = Math.min(1, ...data.points.map((p) => p.accuracy));
    const low = data.points.length ? FLOORS.find((floor) => floor <= least) : 0;
    return { low, high: 1, ticks: [low, (low + 1) / 2, 1], write: percent };
  }

  function distanceAxis() {
    const known = data.points.map((p) => p.distance).concat(data.reference ?? []);
    if (!known.length) return { low: 0, high: 1, ticks: [0, 0.5, 1], write: () => "" };
    let [low, high] = [Math.min(...known), Math.max(...known)];
    if (high - low < 0.1 * high) low = 0.9 * high; // a lone point has no range of its own
    const step = roundStep(high - low || 1, 2.5);
    [low, high] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
    const digits = [1, 10, 100].findIndex((m) => Number.isInteger(Number((m * step).toFixed(6))));
    const write = (v) => v.toFixed(digits < 0 ? 3 : digits);
    return { low, high, ticks: evenTicks(low, high, step), write };
  }

  function panel(which, axis) {
    const { top, name, colour } = PANELS[which];
    const right = width - EDGE.right;
    const up = { ...axis, ...axisOf(axis, top + TALL, top) };
    const points = data.points.map((p) => ({ x: p.index, y: p[which] }));
    return `<g class="tradeoff-${which}">${rising(up, EDGE.left, right, axis.write)}${
      which === "distance" ? real(up, right) : ""}
      <text class="plot-name" x="0" y="${top - 16}">${name}</text>
      ${lineOf({ points, colour, width: 2, marks: true }, { at: placeOf }, up)}</g>`;
  }

  function real(up, right) {
    if (data.reference === null) return "";
    const y = up.at(data.reference);
    return `<path class="tradeoff-real" d="M${EDGE.left} ${y}H${right}"/>
      <text class="plot-name plot-end tradeoff-real" x="${right}" y="${y}" dy="15">real images</text>`;
  }

  function scaleAxis() {
    const step = (width - EDGE.left - EDGE.right) / data.scales.length;
    const longest = Math.max(...data.scales.map((s) => String(s).length));
    const every = Math.ceil(((longest + 0.8) * CHARACTER) / step);
    const done = new Set(data.points.map((p) => p.index));
    const next = data.running ? data.scales.findIndex((_, i) => !done.has(i)) : -1;
    const marks = data.scales.map((s, i) => {
      const state = done.has(i) ? "done" : i === next ? "next" : "waiting";
      const label = i % every ? "" : `<text class="plot-x" x="${placeOf(i)}" y="${AXIS + 25}">${s}</text>`;
      return `<rect class="tradeoff-${state}" x="${placeOf(i) - 3.5}" y="${AXIS - 3.5}" width="7"
        height="7"/>${label}`;
    });
    return `<text class="plot-end plot-name tradeoff-symbol" x="${EDGE.left - 8}"
      y="${AXIS + 25}">${escapeText(data.symbol)}</text>${marks.join("")}`;
  }

  function placeTargets() {
    const step = (width - EDGE.left - EDGE.right) / data.scales.length;
    while (targets.children.length > data.points.length) targets.lastChild.remove();
    data.points.forEach((p, i) => {
      const target = targets.children[i] ?? targets.appendChild(document.createElement("button"));
      target.type = "button";
      target.tabIndex = i === here ? 0 : -1;
      target.style.cssText = `left:${placeOf(p.index) - step / 2}px;width:${step}px`;
      target.setAttribute("aria-label", `${spoken(p)}. Take this scale.`);
    });
  }

  function paintReadout() {
    [...targets.children].forEach((target, i) => (target.tabIndex = i === here ? 0 : -1));
    // While it grows, what came last is read out.
    const p = data.points[shown ?? (data.running ? data.points.length - 1 : -1)];
    find(".tradeoff-status").textContent = status(p);
    const reads = { accuracy: p ? percent(p.accuracy, 1) : "", distance: p?.distance.toFixed(2) };
    const texts = Object.entries(PANELS).map(([which, { top }]) => `<text class="tradeoff-${which}
      tradeoff-read plot-end" x="${width - EDGE.right}" y="${top - 16}">${reads[which] ?? ""}</text>`);
    const x = p && placeOf(p.index);
    const line = shown === null ? "" : `<path class="plot-axis" d="M${x} ${PANELS.accuracy.top}V${AXIS - 5}"/>`;
    svg.querySelector(".tradeoff-readout").innerHTML = p ? line + texts.join("") : "";
  }

  // --- words ------------------------------------------------------------------------------

  function status(p) {
    const { points, scales, n, symbol, running, steps } = data;
    if (running && shown === null) return `${steps[0]} of ${steps[1]} steps`;
    if (p) return `${symbol} = ${p.scale} · ${p.n} images`;
    if (!points.length) return "";
    const stopped = points.length < scales.length;
    return stopped ? `stopped after ${points.length} of ${scales.length} scales` : `${n} images each`;
  }

  function spoken(p) {
    return `${data.symbol} = ${p.scale}: ${percent(p.accuracy, 1)} judged the wanted class, `
      + `mean pairwise distance ${p.distance.toFixed(2)}`;
  }

  function summary() {
    const { points, scales, reference } = data;
    if (!points.length) return `${options.label}: nothing measured yet`;
    const ends = points.length > 1 ? [points[0], points.at(-1)] : [points[0]];
    const real = reference === null ? "" : `; of real images ${reference.toFixed(2)}`;
    return `${options.label}, ${points.length} of ${scales.length} scales. `
      + ends.map(spoken).join("; ") + real;
  }

  function rowOf(p) {
    return `<tr><th scope="row">${p.scale}</th><td>${percent(p.accuracy, 1)}</td>
      <td>${p.distance.toFixed(2)}</td><td>${p.n}</td></tr>`;
  }
}

function skeleton(options) {
  const heads = ["scale", "share judged the wanted class", "mean pairwise distance", "images"];
  return `<div class="line"><span>${escapeText(options.label)}</span>
      <span class="tradeoff-status mono soft"></span></div>
    <div class="plot"><svg role="img" aria-label="" height="${HEIGHT}"></svg>
      <div class="tradeoff-targets" role="group" aria-label="Scales that have been measured"></div>
      <p class="tradeoff-note note instead"></p></div>
    <table class="unseen"><caption>${escapeText(options.label)}</caption><thead><tr>${
      heads.map((h) => `<th scope="col">${h}</th>`).join("")}</tr></thead><tbody></tbody></table>`;
}
