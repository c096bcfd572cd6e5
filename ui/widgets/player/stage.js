// What of the page shows the lanes: a heading for each of several, and its pictures.

import { escapeText, resize, term } from "../component.js";
import { swatch } from "./curves.js";
import { costText, drawTile, heldText, whyEmpty } from "./lanes.js";
import { arrangement, gridOf, NARROW, scaleFor } from "./layout.js";

const PINNED = "-5px 9999px 9999px"; // the window from where a player stays, and all below and beside
const ONE_COLUMN = "(max-width: 900px)"; // as in layout.css

/** `laneOf(i)` is the lane of a name, if it has begun; tiles to be clicked are named after `id`. */
export function makeStage(box, { clickable, id }) {
  const lanesBox = box.querySelector(".player-lanes");
  let rows = []; // what of the page belongs to each lane
  new IntersectionObserver(markPinned, { threshold: 1, rootMargin: PINNED }).observe(box);

  function build(names, panes) {
    const how = { clickable, many: names.length > 1 };
    lanesBox.innerHTML = names.map((name, i) => laneMarkup(name, i, panes, how)).join("");
    rows = [...lanesBox.children].map((lane, i) => ({
      lane,
      name: names[i],
      mats: [...lane.querySelectorAll(".mat")].map((mat, j) => matOf(mat, panes[j].key)),
      parts: Object.fromEntries(["name", "note", "cost", "at", "reached"]
        .map((part) => [part, lane.querySelector(`.player-${part}`)])),
    }));
  }

  function matOf(mat, pane) {
    const [print, tiles, empty] = ["print", "tiles", "empty"]
      .map((part) => mat.querySelector(`.player-${part}`));
    return { pane, print, canvas: mat.querySelector("canvas"), tiles, empty, shown: "" };
  }

  /** Whether it has come to the top of the window, and would be out of view if it did not stay. */
  function markPinned(entries) {
    const { isIntersecting, boundingClientRect } = entries.at(-1);
    box.dataset.pinned = String(!isIntersecting && boundingClientRect.height > 0);
  }

  function arrange(lanes) {
    const width = box.clientWidth;
    const grids = lanes.map((lane) => gridOf(lane, width));
    const grid = {
      wide: Math.max(...grids.map(({ wide }) => wide)),
      high: Math.max(...grids.map(({ high }) => high)),
    };
    const count = { lanes: rows.length, panes: rows[0].mats.length };
    const screen = { width, height: innerHeight, above: above(), density: devicePixelRatio };
    const fit = arrangement({ ...screen, ...count, grid });
    const style = { across: fit.across, beside: fit.beside };
    for (const name of ["gap", "between", "caption", "mat"]) style[name] = `${fit[name]}px`;
    for (const name in style) box.style.setProperty(`--${name}`, style[name]);
    // Low enough to stay in view while the page scrolls under it; layout.css acts on it.
    const low = count.lanes === 1 && fit.tall < 0.45 * innerHeight;
    box.dataset.compact = String(low);
    for (const row of rows) Object.assign(row, { width: fit.paneWidth, height: fit.mat - 8 });
  }

  /** How far down the page it begins. In a narrow window it may stick while the page scrolls
      (layout.css); its workbench, which begins with its player, does not. */
  function above() {
    const [bench, player] = [box.closest(".workbench"), box.closest(".player")];
    const top = (element) => element.getBoundingClientRect().top;
    const from = matchMedia(ONE_COLUMN).matches && bench ? top(bench) - top(player) : 0;
    return top(box) + from + scrollY;
  }

  /** Whether there is too little room for more than names over the lanes. */
  function isSmall() {
    return rows.length > 2 || (rows.length > 1 && box.clientWidth < NARROW);
  }

  /** Paint what the cursor has moved to; `run` tells apart whose pictures they are, and `message`
      stands where there are none yet. */
  function paint(laneOf, { run, tile, message }) {
    rows.forEach((row, i) => {
      const lane = laneOf(i);
      const where = lane?.here;
      row.lane.dataset.frames = lane?.frames.length ?? 0;
      if (lane) row.lane.dataset.t = where.t;
      row.lane.style.setProperty("--at", where?.place ?? 0);
      if (rows.length > 1) paintHead(row, lane);
      row.mats.forEach((mat, j) => {
        const why = lane ? whyEmpty(lane, mat.pane) : i || j ? "" : message;
        mat.empty.hidden = !why;
        mat.empty.textContent = why;
        mat.print.hidden = !lane || Boolean(why);
        if (mat.print.hidden) mat.shown = "";
        else paintMat(mat, row, lane, run, tile);
      });
    });
  }

  function paintHead({ parts, name }, lane) {
    const note = lane ? [lane.note, heldText(lane)].filter(Boolean).join(", ") : "";
    const cost = lane ? costText(lane) : "";
    const step = lane ? `step ${lane.here.index} / ${lane.total}` : "";
    parts.at.textContent = lane ? lane.here.t : "–";
    parts.reached.textContent = isSmall() ? cost : step;
    parts.cost.textContent = cost;
    parts.note.textContent = note;
    parts.name.title = [name, note].filter(Boolean).join(", ");
  }

  function paintMat(mat, row, lane, run, tile) {
    const grid = gridOf(lane, box.clientWidth);
    const scale = scaleFor(grid, row.width, row.height, devicePixelRatio);
    mat.print.style.width = `${grid.wide * scale}px`;
    mat.print.style.height = `${grid.high * scale}px`;
    if (mat.tiles) {
      fillTiles(mat, lane, grid, scale);
      pointAt(mat, tile);
    }
    const wanted = [run, lane.here.index, grid.wide, grid.high].join();
    if (mat.shown === wanted) return;
    mat.shown = wanted;
    resize(mat.canvas, grid.wide, grid.high);
    const ink = mat.canvas.getContext("2d");
    ink.clearRect(0, 0, grid.wide, grid.high);
    for (let i = 0; i < lane.shape[0]; i++) {
      drawTile(ink, lane, mat.pane, lane.here, i, ...grid.cornerOf(i));
    }
  }

  function fillTiles({ tiles }, { shape: [count] }, { across }, scale) {
    tiles.style.setProperty("--columns", across);
    tiles.style.gap = `${scale}px`;
    const filled = [count, across].join();
    if (tiles.dataset.filled === filled) return;
    tiles.dataset.filled = filled;
    const tileOf = (_, i) => (tiles.role ? optionOf(i, across) : `<div data-tile="${i}"></div>`);
    tiles.innerHTML = Array.from({ length: count }, tileOf).join("");
  }

  function optionOf(i, across) {
    const place = `row ${Math.floor(i / across) + 1}, column ${(i % across) + 1}`;
    return `<div data-tile="${i}" role="option" aria-selected="false" id="${id}-tile-${i}"
      aria-label="Tile ${i + 1}, ${place}"></div>`;
  }

  function pointAt({ tiles }, tile) {
    const before = tiles.querySelector(".player-tile-here");
    const here = tiles.children[tile];
    if (before === here) return;
    before?.classList.remove("player-tile-here");
    here.classList.add("player-tile-here");
    if (!tiles.role) return;
    before?.setAttribute("aria-selected", "false");
    here.setAttribute("aria-selected", "true");
    tiles.setAttribute("aria-activedescendant", here.id);
  }

  function describe(laneOf, panes, whereOf) {
    for (const [i, { mats, name }] of rows.entries()) {
      const lane = laneOf(i);
      const where = lane ? `${lane.shape[0]} at ${whereOf(lane)}` : "none yet";
      mats.forEach(({ canvas, pane }) => {
        const { spoken } = panes.find(({ key }) => key === pane);
        const empty = lane && whyEmpty(lane, pane) ? `, ${whyEmpty(lane, pane)}` : "";
        canvas.setAttribute("aria-label", `${name && `${name}, `}${spoken}: ${where}${empty}`);
      });
    }
  }

  function columnsOf(lane) {
    return gridOf(lane, box.clientWidth).across;
  }

  return { build, arrange, paint, describe, columnsOf, isSmall };
}

