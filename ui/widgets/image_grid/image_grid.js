import { clamp, decode, drawCell, escapeText } from "../component.js";

const GAP = 4;
const LEAST_SIDE = 36; // of a tile: what a finger hits and an eye reads
const MOST_SIDE = 200;
const AROUND = 90; // of the window's height, for what else is seen at a glance
const RING = 5; // what the style leaves around the tiles for the mark of the chosen one

export function mount({ root, options, find, on, onSize, trigger }) {
  root.innerHTML = skeleton(options);
  const [scroller, sheetBox, list, note, top, left] =
    ["scroll", "sheet", "tiles", "note", "columns", "rows"].map((name) =>
      find(`.image-grid-${name}`));

  let plan = null; // rows, columns, labels, the side of a tile
  let chosen = null;
  let serverChose = null; // the tile that the server last marked
  let run = null;
  let here = 0; // where the keyboard is
  let ticket = 0;
  let built = "";

  root.dataset.clickable = String(options.clickable);
  if (options.clickable) {
    on(list, "click", (event) => {
      const tile = event.target.closest("[data-tile]");
      if (tile) pick(Number(tile.dataset.tile));
    });
    on(list, "keydown", onKey);
  }
  on(scroller, "scroll", showMore, { passive: true });
  on(window, "resize", layout); // a new pixel ratio changes no size in the page
  onSize(scroller, layout);
  return (value) =>
    ({ idle: showIdle, pending: dim, contact: showSheet })[value.kind]?.(value);

  // --- values from the server -------------------------------------------------------------

  function showIdle(value) {
    ticket += 1;
    [run, chosen, serverChose] = [null, null, null];
    put(value, 0, "idle");
  }

  function dim() {
    root.dataset.pending = "true";
  }

  async function showSheet(value) {
    const mine = (ticket += 1);
    let picture = null;
    try {
      picture = await decode(value.sheet);
    } catch {
      if (mine === ticket) showIdle({ ...value, message: "The pictures could not be read." });
      return;
    }
    if (mine !== ticket) return picture.close();
    // A new sheet, or a new choice, is marked as it says; otherwise the visitor's stays.
    if (value.run !== run || value.chosen !== serverChose) {
      chosen = value.chosen;
      // Whoever walks by keys stays where they are.
      if (!list.contains(document.activeElement)) here = chosen ?? here;
    }
    [run, serverChose] = [value.run, value.chosen];
    put(value, value.n, "contact");
    paint(picture);
    picture.close();
  }

  function put(value, n, state) {
    const { rows, columns, side, column_labels, row_labels } = value;
    plan = { rows, columns, n, side, across: column_labels, down: row_labels,
      symbol: value.symbol ?? options.symbol };
    const corner = find(".image-grid-corner");
    corner.textContent = plan.symbol;
    corner.dataset.term = plan.symbol;
    find(".image-grid-recorded").textContent = value.recorded ? `recorded · ${value.recorded}` : "";
    note.hidden = state !== "idle" || !value.message;
    note.textContent = value.message ?? "";
    root.dataset.state = state;
    root.dataset.pending = "false";
    root.dataset.run = run ?? "";
    // A listbox without an option is none.
    list.setAttribute("role", n && options.clickable ? "listbox" : "group");
    here = clamp(here, 0, Math.max(0, n - 1));
    build();
    layout();
  }

  // --- hands ------------------------------------------------------------------------------

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !plan.n) return;
    const { columns, n } = plan;
    const to = {
      ArrowLeft: here - 1,
      ArrowRight: here + 1,
      ArrowUp: here - columns,
      ArrowDown: here + columns,
      Home: here - (here % columns),
      End: Math.min(n - 1, here - (here % columns) + columns - 1),
      Enter: here,
      " ": here,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the page's own keys would move the player too
    if (event.key === "Enter" || event.key === " ") return pick(here);
    if (to < 0 || to >= n) return;
    stand(to);
    list.children[here].focus();
  }

  function pick(i) {
    if (i >= plan.n) return;
    chosen = i;
    stand(i);
    trigger("select", { index: i, value: run });
  }

  function stand(i) {
    here = i;
    mark();
  }

  // --- painting ---------------------------------------------------------------------------

  function build() {
    const { rows, columns, across, down, n } = plan;
    root.dataset.strip = String(rows === 1 && !down.length);
    const key = JSON.stringify([rows, columns, across, down, n]);
    if (key !== built) {
      built = key;
      const span = (label) => `<span>${escapeText(label)}</span>`;
      top.innerHTML = across.map(span).join("");
      left.innerHTML = down.map(span).join("");
      list.innerHTML = Array.from({ length: rows * columns }, (_, i) => tileOf(i)).join("");
    }
    mark();
  }

  function tileOf(i) {
    const { columns, across, down, n } = plan;
    if (i >= n) return "<canvas></canvas>";
    const row = down[Math.floor(i / columns)];
    const column = plan.symbol ? `${plan.symbol} = ${across[i % columns]}` : across[i % columns];
    const name = `${column}${row ? `, ${row}` : ""}`;
    const role = options.clickable ? "option" : "img";
    return `<canvas data-tile="${i}" role="${role}" aria-label="${escapeText(name)}"></canvas>`;
  }

  function mark() {
    if (!options.clickable) return;
    const { columns, n } = plan;
    for (const [i, tile] of [...list.children].slice(0, n).entries()) {
      tile.setAttribute("aria-selected", String(i === chosen));
      tile.tabIndex = i === here ? 0 : -1;
    }
    const at = chosen === null ? [] : [chosen % columns, Math.floor(chosen / columns)];
    for (const [axis, labels] of [top, left].entries()) {
      [...labels.children].forEach((el, i) => el.classList.toggle("image-grid-here", i === at[axis]));
    }
  }

  function layout() {
    if (!plan || !scroller.clientWidth) return; // in a tab not open yet
    const { rows, columns, side: [h, w] } = plan;
    const dpr = devicePixelRatio;
    const room = Math.floor((scroller.clientWidth - 2 * RING - list.offsetLeft) * dpr);
    const gap = Math.round(GAP * dpr);
    const fit = (length, count, side) => Math.floor(((length + gap) / count - gap) / side);
    const least = Math.max(1, Math.ceil((LEAST_SIDE * dpr) / w));
    const tall = options.glance ? fit((innerHeight - AROUND) * dpr, rows, h) : Infinity;
    const most = Math.max(least, Math.min(Math.floor((MOST_SIDE * dpr) / w), tall));
    const scale = clamp(fit(room, columns, w), least, most); // device pixels to one of the image's
    const spare = Math.floor((room - columns * w * scale) / Math.max(1, columns - 1));
    const across = clamp(spare, gap, Math.max(gap, Math.round((w * scale) / (rows > 1 ? 4 : 2))));
    const set = (name, length) => sheetBox.style.setProperty(name, `${length / dpr}px`);
    sheetBox.style.setProperty("--count", columns);
    sheetBox.style.setProperty("--down", rows);
    set("--tile-width", w * scale);
    set("--tile-height", h * scale);
    set("--gap-across", across);
    set("--gap-down", Math.min(across, 2 * gap));
    showMore();
  }

  /** Tile by tile: what is left of an earlier sheet goes. */
  function paint(picture) {
    for (const [i, tile] of [...list.children].entries()) {
      [tile.height, tile.width] = plan.side;
      if (i < plan.n) drawCell(tile.getContext("2d"), picture, plan.side, i);
    }
  }

  function showMore() {
    const rest = scroller.scrollWidth - scroller.clientWidth - scroller.scrollLeft;
    root.dataset.more = String(rest > 1);
    // Without a tile that takes the focus, the keyboard scrolls it by itself.
    const scrolls = scroller.scrollWidth > scroller.clientWidth + 1;
    if (!options.clickable) scroller.tabIndex = scrolls && plan.n ? 0 : -1;
  }
}

function skeleton(options) {
  const [label, symbol] = [options.label, options.symbol].map(escapeText);
  return `<p class="tool-name">${label}&ensp;<span class="image-grid-recorded mono soft"></span></p>
    <div class="image-grid-frame"><div class="image-grid-scroll"><div class="image-grid-sheet">
      <span class="image-grid-corner" aria-hidden="true">${symbol}</span>
      <div class="image-grid-columns mono soft" aria-hidden="true"></div>
      <div class="image-grid-rows mono soft" aria-hidden="true"></div>
      <div class="image-grid-tiles" role="group" aria-label="${label}"></div>
    </div></div><p class="image-grid-note note instead"></p></div>`;
}
