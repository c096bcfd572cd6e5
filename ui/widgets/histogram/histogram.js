// It follows the cursor of the player that it is told of.

import "../equations/symbols.js";
import { clamp, onlyNews } from "../component.js";

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
    const text = atob(value.counts);
    film = { ...JSON.parse(JSON.stringify({ ...value, counts: "" })) };
    film.counts = Uint8Array.from(text, (c) => c.charCodeAt(0));
    find(".histogram-normal").setAttribute("d", `M${pointsOf(film.density)}`);
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
    const row = film.counts.subarray(t * bins, (t + 1) * bins);
    const density = Array.from(row, (byte) => (byte / 255) * film.top);
    const bars = density.map((d, i) => `M${i} 1V${heightOf(d)}H${i + 1}V1z`);
    find(".histogram-bars").setAttribute("d", bars.join(""));
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

  function pointsOf(density) {
    return density.map((d, i) => `${i + 0.5} ${heightOf(d)}`).join("L");
  }

  function heightOf(density) {
    return (1 - Math.min(1, density / film.top)).toFixed(4);
  }
}

function figure(value) {
  if (value === null || value === undefined) return "–";
  const tiny = value && Math.abs(value) < 0.0005; // of which three decimals would show nothing
  return (tiny ? value.toExponential(1) : value.toFixed(3)).replaceAll("-", "−");
}

function skeleton(options) {
  return `
    <div class="histogram-equations">${options.markup}
      <p class="histogram-moments"><i>t</i> = <b data-number="t"></b> · pixels of
        <strong>x</strong><sub><i>t</i></sub>: mean <b data-number="mean"></b>, standard deviation
        <b data-number="std"></b></p>
    </div>
    <svg viewBox="0 0 ${options.bins} 1" preserveAspectRatio="none" role="img"
      aria-label="Pixel values: none yet"><path class="histogram-bars"/>
      <path class="histogram-normal"/></svg>
    <div class="histogram-axis" aria-hidden="true"><span>−${options.reach}</span><span>0</span>
      <span>${options.reach}</span></div>
    <p class="histogram-legend"><i></i> the pixels of <strong>x</strong><sub><i>t</i></sub>, by eq. 4
      <u></u> a standard normal</p>`;
}
