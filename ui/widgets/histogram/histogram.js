// It follows the cursor of the player that it is told of.

import "../equations/symbols.js";
import { clamp, onlyNews } from "../component.js";
import { bytesOf, figure } from "../numbers.js";
import { barsOf, curveOf } from "../plot.js";

export function mount({ element, props, watch }) {
  const root = element.querySelector(".histogram");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  root.innerHTML = skeleton(options);
  const find = (selector) => root.querySelector(selector);
  const isNews = onlyNews();
  const undo = new AbortController();
  let film = null;
  let cursor = NaN;

  root.dataset.state = "idle";
  document.addEventListener("player:cursor", follow, { signal: undo.signal });
  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(value) {
    if (value?.kind !== "histogram" || !isNews(value)) return;
    film = JSON.parse(JSON.stringify(value));
    film.counts = bytesOf(value.counts);
    const normal = film.density.map((density, i) => [i + 0.5, density / film.top]);
    find(".histogram-normal").setAttribute("d", curveOf(normal));
    root.dataset.state = "shown";
    paint();
  }

  function follow(event) {
    if (!root.isConnected) return undo.abort();
    if (event.target.closest(`#${CSS.escape(options.player)}`) === null) return;
    cursor = event.detail.t;
    paint();
  }

  function paint() {
    if (!film) return;
    const t = clamp(Number.isNaN(cursor) ? film.t.at(-1) : cursor, 0, film.t.length - 1);
    const bins = film.density.length;
    const row = Array.from(film.counts.subarray(t * bins, (t + 1) * bins), (byte) => byte / 255);
    const edges = Array.from({ length: bins + 1 }, (_, i) => i);
    find(".histogram-bars").setAttribute("d", barsOf(row, edges));
    root.dataset.t = t;
    root.style.setProperty("--at", 1 - t / (film.t.length - 1));
    const numbers = { t, signal: film.signal[t], noise: film.noise[t], keep: film.keep[t],
      add: film.add[t], mean: film.mean[t], std: film.std[t] };
    for (const symbol of root.querySelectorAll("[data-value]")) {
      symbol.dataset.now = figure(film[symbol.dataset.value][t]);
    }
    for (const cell of root.querySelectorAll("[data-number]")) {
      const value = numbers[cell.dataset.number];
      cell.textContent = cell.dataset.number === "t" ? value : figure(value);
    }
    find("svg").setAttribute("aria-label", `Pixel values at t = ${t}: mean ${figure(numbers.mean)}, `
      + `standard deviation ${figure(numbers.std)}; a standard normal has 0 and 1`);
  }
}

function skeleton(options) {
  return `
    <div class="histogram-equations">${options.markup}
      <p class="histogram-moments"><i>t</i> = <b data-number="t"></b> · pixels of
        <strong>x</strong><sub><i>t</i></sub>: mean <b data-number="mean"></b>, standard deviation
        <b data-number="std"></b></p>
    </div>
    <div class="histogram-plot"><svg class="plot-stretched" viewBox="0 0 ${options.bins} 1"
      preserveAspectRatio="none" role="img" aria-label="Pixel values: none yet"><path
      class="histogram-bars"/><path class="histogram-normal"/></svg></div>
    <div class="line mono soft" aria-hidden="true"><span>−${options.reach}</span><span>0</span>
      <span>${options.reach}</span></div>
    <p class="histogram-legend soft"><i class="histogram-swatch"></i> the pixels of <strong>x</strong><sub><i>t</i></sub>, by eq. 4
      <u></u> a standard normal</p>`;
}
