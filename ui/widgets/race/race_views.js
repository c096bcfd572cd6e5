// What of the page shows the lanes, and what shows their curves. `laneOf(i)` is the lane of a name,
// if it has begun.

import { escapeText } from "../component.js";
import { costText, resize } from "../player/transport.js";
import {
  arrangement, CLOSE, figure, gridOf, GUTTER, laneMarkup, lineAttributes, LINES, PANE_NAMES,
  pathOf, scaleOf, swatch,
} from "./race_parts.js";
import { drawTile, noteText, numberAt, stepText, whyEmpty } from "./race_lanes.js";

export function makeLanesView(stage, compact) {
  let rows = []; // what of the page belongs to each lane

  function build(names, panes) {
    const box = stage.querySelector(".race-lanes");
    box.innerHTML = names.map((name, i) => laneMarkup(name, i, panes)).join("");
    rows = [...box.children].map(rowOf);
  }

  function rowOf(box) {
    const [name, note, cost, t, step] = ["name", "note", "cost", "t", "step"]
      .map((part) => box.querySelector(`.race-${part}`));
    const mats = [...box.querySelectorAll(".race-mat")].map((mat) => ({
      pane: mat.dataset.pane, canvas: mat.firstElementChild, empty: mat.lastElementChild, key: "",
    }));
    return { box, mats, name, note, cost, t, step };
  }

  function arrange(wanted) {
    const fit = arrangement(wanted);
    const style = { "--across": fit.across, "--beside": fit.beside, "--gap": `${fit.gap}px`,
      "--mat": `${fit.mat}px` };
    for (const name in style) stage.style.setProperty(name, style[name]);
    stage.dataset.bare = String(compact && wanted.panes === 1);
    const width = (fit.laneWidth - 8 * (fit.beside - 1)) / fit.beside;
    for (const row of rows) Object.assign(row, { width, height: fit.mat - 8 });
  }

  /** Paint what the cursor has moved to; `run` names whose pictures they are. */
  function paint(names, laneOf, run) {
    rows.forEach((row, i) => {
      const lane = laneOf(i);
      row.t.textContent = lane ? lane.t[lane.at] : "–";
      row.step.textContent = lane ? (compact ? costText(lane) : stepText(lane)) : "";
      row.cost.textContent = lane ? costText(lane) : "";
      row.note.textContent = lane ? noteText(lane) : "";
      row.name.title = [names[i], row.note.textContent].filter(Boolean).join(", ");
      row.box.style.setProperty("--at", lane ? lane.places[lane.at] : 0);
      const { at, indices, t } = lane ?? {};
      if (lane) Object.assign(row.box.dataset, { index: indices[at], t: t[at] });
      row.box.dataset.frames = lane?.t.length ?? 0;
      for (const mat of row.mats) paintMat(mat, row, lane, run);
    });
  }

  function paintMat(mat, row, lane, run) {
    const { pane, canvas, empty } = mat;
    const why = lane ? whyEmpty(lane, pane) : " ";
    canvas.hidden = Boolean(why);
    empty.hidden = !why;
    empty.textContent = why;
    if (why) return void (mat.key = "");
    const [wide, high] = gridOf(lane);
    const fit = Math.min(row.width / wide, row.height / high) * devicePixelRatio;
    const scale = Math.max(1, Math.floor(fit + CLOSE)) / devicePixelRatio;
    canvas.style.width = `${wide * scale}px`;
    canvas.style.height = `${high * scale}px`;
    const key = [run, lane.at, wide, high].join();
    if (mat.key === key) return;
    mat.key = key;
    resize(canvas, wide, high);
    const ink = canvas.getContext("2d");
    ink.clearRect(0, 0, wide, high);
    const [n, h, w] = lane.shape;
    for (let i = 0; i < n; i++) {
      const left = (i % lane.columns) * (w + GUTTER);
      drawTile(ink, lane, pane, lane.at, i, left, Math.floor(i / lane.columns) * (h + GUTTER));
    }
  }

  function describe(names, laneOf) {
    rows.forEach(({ mats }, i) => mats.forEach(({ pane, canvas }) => {
      const lane = laneOf(i);
      const where = lane ? `${lane.shape[0]} at t = ${lane.t[lane.at]}` : "none yet";
      canvas.setAttribute("aria-label", `${names[i]}, ${PANE_NAMES[pane].spoken}: ${where}`);
    }));
  }

  return { build, arrange, paint, describe };
}

export function makeCurvesView(box, curves) {
  const parts = curves.map((curve, i) => {
    const [one, svg] = [box.children[i], box.children[i].querySelector(".race-plot svg")];
    return { curve, one, svg, scale: null, dots: [] };
  });

  function build(names) {
    const empty = names.map((name, i) =>
      `<span title="${escapeText(name)}">${swatch(i)}<b>–</b></span>`).join("");
    for (const { one } of parts) one.querySelector(".race-values").innerHTML = empty;
  }

  function draw(names, race, axis) {
    for (const part of parts) {
      const { curve, one, svg } = part;
      part.scale = race && scaleOf(curve, race.lanes);
      const lines = (part.scale ? race.lanes : []).map((lane) => {
        const i = names.indexOf(lane.name);
        const { colour } = LINES[i % LINES.length];
        return `<path d="${pathOf(lane, curve, part.scale, axis)}" ${lineAttributes(i)}/>
          <path class="race-dot" data-dot="${i}" style="stroke:var(--${colour})"/>`;
      });
      svg.innerHTML = lines.join("");
      one.querySelector(".race-most").textContent = part.scale ? figure(part.scale.most) : "";
      one.querySelector(".race-least").textContent = part.scale ? figure(part.scale.least) : "";
      part.dots = one.querySelectorAll(".race-dot");
    }
  }

  function moveTo(names, laneOf) {
    for (const { curve: { key }, one, scale, dots } of parts) {
      const values = one.querySelectorAll(".race-values b");
      names.forEach((_, i) => (values[i].textContent = figure(numberAt(laneOf(i), key))));
      for (const dot of dots) {
        const lane = laneOf(Number(dot.dataset.dot));
        const y = scale.heightOf(numberAt(lane, key));
        dot.setAttribute("d", y === null ? "" : `M${1000 * lane.places[lane.at]} ${y}h0.01`);
      }
    }
  }

  function describe(names, laneOf) {
    for (const { curve: { key, text }, svg } of parts) {
      const values = names.map((name, i) => `${name} ${figure(numberAt(laneOf(i), key))}`);
      svg.setAttribute("aria-label", `${text}: ${values.join("; ")}`);
    }
  }

  return { build, draw, moveTo, describe };
}