function laneMarkup(name, i, panes, { clickable, many }) {
  const safe = escapeText(name);
  const head = `<div class="player-head line">${swatch(i)}<b class="player-name cut">${safe}</b>
      <span class="player-note note small cut"></span><span class="player-cost mono soft"></span></div>
    <p class="player-where line soft small"><span><i>t</i> = <b class="player-at mono here">–</b></span>
      <span class="player-reached mono cut"></span></p>`;
  const named = many ? `role="group" aria-label="${safe}"` : "";
  const mats = panes.map((pane, j) => paneMarkup(pane, clickable, j)).join("");
  return `<div class="player-lane" data-lane="${i}" ${named}>${many ? head : ""}
    <div class="player-panes">${mats}</div></div>`;
}

function paneMarkup({ key, symbol, text, term: name }, clickable, j) {
  const listbox = 'role="listbox" tabindex="0" aria-label="Tiles; Enter opens one"';
  const tiles = clickable ? `<div class="player-tiles" ${j ? "" : listbox}></div>` : "";
  return `<figure class="player-pane"><figcaption class="cut"><b ${term(name, -1)}>${symbol}</b><span> ${text}</span></figcaption>
    <div class="mat" data-pane="${key}">
    <div class="player-print" hidden><canvas role="img" aria-label=""></canvas>${tiles}</div>
    <p class="player-empty note"></p></div></figure>`;
}
