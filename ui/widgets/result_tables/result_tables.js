import { HINT, makeChart } from "../chart.js";
import { escapeText, term } from "../component.js";
import { logAxis, short, STYLES } from "../plot.js";
import { chartOf } from "../tradeoff/tradeoff.js";

const HEIGHT = 220; // px, of a chart
const TOP = 40; // of its first panel
const DRAW = { steps: overSteps, scales: overScales };
const WHAT = `Our <span ${term("judge distance")}>distance</span>: how far samples are from real images,
  as our own judge network sees them; lower is better. Point at a figure to see how it was measured.`;
const FID = `<span ${term("FID", -1)}>FID</span>`;
const MARKS = { "✓": "as in the report", "✗": "not as in the report", "?": "cannot tell" };
const RULE = `Is a model better or worse than the first in its row? ✓ as in the report, ✗ the other way
  round, ? cannot tell: the difference is within twice its standard error. Only this order can be
  compared: <span ${term("FID")}>FIDs</span> and our distances are in different units.`;

export function mount({ root, find, findAll, on }) {
  let known = ""; // the value that is shown, to tell news from the same again
  let charts = {}; // by the name of their figure

  root.dataset.state = "waiting";
  on(root, "click", onClick);
  on(root, "change", ({ target }) => draw(target.name, target.value));
  return (value) => {
    if (value.kind !== "results" || JSON.stringify(value) === known) return;
    known = JSON.stringify(value);
    root.innerHTML = page(value);
    charts = {};
    for (const { figure, texts, at } of value.conclusions.filter((entry) => entry.texts)) {
      const chart = makeChart(find(`[data-chart=${figure}]`), HEIGHT);
      charts[figure] = { ...chart, texts, at, sets: value.charts[figure] };
      draw(figure, Object.keys(texts)[0]);
    }
    root.dataset.state = "shown";
  };

  function draw(figure, images) {
    const { show, sets, texts } = charts[figure];
    find(`[data-figure=${figure}] h2 button`).innerHTML = written(texts[images]);
    find(`[data-failed=${figure}]`).textContent = sets[images].error ?? "";
    show(sets[images].error ? { places: [], panels: [], label: "", below: "", rest: "" }
      : DRAW[figure](sets[images], images));
  }

  /** A conclusion leads to what it rests on. */
  function onClick({ target }) {
    const chosen = target.closest("[data-figure] h2")?.parentElement;
    if (!chosen) return;
    for (const one of findAll("[data-figure]")) one.dataset.lit = one === chosen;
    const { figure } = chosen.dataset;
    if (charts[figure]) {
      charts[figure].point(charts[figure].at[find(`input[name=${figure}]:checked`).value]);
    } else {
      const cell = chosen.querySelector("[data-hint]");
      setTimeout(() => cell?.focus({ preventScroll: true })); // this click would close its tip
    }
    chosen.querySelector(".result-tables-figure").scrollIntoView({ block: "nearest" });
  }
}

// --- what stands there --------------------------------------------------------------------------

function page({ conclusions, pictures, link, tables }) {
  return `<div class="result-tables-conclusions">${
    conclusions.map((entry) => conclusion(entry, pictures, link)).join("")}</div>
    <div class="result-tables-pair">${tables.map(tableOf).join("")}</div>
    <p class="result-tables-what">${WHAT}</p>
    <div class="result-tables-foot"><p class="soft">${RULE}</p><a
       href="measurements" target="_blank">All measurements</a></div>`;
}

function conclusion({ figure, text = "", texts }, pictures, link) {
  return `<section data-figure="${figure}">
    <h2><button type="button">${written(text)}</button></h2>
    <div class="result-tables-figure">${texts ? chartBox(figure, Object.keys(texts)[0])
      : picturesOf(pictures, link)}</div></section>`;
}

function written(text) {
  const numbers = /\d+\.\d+( %)?/g;
  return escapeText(text).replace(numbers, (number) => `<span class="mono">${number}</span>`);
}

function chartBox(figure, first) {
  const choices = ["photographs", "digits"].map((kind) => `<label><input type="radio"
    name="${figure}" value="${kind}" ${kind === first ? "checked" : ""}/><span>${kind}</span></label>`);
  return `<fieldset class="segments"><legend class="unseen">Images</legend>${choices.join("")}
    </fieldset><div data-chart="${figure}"></div><p class="note" data-failed="${figure}"></p>`;
}

function picturesOf({ error, shown = [] }, link) {
  const figures = shown.map(({ title, source, cell }) => `<figure><img src="${source}" alt="Four
    samples, ${title}" width="171" height="171"/><figcaption class="line"><span>${title}</span>${
      cellOf(cell)}</figcaption></figure>`);
  return `${error ? `<p class="note">${error}</p>` : `<div class="line">${figures.join("")}</div>`}
    <p class="result-tables-caption soft">The same noise, 100 steps. <a href="${escapeText(link)}">See both step by
    step</a></p>`;
}

function tableOf({ title, columns, rows, error }) {
  if (error) return `<p class="note">${title}: ${error}</p>`;
  const heads = [title, ...columns].map((head) => `<th scope="col">${head.replace(", ", "<br>")}</th>`);
  const lines = rows.map((row) => `<tr><th scope="row">${row.title.replace("FID", FID)}</th>${
    row.cells.map((cell) => `<td class="mono">${cellOf(cell, -1)}</td>`).join("")}</tr>`).join("")
    .replace('tabindex="-1"', 'tabindex="0"'); // Tab comes to the first, arrows to the others
  return `<table data-hints><thead><tr>${heads.join("")}</tr></thead><tbody>${lines}</tbody></table>`;
}

function cellOf(cell, order = 0) {
  if (typeof cell === "string") return `${cell}<i></i>`;
  const { figure, about, mark } = cell;
  const verdict = mark ? `<i aria-hidden="true">${mark}</i><span class="unseen">, ${
    MARKS[mark]}</span>` : "<i></i>";
  // Twice: an attribute, which holds HTML.
  return `<span class="mono" tabindex="${order}" data-hint="${escapeText(escapeText(about))}"><u>${figure}</u>${
    verdict}</span>`;
}

// --- charts, see `makeChart` --------------------------------------------------------------------

function overSteps({ columns, rows, floor }, images) {
  const share = (steps) => Math.log(steps / columns[0]) / Math.log(columns.at(-1) / columns[0]);
  const lines = rows.map(({ title, points }, r) => ({
    ...STYLES[r % STYLES.length],
    name: title,
    marks: true,
    points: points.flatMap((point, x) => point ? [{ x, y: point.value, spread: point.error }] : []),
  }));
  const heights = lines.flatMap(({ points }) => points.map(({ y }) => y)).concat(floor ?? []);
  return {
    label: `Distance from real ${images} over the number of steps`,
    below: "steps",
    rest: lines.some(({ points }) => points.length) ? HINT : "Not measured yet.",
    places: columns.map((steps) => ({ share: 0.03 + 0.93 * share(steps),
      text: steps.toLocaleString("en"), name: steps.toLocaleString("en") })),
    panels: [{ name: "distance, lower is better", colour: "ink", top: TOP, tall: HEIGHT - 40 - TOP, lines,
      rise: (from, to) => logAxis(heights, from, to), write: short, tell: short,
      rule: floor && { at: floor, name: `real ${images}`, isBelow: true } }],
  };
}

function overScales(data, images) {
  const chart = chartOf(data, `Guidance of ${images} over its scale`, [TOP, 130], 50);
  return { ...chart, places: chart.places.map((place) => ({ ...place, state: "" })) };
}
