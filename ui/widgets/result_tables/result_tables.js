import { clamp, escapeText } from "../component.js";
import { STYLES } from "../plot.js";
import { drawPlot, makePlot, pointUnder, readOut } from "./figures.js";

const CARD_WIDTH = 560; // px, where the page has room for it
const TOLD = "Choose a point; arrow keys walk along.";

export function mount({ element, props, watch }) {
  const root = element.querySelector(".result-tables");
  const options = JSON.parse(root.dataset.options);
  if (root.dataset.state) return;
  const heading = `result-tables-card-${Math.random().toString(36).slice(2)}`;
  root.innerHTML = `<div class="result-tables-body"></div>
    <div class="result-tables-card card" popover="manual" role="dialog" tabindex="-1" aria-labelledby="${heading}">
      <button type="button" class="result-tables-close" aria-label="Close">×</button>
      <h3 id="${heading}"></h3>
      <p class="result-tables-words"></p><p class="result-tables-took soft"></p>
      <div class="result-tables-command"><p class="soft"></p><code></code><button
        type="button" class="result-tables-copy button">Copy</button></div>
    </div>`;
  const body = root.querySelector(".result-tables-body");
  const card = root.querySelector(".result-tables-card");
  const part = (name) => card.querySelector(name);
  const undo = new AbortController();
  const resized = new ResizeObserver(layout);
  let known = ""; // the value that is shown, to tell news from the same again
  let plots = []; // with their elements
  let details = []; // what a card tells, by the number that its button carries
  let curves = [];
  let model = ""; // whose curves are shown
  let opener = null; // the button whose card is open

  root.setAttribute("role", "group");
  root.setAttribute("aria-label", options.label);
  root.dataset.state = "idle";
  body.addEventListener("click", onClick);
  body.addEventListener("keydown", onKey);
  body.addEventListener("focusin", onFocus);
  body.addEventListener("focusout", onFocus);
  body.addEventListener("pointermove", onHover);
  body.addEventListener("pointerout", onHover);
  body.addEventListener("change", (event) => {
    model = event.target.value;
    showCurves();
  });
  card.addEventListener("keydown", onCardKey);
  card.addEventListener("focusout", (event) => {
    const to = event.relatedTarget;
    if (to && to !== opener && !card.contains(to)) close(false);
  });
  part(".result-tables-close").addEventListener("click", () => close());
  part(".result-tables-copy").addEventListener("click", copy);
  const listening = { signal: undo.signal };
  document.addEventListener("pointerdown", onOutside, listening);
  document.addEventListener("keydown", onEscape, listening);
  window.addEventListener("resize", () => opener && place(), listening);
  resized.observe(body);
  receive(props.value);
  watch("value", () => receive(props.value));

  function receive(value) {
    if (value?.kind !== "board") return;
    const text = JSON.stringify(value);
    if (text === known) return;
    known = text;
    close(false);
    const data = JSON.parse(text); // not the proxy that Gradio hands out
    details = [];
    plots = [];
    curves = data.curves;
    body.innerHTML = lead(data) + data.tables.map(section).join("") + curvesSection();
    for (const table of data.tables.filter((it) => it.plot && !it.error)) fewSteps(table);
    if (!curves.some((it) => it.model === model)) model = curves[0]?.model ?? "";
    showCurves();
    for (const group of body.querySelectorAll("[data-group]")) rove(group);
    for (const box of body.querySelectorAll(".result-tables-scroll")) {
      box.addEventListener("scroll", () => opener && place(), { passive: true });
    }
    root.dataset.state = "shown";
    layout();
  }

  function layout() {
    if (!root.isConnected) {
      undo.abort();
      return resized.disconnect();
    }
    if (!body.clientWidth) return; // in a tab not open yet
    for (const box of body.querySelectorAll(".result-tables-scroll")) {
      const wide = box.scrollWidth > box.clientWidth + 1;
      // What can be scrolled can be reached by the keyboard, and says what it is.
      if (wide) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
      box.dataset.wide = wide;
    }
    for (const plot of plots) drawPlot(plot);
  }

  // --- sections ---------------------------------------------------------------------------

  function lead({ measured, wanted }) {
    return `<p class="result-tables-lead soft">Every figure of ours is read from the results that are stored with
      the checkpoints; choose one for its protocol and for the command that measures it again.
      Judge distance: how far samples are from real images, as our own judge network sees them
      (the Fréchet distance between its features of both). Lower is better, and it does not compare
      with Inception's FID. ± is a standard error. What the figures say stands below each
      table, in the words of docs/findings.md: two are different if their difference is more than
      twice its own standard error; less is within chance. <span class="result-tables-count mono">${measured} of ${wanted} measured</span></p>`;
  }

  function section(table) {
    const { name, title, about, error } = table;
    const inside = error ? `<p class="note" role="status">${escapeText(error)}</p>`
      : `${table.plot ? `<div class="result-tables-figure-block" data-plot="${name}"></div>` : ""}${
        tableOf(table)}${answerOf(table)}`;
    return `<section class="result-tables-section" data-section="${name}" aria-label="${escapeText(title)}">
      <div><h2>${escapeText(title)}</h2><p class="result-tables-about soft">${escapeText(about ?? "")}</p></div>
      <div>${inside}</div></section>`;
  }

  function tableOf({ name, title, corner, columns, rows }) {
    // Where nothing has a spread, none keeps room for one.
    const bare = columns.map((_, c) => rows.every((row) => !row.cells?.[c]?.spread));
    const heads = columns.map((text) => `<th scope="col">${escapeText(text)}</th>`).join("");
    const lines = rows.map((row, r) => {
      const cells = row.reported
        ? row.reported.map((text, c) => `<td>${escapeText(text)}${bare[c] ? "" : " <small></small>"}</td>`)
        : row.cells.map((cell, c) =>
          `<td>${cellOf(cell, `${row.title}, ${columns[c]}`, r, c, bare[c])}</td>`);
      return `<tr class="${row.reported ? "note" : ""}"><th scope="row">${
        escapeText(row.title)}</th>${cells.join("")}</tr>`;
    });
    return `<div class="result-tables-scroll" data-many="${columns.length > 6}" role="region" aria-label="${escapeText(title)}: the table">
      <table data-group="${name}" style="--columns:${columns.length}"><thead><tr><th scope="col" class="note">${escapeText(corner)}</th>${heads}</tr>
      </thead><tbody>${lines.join("")}</tbody></table></div>`;
  }

  function answerOf({ question, answer }) {
    if (!answer?.length) return "";
    const paragraphs = answer.map((text) => `<p>${escapeText(text)}</p>`).join("");
    return `<div class="result-tables-answer"><h3>${escapeText(question)}</h3>${paragraphs}</div>`;
  }

  function cellOf(cell, title, row, column, bare) {
    if (!cell) return `<span class="result-tables-none soft" aria-label="does not apply" role="img">–</span>`;
    const number = details.push({ title, ...cell }) - 1;
    const place = `type="button" data-cell="${number}" data-row="${row}" data-column="${column}"
      aria-haspopup="dialog" aria-expanded="false"`;
    if (cell.value === undefined) return `<button ${place} class="note">not measured</button>`;
    const cost = cell.cost ? `<i>${cell.cost} <small>${cell.cost_error}</small></i>` : "";
    const spread = bare ? "" : ` <small>${cell.spread}</small>`;
    const dtype = cell.dtype ? `<i>in ${cell.dtype}</i>` : "";
    return `<button ${place}><b>${
      cell.figure}</b>${spread}${cost}${dtype}</button>`;
  }

  function fewSteps({ name, title, columns, rows, floors }) {
    const block = body.querySelector(`[data-plot="${name}"]`);
    const lines = rows.map((row, r) => ({
      name: row.title,
      ...STYLES[r % STYLES.length],
      marks: true,
      points: row.cells.flatMap((cell, c) => cell?.value === undefined ? [] : [{
        x: Number(columns[c]),
        y: cell.value,
        spread: cell.error,
        cell: details.push({ title: `${row.title}, ${columns[c]} steps`, ...cell }) - 1,
        row: r,
        column: c,
        label: `${row.title} · ${columns[c]} steps · judge distance ${cell.figure} ${cell.spread}${cell.dtype && ` in ${cell.dtype}`}`,
      }]),
    }));
    const steps = columns.map(Number);
    plots.push(makePlot(block, {
      label: title,
      told: TOLD,
      empty: "Not measured yet; the table below has every command.",
      lines,
      floors: floors.map((at) => ({ at, name: "floor: real images" })),
      x: { kind: "log", low: steps[0] / 1.25, high: steps.at(-1) * 1.2, ticks: steps, name: "steps",
        write: String },
      y: { name: "judge distance" },
    }));
  }

  function curvesSection() {
    if (!curves.length) return "";
    const choices = curves.map((it) => `<label><input type="radio" name="${heading}-model"
      value="${escapeText(it.model)}"/><span>${escapeText(it.model)}</span></label>`).join("");
    return `<section class="result-tables-section" data-section="curves" aria-label="Training curves">
      <div><h2>Training curves</h2><p class="result-tables-about soft">The loss over the images seen: of the
      batches, and of images held out. Losses of models that predict different things differ in
      kind.</p></div>
      <div><fieldset class="segments"><legend class="unseen">Model</legend>${choices}
      </fieldset><div class="result-tables-figure-block" data-plot="curves"></div></div></section>`;
  }

  function showCurves() {
    const curve = curves.find((it) => it.model === model);
    if (!curve) return;
    close(false);
    body.querySelector(`.segments input[value="${CSS.escape(model)}"]`).checked = true;
    const cell = details.push({ title: `Training of ${model}`, training: true, ...curve }) - 1;
    const lines = [
      { name: "training loss", place: 1, colour: "ink-soft", width: 1.2 },
      { name: "validation loss", place: 2, colour: "mid", width: 2 },
      { name: curve.distance, place: 3, colour: "data", width: 2, dash: "2 3", second: true, marks: true },
    ].map((line, r) => ({
      ...line,
      points: curve.rows.flatMap((row, c) => typeof row[line.place] !== "number" ? [] : [{
        x: row[0],
        y: row[line.place],
        cell,
        row: r,
        column: c,
        label: `${line.name} ${row[line.place]} · ${row[0].toLocaleString("en")} images`,
      }]),
    })).filter((line) => line.points.length);
    plots = plots.filter((plot) => plot.name !== "curves");
    const last = curve.rows.at(-1)[0];
    plots.push(makePlot(body.querySelector(`[data-plot="curves"]`), {
      label: `Training of ${model}`,
      told: TOLD,
      empty: "No loss was recorded.",
      lines,
      floors: [],
      x: { kind: "linear", low: 0, high: last, name: "images seen", write: millions },
      y: { name: "loss" },
      y2: { name: curve.distance },
    }, "curves"));
    rove(body.querySelector(`[data-plot="curves"] [data-group]`));
    layout();
  }

  // --- walking about ----------------------------------------------------------------------

  /** One stop for the Tab key in each group; the arrows lead on from there. */
  function rove(group, to = null) {
    const all = [...group.querySelectorAll("button[data-cell]")];
    const here = to ?? all.find((button) => button.tabIndex === 0 && button.dataset.here) ?? all[0];
    for (const button of all) {
      button.tabIndex = button === here ? 0 : -1;
      if (button === here) button.dataset.here = "yes";
      else delete button.dataset.here;
    }
  }

  function onKey(event) {
    const button = event.target.closest?.("button[data-cell]");
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = neighbour(button, event.key);
    if (to === undefined) return;
    event.preventDefault();
    to?.focus();
  }

  function neighbour(button, key) {
    const all = [...button.closest("[data-group]").querySelectorAll("button[data-cell]")];
    const at = (it) => [Number(it.dataset.row), Number(it.dataset.column)];
    const [row, column] = at(button);
    const inRow = all.filter((it) => at(it)[0] === row).sort((a, b) => at(a)[1] - at(b)[1]);
    const walk = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (walk) return inRow[inRow.indexOf(button) + walk] ?? null;
    if (key === "Home") return inRow[0];
    if (key === "End") return inRow.at(-1);
    const climb = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (!climb) return undefined;
    const rows = [...new Set(all.map((it) => at(it)[0]))].sort((a, b) => a - b);
    const next = rows[rows.indexOf(row) + climb];
    const away = (it) => Math.abs(at(it)[1] - column);
    return all.filter((it) => at(it)[0] === next).sort((a, b) => away(a) - away(b))[0] ?? null;
  }

  function onFocus(event) {
    const button = event.target.closest?.("button[data-cell]");
    if (!button) return;
    if (event.type === "focusin") rove(button.closest("[data-group]"), button);
    const plot = plotOf(button);
    if (plot) readOut(plot, event.type === "focusin" ? button : null);
  }

  function plotOf(node) {
    const block = node.closest?.(".plot");
    return block && plots.find((plot) => plot.box === block);
  }

  function onHover(event) {
    const plot = plotOf(event.target);
    if (!plot) return;
    const away = event.type === "pointerout" && !plot.box.contains(event.relatedTarget);
    const focused = plot.box.querySelector("button:focus");
    readOut(plot, away ? focused : (pointUnder(plot, event) ?? focused));
  }

  function onClick(event) {
    const plot = plotOf(event.target);
    // A pointer means the nearest point; assistive technology clicks a point itself.
    const button = event.target.closest("button[data-cell]") ?? (plot && pointUnder(plot, event));
    if (!button) return;
    if (opener === button) close();
    else open(button);
  }

  // --- the card ---------------------------------------------------------------------------

  function open(button) {
    close(false);
    const { title, model: name, words, took, command, training } = details[button.dataset.cell];
    opener = button;
    button.setAttribute("aria-expanded", "true");
    rove(button.closest("[data-group]"), button);
    part("h3").textContent = training || title.includes(name) ? title : `${title} · ${name}`;
    // The figure first, what it stands on behind it.
    const [figure, ...rest] = (words ?? "Not measured yet.").split("; ");
    part(".result-tables-words").replaceChildren(...(training ? [words] : [
      Object.assign(document.createElement("strong"), { textContent: figure }),
      rest.length ? `; ${rest.join("; ")}` : "",
    ]));
    part(".result-tables-took").textContent = took ? `The last run took ${took}; samples kept from earlier runs are not in that.` : "";
    part(".result-tables-command").hidden = !command;
    part(".result-tables-command p").textContent = training ? "It was trained by"
      : words ? "Measure it again" : "This measures it and stores the result";
    // An option is not to be torn apart at its hyphens.
    part("code").innerHTML = command?.split(" ").map((word) => `<span>${escapeText(word)}</span>`)
      .join(" ") ?? "";
    part(".result-tables-copy").textContent = "Copy";
    card.showPopover();
    place();
    card.focus({ preventScroll: true });
  }

  function place() {
    const page = body.getBoundingClientRect();
    const width = Math.min(CARD_WIDTH, page.width);
    card.style.width = `${width}px`;
    const box = opener.getBoundingClientRect();
    const below = box.bottom + 8 + card.offsetHeight <= innerHeight;
    const fitsAbove = box.top - 8 - card.offsetHeight >= 0;
    const top = below || !fitsAbove ? box.bottom + 8 : box.top - 8 - card.offsetHeight;
    card.style.left = `${clamp(box.left, page.left, page.right - width) + scrollX}px`;
    card.style.top = `${top + scrollY}px`;
  }

  function close(back = true) {
    if (!opener) return;
    const button = opener;
    opener = null;
    button.setAttribute("aria-expanded", "false");
    card.hidePopover();
    if (back) button.focus({ preventScroll: true });
  }

  function onOutside(event) {
    if (!root.isConnected) return undo.abort();
    if (!opener || card.contains(event.target)) return;
    // Its own button closes it by its click.
    if (event.target.closest?.(".result-tables-body")) {
      const plot = plotOf(event.target);
      const button = event.target.closest("button[data-cell]") ?? (plot && pointUnder(plot, event));
      if (button) return;
    }
    close(false);
  }

  function onEscape(event) {
    if (event.key !== "Escape" || !opener || event.defaultPrevented) return;
    event.preventDefault();
    close();
  }

  /** Tab leads out of the card back to where it was opened. */
  function onCardKey(event) {
    if (event.key !== "Tab") return;
    const stops = [...card.querySelectorAll("button")].filter((it) => it.offsetParent);
    const from = event.target;
    const out = event.shiftKey ? from === card || from === stops[0] : from === stops.at(-1);
    if (!out) return;
    event.preventDefault();
    close();
  }

  async function copy() {
    const code = part("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Not allowed here, as on a page that is not served securely: select it the old way.
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) return;
      getSelection().removeAllRanges();
    }
    part(".result-tables-copy").textContent = "Copied";
  }
}

function millions(count) {
  return count ? `${Number((count / 1e6).toPrecision(3))} M` : "0";
}
