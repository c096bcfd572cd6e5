// It follows the cursor of the player that it is told of.

import { clamp, followPlayer, term } from "../component.js";
import { bytesOf, figure } from "../numbers.js";
import { barsOf, curveOf } from "../plot.js";

export function mount({ root, options, find, findAll, on }) {
  root.innerHTML = skeleton(options);
  let film = null;
  let cursor = NaN;

  followPlayer(options.player, on, ({ t }) => {
    cursor = t;
    paint();
  });
  return (value) => {
    if (value.kind !== "histogram") return;
    film = value;
    film.counts = bytesOf(value.counts);
    const normal = film.density.map((density, i) => [i + 0.5, density / film.top]);
    find(".histogram-normal").setAttribute("d", curveOf(normal));
    for (const one of findAll(".equation")) one.hidden = value.straight;
    find(".histogram-straight").hidden = !value.straight;
    paint();
  };

  function paint() {
    if (!film) return;
    const t = clamp(Number.isNaN(cursor) ? film.t.at(-1) : cursor, 0, film.t.length - 1);
    const bins = film.density.length;
    const row = Array.from(film.counts.subarray(t * bins, (t + 1) * bins), (byte) => byte / 255);
    const edges = Array.from({ length: bins + 1 }, (_, i) => i);
    const textOf = (name) => (name === "t" ? t : figure(film[name][t]));
    find(".histogram-bars").setAttribute("d", barsOf(row, edges));
    root.style.setProperty("--at", 1 - t / (film.t.length - 1));
    for (const symbol of findAll("[data-value]")) symbol.dataset.now = textOf(symbol.dataset.value);
    for (const cell of findAll("[data-number]")) cell.textContent = textOf(cell.dataset.number);
    find("svg").setAttribute("aria-label", `Pixel values at t = ${t}: mean ${textOf("mean")}, `
      + `standard deviation ${textOf("std")}; a standard normal has 0 and 1`);
  }
}

function skeleton(options) {
  return `
    <div class="histogram-equations">${options.markup}
      <p class="histogram-straight" hidden><strong>x</strong><sub><i>t</i></sub> = <b class="here" data-number="signal"></b>
        <strong>x</strong><sub>0</sub> + <b class="here" data-number="noise"></b> <strong><i>ε</i></strong>: a straight line from picture to noise</p>
      <p class="histogram-moments small"><i>t</i> = <b class="here" data-number="t"></b> · pixels of
        <strong>x</strong><sub><i>t</i></sub>: mean <b class="here" data-number="mean"></b>, <span ${term("standard deviation")}>standard deviation</span>
        <b class="here" data-number="std"></b></p>
    </div>
    <div><div class="histogram-plot"><svg class="plot-stretched" viewBox="0 0 ${options.bins} 1"
      preserveAspectRatio="none" role="img" aria-label="Pixel values: none yet"><path
      class="histogram-bars"/><path class="histogram-normal"/></svg></div>
    <div class="line mono soft" aria-hidden="true"><span>−${options.reach}</span><span>0</span>
      <span>${options.reach}</span></div>
    <p class="histogram-legend soft small"><u class="histogram-swatch"></u> the pixels of <strong>x</strong><sub><i>t</i></sub>, by eq. 4
      <u></u> a <span ${term("standard normal")}>standard normal</span></p></div>`;
}
