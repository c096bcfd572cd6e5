// It follows the cursor of the player that it is told of.

import "./symbols.js";
import { clamp } from "../component.js";
import { figure, floatsOf, minus } from "../numbers.js";

const CHOSEN = ["s", "lam", "p_uncond"];

export function mount({ element, props, watch }) {
  const root = element.querySelector(".equations");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  root.innerHTML = skeleton(options);
  const find = (selector) => root.querySelector(selector);
  const cells = [...root.querySelectorAll("[data-number]")];
  const valued = [...root.querySelectorAll("[data-value]")];
  const asides = root.querySelectorAll(".eq-aside");
  const equations = [...root.querySelectorAll(".equation")];
  const fold = find("details");
  const undo = new AbortController();
  let told = null; // what the value says: of a schedule, and of a run
  let cursor = null; // where the player is: index, t, tile
  let paintDue = 0;

  root.dataset.state = "idle";
  fold.open = options.fold === "narrow" && matchMedia("(min-width: 901px)").matches;
  document.addEventListener("player:cursor", follow, { signal: undo.signal });
  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(value) {
    if (value?.kind !== "equations") return;
    // Gradio hands out reactive proxies; a plain copy is cheaper to read for every step.
    told = JSON.parse(JSON.stringify(value));
    for (const name in told.tables) told.tables[name] = floatsOf(told.tables[name]);
    for (const row of told.rows) {
      for (const name in row.numbers) row.numbers[name] = floatsOf(row.numbers[name]);
    }
    for (const one of equations) one.hidden = !told.shown.includes(Number(one.dataset.equation));
    find(".equations-which").textContent = told.shown.map((n) => `(${n})`).join(" ");
    find(".equations-notes").innerHTML = told.notes.map((note) => `<p>${note}</p>`).join("");
    root.hidden = !told.shown.length;
    root.dataset.state = "shown";
    const { index, t, tile } = player()?.dataset ?? {};
    if (t !== undefined) cursor = { index: Number(index), t: Number(t), tile: Number(tile) };
    paint();
  }

  /** @returns {HTMLElement} */
  function player() {
    return document.querySelector(`#${CSS.escape(options.player)} .player`);
  }

  function follow(event) {
    if (!root.isConnected) return undo.abort();
    if (event.target.closest(`#${CSS.escape(options.player)}`) === null) return;
    cursor = event.detail;
    paintDue ||= requestAnimationFrame(paint);
  }

  function paint() {
    cancelAnimationFrame(paintDue);
    paintDue = 0;
    if (!told) return;
    const here = cursor ? cursor.t : NaN;
    // No step leads on from the clean image: there stand the numbers of the last step.
    const t = clamp(here, options.least, told.T);
    root.dataset.t = here;
    root.style.setProperty("--at", cursor ? 1 - here / told.T : 0);
    find(".equations-t").textContent = cursor ? here : "–";
    find(".equations-last").hidden = !(t > here);
    for (const cell of cells) cell.textContent = textOf(cell.dataset.number, t);
    for (const aside of asides) {
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
    if (name === "step") return cursor ? `${t} / ${told.T}` : "–";
    if (name === "T") return told.T;
    if (name === "t") return cursor ? t : "–";
    const value = numberOf(name, t);
    return CHOSEN.includes(name) && value !== undefined ? plain(value) : figure(value);
  }

  function numberOf(name, t) {
    if (name in told.tables) return told.tables[name][t];
    if (name === "loss_here") return quarter(told.facts.loss_here ?? [], t);
    if (name === "s") return guided("cfg", "strength") ?? told.facts.s;
    if (name === "lam") return guided("classifier", "strength") ?? told.facts.lam;
    if (name === "eps" || name === "push") return guided("classifier", name);
    return told.facts[name];
  }

  function quarter(losses, t) {
    return losses[Math.floor((4 * (t - 1)) / told.T)];
  }

  /** A number of the step under the cursor, in the row it is in or the first of its method. */
  function guided(method, name) {
    const rows = told.rows.filter((row) => row.method === method);
    const tile = cursor?.tile || 0;
    const row = rows.find(({ first, n }) => tile >= first && tile < first + n) ?? rows[0];
    if (!row || !cursor) return undefined;
    // Of the step that leaves this t; after the last there is none.
    const leaving = Math.min(cursor.index + 1, told.indices.at(-1));
    const gaps = told.indices.map((index) => Math.abs(index - leaving));
    const k = gaps.indexOf(Math.min(...gaps));
    return row.numbers[name][k * row.n + (tile % row.n)];
  }
}

function skeleton(options) {
  return `<details><summary><span>Equations</span> <span class="equations-which soft"></span>
    <span class="equations-where">at <i>t</i> = <b class="equations-t mono"></b><span
      class="equations-last" hidden>, of the last step, from <i>x</i><sub>1</sub></span></span></summary>
    <div class="equations-list">${options.markup}</div>
    <div class="equations-notes note"></div></details>`;
}

// What somebody chose, as it was chosen.
function plain(value) {
  return minus(String(Number(value.toPrecision(4))));
}
