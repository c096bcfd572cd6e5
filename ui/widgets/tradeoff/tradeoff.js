import { HINT, makeChart } from "../chart.js";
import { escapeText } from "../component.js";
import { percent } from "../numbers.js";
import { axisOf, roundAxis } from "../plot.js";

const FLOORS = [0.95, 0.9, 0.8, 0.5, 0]; // of the accuracy axis: the highest that shows every point
const HEIGHT = 326;

export function mount({ root, options: { label }, find, trigger }) {
  root.innerHTML = `<div class="tool-name line"><span>${escapeText(label)}</span><span
    class="tradeoff-status mono soft"></span></div><div></div><p
    class="tradeoff-note note instead"></p>`;
  const pick = (index) => trigger("select", { index, value: data.run });
  const chart = makeChart(root.children[1], HEIGHT, pick);
  let data = null;

  new ResizeObserver(() => {
    if (data?.running && !root.clientWidth) trigger("stop"); // its tab was left
  }).observe(root);
  return (value) => {
    if (!value.scales) return;
    data = value;
    const { points, scales, running, steps, n } = data;
    root.dataset.state = running ? "running" : points.length ? "done" : "idle";
    root.dataset.points = points.length;
    find(".tradeoff-note").textContent = data.message;
    find(".tradeoff-status").textContent = running ? `${steps[0]} of ${steps[1]} steps`
      : !points.length ? "" : points.length < scales.length
        ? `stopped after ${points.length} of ${scales.length} scales` : `${n} images each`;
    chart.show(chartOf(data, `${label}; Enter runs with this scale`, [40, 190], 96));
  };
}

/** Both panels over their scales, see `makeChart`.
 *
 * @param {number[]} tops where the panels begin @param {number} tall how high each of them is */
export function chartOf(data, label, tops, tall) {
  const { points, scales, symbol, running, reference } = data;
  const done = new Set(points.map(({ index }) => index));
  const next = running ? scales.findIndex((_, i) => !done.has(i)) : -1;
  const places = scales.map((scale, i) => ({
    share: (i + 0.5) / scales.length,
    text: scale,
    name: `${symbol} = ${scale}`,
    state: done.has(i) ? "done" : i === next ? "next" : "waiting",
  }));
  const panel = (which, more) => ({
    ...more,
    tall,
    rise: (from, to) => ({ ...more.axis, ...axisOf(more.axis, from, to) }),
    write: more.axis.write,
    lines: [{ points: points.map((p) => ({ x: p.index, y: p[which] })), colour: more.colour,
      width: 2, marks: true }],
  });
  const share = { name: "judged the wanted class", colour: "guide", top: tops[0],
    axis: shareAxis(points), tell: (v) => percent(v, 1) };
  const apart = { name: "mean pairwise distance", colour: "ink", top: tops[1],
    axis: distanceAxis(points, reference), tell: (v) => v.toFixed(2),
    rule: reference === null ? null : { at: reference, name: "real images" } };
  return { label, places, below: symbol, rest: running ? points.at(-1)?.index : points.length ? HINT : "",
    panels: [panel("accuracy", share), panel("distance", apart)] };
}

function shareAxis(points) {
  const least = Math.min(1, ...points.map((p) => p.accuracy));
  const low = points.length ? FLOORS.find((floor) => floor <= least) : 0;
  return { low, high: 1, ticks: [low, (low + 1) / 2, 1], write: percent };
}

function distanceAxis(points, reference) {
  const known = points.map((p) => p.distance).concat(reference ?? []);
  if (!known.length) return { low: 0, high: 1, ticks: [0, 0.5, 1], write: () => "" };
  const most = Math.max(...known);
  const least = Math.min(...known);
  // A lone point has no range of its own.
  const axis = roundAxis([most - least < 0.1 * most ? 0.9 * most : least, most], 2.5, 0, 1);
  const digits = [1, 10, 100].findIndex((m) => Number.isInteger(Number((m * axis.step).toFixed(6))));
  return { ...axis, write: (v) => v.toFixed(digits < 0 ? 3 : digits) };
}
