// The numbers follow the cursor of the player that the value belongs to.

import { atNextFrame, clamp, followPlayer } from "../component.js";
import { figure, floatsOf, minus } from "../numbers.js";
import { nearest } from "../plot.js";

const CHOSEN = ["s", "lam", "p_uncond"];
const KNOWN = "equations"; // to the browser: open or folded

export function mount({ root, options, find, findAll, on }) {
  root.innerHTML = skeleton(options);
  const cells = findAll("[data-number]");
  const valued = findAll("[data-value]");
  const fold = find("details");
  const paintSoon = atNextFrame(paint);
  let current = null; // the value shown: of a schedule, and of a run
  let cursor = null; // where the player is: index, t, tile

  fold.open = window.page.remembered(KNOWN) === "open";
  on(find("summary"), "click", () => window.page.remember(KNOWN, fold.open ? "folded" : "open")); // it opens or closes right after
  followPlayer(options.player, on, (where) => {
    cursor = where;
    paintSoon();
  });
  return receive;

  function receive(value) {
    if (value.kind !== "equations") return;
    current = value;
    for (const numbers of [current.tables, ...current.rows.map((row) => row.numbers)]) {
      for (const name in numbers) numbers[name] = floatsOf(numbers[name]);
    }
    for (const one of findAll(".equation")) {
      one.hidden = !current.shown.includes(Number(one.dataset.equation));
    }
    find(".equations-which").textContent = current.shown.map((n) => `(${n})`).join(" ");
    find(".equations-notes").innerHTML = current.notes.map((note) => `<p>${note}</p>`).join("");
    root.hidden = !current.shown.length;
    paint();
  }

  function paint() {
    if (!current) return;
    const here = cursor ? cursor.t : NaN;
    // No step leads on from the clean image: there stand the numbers of the last step.
    const t = clamp(here, options.least, current.T);
    root.dataset.t = here;
    root.style.setProperty("--at", cursor ? 1 - here / current.T : 0);
    find(".equations-t").textContent = cursor ? here : "–";
    find(".equations-last").hidden = !(t > here);
    for (const cell of cells) cell.textContent = textOf(cell.dataset.number, t);
    for (const aside of findAll(".eq-aside")) {
      // A run that was not traced, or not yet: its room is kept.
      const known = aside.querySelector("[data-number]").textContent !== "–";
      aside.style.visibility = known ? "" : "hidden";
    }
    for (const symbol of valued) {
      const now = textOf(symbol.dataset.value, t);
      symbol.dataset.now = now === "–" ? "" : now;
    }
  }

  function textOf(name, t) {
    if (name === "step") return cursor ? `${t} / ${current.T}` : "–";
    if (name === "T") return current.T;
    if (name === "t") return cursor ? t : "–";
    const value = numberOf(name, t);
    return CHOSEN.includes(name) && value !== undefined ? plain(value) : figure(value);
  }

  function numberOf(name, t) {
    const { tables, facts, T } = current;
    if (name in tables) return tables[name][t];
    if (name === "loss_here") return facts.loss_here?.[Math.floor((4 * (t - 1)) / T)];
    if (name === "s") return guided("cfg", "strength") ?? facts.s;
    if (name === "lam") return guided("classifier", "strength") ?? facts.lam;
    if (name === "eps" || name === "push") return guided("classifier", name);
    return facts[name];
  }

  /** A number of the step under the cursor, in the row it is in or the first of its method. */
  function guided(method, name) {
    const rows = current.rows.filter((row) => row.method === method);
    const tile = cursor?.tile || 0;
    const row = rows.find(({ first, n }) => tile >= first && tile < first + n) ?? rows[0];
    if (!row || !cursor) return undefined;
    // Of the step that leaves this t; after the last there is none.
    const leaving = Math.min(cursor.index + 1, current.indices.at(-1));
    const k = nearest(current.indices.map((index) => Math.abs(index - leaving)));
    return row.numbers[name][k * row.n + (tile % row.n)];
  }
}

function skeleton(options) {
  return `<details><summary class="small"><span>Equations</span> <span class="equations-which soft"></span>
    <span class="equations-where">at <i>t</i> = <b class="equations-t mono here"></b><span
      class="equations-last" hidden>(of the last step, from <i>x</i><sub>1</sub>)</span></span></summary>
    <div class="equations-list">${options.markup}</div>
    <div class="equations-notes note small"></div></details>`;
}

// What somebody chose, as it was chosen.
function plain(value) {
  return minus(String(Number(value.toPrecision(4))));
}
