import {
  atNextFrame, clamp, closeAll, decodeAll, drawCell, escapeText, followPlayer, listenToHold, onTheme, playerOf, resize, term,
} from "../component.js";
import { figure, fixed, floatsOf } from "../numbers.js";
import { scaleFor } from "../player/layout.js";
import { barsOf, curveOf, nearest, ticksBelow } from "../plot.js";

const PUSHED = '<i class="accented" data-accent="˜">ε</i>';
const X0 = "<i>x̂</i><sub>0</sub>";
const METHODS = {
  cfg: {
    neutral: 1,
    letter: "s",
    pictures: [
      { name: "uncond", symbol: `${X0}(<i>ε</i><sub>∅</sub>)`, words: "unconditional" },
      { name: "cond", symbol: `${X0}(<i>ε<sub>y</sub></i>)`, words: "conditional" },
      { name: "push", symbol: `${PUSHED} − <i>ε</i><sub>∅</sub>`, words: "the push" },
      { name: "guided", symbol: `${X0}(${PUSHED})`, words: "guided" },
    ],
  },
  classifier: {
    neutral: 0,
    letter: "λ",
    pictures: [
      { name: "uncond", symbol: `${X0}(<i>ε</i>)`, words: "unguided" },
      { name: "gradient", symbol: "∇ ln <i>p</i>", words: "the gradient", over: "uncond" },
      { name: "push", symbol: `${PUSHED} − <i>ε</i>`, words: "the push" },
      { name: "guided", symbol: `${X0}(${PUSHED})`, words: "guided" },
    ],
  },
};
const LEDGER = [
  ["push", "‖push‖", true, "length of the push"],
  ["share", "of ‖<i>ε</i>‖", true, "share of ε"],
  ["cosine", "cos(push, <i>ε</i>)", true, "direction of the push"],
  ["noise", '√(1 − <i><span class="accented" data-accent="ˉ">α</span><sub>t</sub></i>)', false, "strength of the noise"],
];
const MAT = 280; // pixels, the most that a picture takes

export function mount({ root, options, find, findAll, on, onSize }) {
  root.innerHTML = skeleton();
  const [plot, area, ghost, pictures] =
    [".anatomy-plot", ".anatomy-area", ".anatomy-ghost", ".anatomy-pictures"].map(find);
  const timed = findAll(".plot-cursor, .anatomy-t, .anatomy-equation");
  const scratch = document.createElement("canvas");
  const pen = scratch.getContext("2d", { willReadFrequently: true });
  const paintSoon = atNextFrame(paint);

  let run = null; // what the value told: about the run, its numbers and its sheets
  let method = METHODS.cfg;
  let cursor = {}; // where the player is: index, tile, run
  let ticket = 0;
  let drawn = ""; // which tile of which value the curve shows

  root.setAttribute("role", "group");
  root.dataset.hints = "";
  root.setAttribute("aria-label", options.label);
  root.dataset.state = "idle";
  listen();
  arrange();
  return receive;

  // --- values from the server -------------------------------------------------------------

  function receive(value) {
    const mine = (ticket += 1);
    if (value.kind === "anatomy") return open(value, mine);
    replaceRun(null);
    find(".anatomy-note").textContent = value.message;
    root.hidden = elsewhere();
    paintSoon();
  }

  async function open(next, mine) {
    for (const name in next.numbers) next.numbers[name] = floatsOf(next.numbers[name]);
    // The numbers are worth showing without.
    next.sheets = await decodeAll(next.sheets).catch(() => ({}));
    if (mine !== ticket) return closeAll(next.sheets);
    replaceRun(next);
    method = METHODS[run.method];
    arrange();
  }

  function replaceRun(next) {
    closeAll(run?.sheets);
    run = next;
  }

  function arrange() {
    pictures.innerHTML = method.pictures.map(figureOf).join("");
    find(".anatomy-equation").innerHTML = run?.equation ?? "";
    find(".anatomy-letter").textContent = run ? method.letter : "";
    find(".anatomy-letter").dataset.term = method.letter;
    root.dataset.tiles = run?.tiles ?? 1;
    drawn = "";
    layout();
  }

  // --- the player -------------------------------------------------------------------------

  function listen() {
    followPlayer(options.player, on, (where) => {
      cursor = where;
      paintSoon();
    });
    listenToHold(plot, on, { begin: seek, move: seek });
    on(plot, "pointermove", point);
    on(plot, "pointerleave", () => (ghost.hidden = true));
    onTheme(on, paintSoon);
    onSize(root, layout);
  }

  function seek(event) {
    if (root.dataset.state !== "shown") return;
    const detail = { index: run.indices[stepUnder(event)] };
    playerOf(options.player)?.dispatchEvent(new CustomEvent("player:seek", { detail }));
  }

  function point(event) {
    ghost.hidden = root.dataset.state !== "shown" || event.pointerType === "touch";
    if (ghost.hidden) return;
    const k = stepUnder(event);
    ghost.style.left = percent(run.indices[k] / run.total);
    ghost.dataset.side = run.indices[k] > run.total / 2 ? "left" : "right";
    const p = pAsked(k, tileHere()).toFixed(2);
    ghost.firstElementChild.textContent = `t = ${run.t[k]}  p = ${p}`;
  }

  function stepUnder(event) {
    const box = area.getBoundingClientRect();
    return stepNearest(((event.clientX - box.left) / box.width) * run.total);
  }

  // --- looking things up ------------------------------------------------------------------

  function stepNearest(index) {
    return nearest(run.indices.map((step) => Math.abs(step - index)));
  }

  function tileHere() {
    return clamp((cursor.tile || 0) - run.first, 0, run.tiles - 1);
  }

  /** Whether another row's anatomy is what the cursor asks for. */
  function elsewhere() {
    if (!run) return !find(".anatomy-note").textContent;
    const place = (cursor.tile || 0) - run.first;
    return place < 0 || place >= run.tiles;
  }

  function numberOf(name, k, tile) {
    return run?.numbers[name]?.[k * run.tiles + tile] ?? NaN;
  }

  function pOf(k, tile, c) {
    return run.numbers.p[(k * run.tiles + tile) * run.classes.length + c];
  }

  function pAsked(k, tile) {
    return run.wanted[tile].reduce((sum, c) => sum + pOf(k, tile, c), 0);
  }

  // --- painting ---------------------------------------------------------------------------

  function layout() {
    const width = root.clientWidth;
    if (!width) return; // in a tab not open yet; its first size calls again
    const [across, gap] = width < 560 ? [2, 10] : [4, 20];
    const height = Math.min(MAT, Math.floor((width - gap * (across - 1)) / across));
    const [h, w] = run?.shape ?? [1, 1];
    const scale = scaleFor({ wide: w, high: h }, height, height, devicePixelRatio);
    const sizes = { gap, mat: height, wide: w * scale, high: h * scale };
    pictures.style.setProperty("--across", across);
    for (const name in sizes) pictures.style.setProperty(`--${name}`, `${sizes[name]}px`);
    drawn = "";
    paintSoon();
  }

  function paint() {
    const stale = Boolean(run) && cursor.run !== undefined && cursor.run !== run.run;
    root.dataset.state = run ? (stale ? "stale" : "shown") : "idle";
    root.setAttribute("aria-disabled", String(stale));
    root.hidden = elsewhere();
    if (stale) find(".anatomy-note").textContent = "This belongs to an earlier run.";
    if (stale) return; // dimmed as it stands
    const index = cursor.index >= 0 ? cursor.index : run?.total;
    const k = run && index > 0 ? stepNearest(index) : -1;
    root.dataset.index = k < 0 ? 0 : run.indices[k];
    for (const part of timed) part.style.setProperty("--at", run ? index / run.total : 0);
    if (run) paintCurve(tileHere());
    for (const spec of method.pictures) paintPicture(spec, k);
    putNumbers(k, run ? tileHere() : 0);
  }

  function paintCurve(tile) {
    if (drawn === `${ticket}/${tile}`) return;
    drawn = `${ticket}/${tile}`;
    ghost.hidden = true;
    const rank = (c) => run.wanted[tile].indexOf(c);
    const order = run.classes.map((_, c) => c).sort((a, b) => rank(a) - rank(b)); // wanted on top
    const curves = order.map((c) => `<path d="${lineOf(tile, c)}" data-rank="${rank(c)}"/>`);
    draw(".anatomy-curves", curves.join(""));
    draw(".anatomy-strength", `<path d="${profileOf(tile)}"/>`);
    find(".anatomy-names").innerHTML = run.marks[tile].map(([c, step, p]) =>
      `<span data-guide="${rank(c) >= 0}" style="left:${percent(Math.min(0.97, step / run.total))};
        bottom:${percent(p)}">${escapeText(run.classes[c])}</span>`).join("");
    find(".plot-ticks").innerHTML = ticksOf();
    const since = find(".anatomy-since");
    const step = run.decided[tile];
    since.hidden = step === null;
    since.style.left = percent(step / run.total);
    since.style.bottom = percent(pAsked(run.indices.indexOf(step ?? run.indices[0]), tile));
    find(".anatomy-verdict").textContent = run.verdicts[tile];
    plot.setAttribute("aria-label", `p(${run.asked[tile]} | x̂0) over ${run.total} steps: ${
      run.verdicts[tile]}; ${pAsked(run.t.length - 1, tile).toFixed(2)} at the end`);
  }

  function draw(selector, paths) {
    find(selector).setAttribute("viewBox", `0 0 ${run.total} 1`);
    find(selector).innerHTML = paths;
  }

  function lineOf(tile, c) {
    return curveOf(run.indices.map((step, k) => [step, pOf(k, tile, c)]));
  }

  function profileOf(tile) {
    const force = run.t.map((_, k) => Math.abs(numberOf("strength", k, tile) - method.neutral));
    const most = Math.max(...force, 1e-9);
    return barsOf(force.map((f) => f / most), [0, ...run.indices]);
  }

  function ticksOf() {
    const marks = Math.min(run.total, root.clientWidth > 640 ? 10 : 4);
    const steps = Array.from({ length: marks + 1 }, (_, j) => stepNearest((j / marks) * run.total));
    return ticksBelow([...new Set(steps)].map((k) => ({ place: run.indices[k] / run.total, label: run.t[k] })));
  }

  function putNumbers(k, tile) {
    const of = (name) => numberOf(name, k, tile);
    const scale = (name) => (of(name) >= 0 ? `±${Number(of(name).toPrecision(2))}` : "");
    const share = `${figure((100 * of("push")) / of("eps"))} % of ${figure(of("eps"))}`;
    /** @type {Record<string, any>} */
    const texts = {
      ...Object.fromEntries(["strength", "push"].map((name) => [name, figure(of(name))])),
      rescale: figure(run?.rescale),
      factor: figure(run?.numbers.factor[k]),
      noise: figure(Math.sqrt(1 - run?.numbers.abar[k])),
      cosine: fixed(of("cosine"), 3),
      share,
      push_scale: scale("push_scale"),
      gradient_scale: scale("gradient_scale"),
      t: run?.t[k] ?? "–",
      left: run?.left[k] ?? "–",
      tile: tile + 1 + (run?.first ?? 0),
    };
    for (const cell of findAll("[data-number]")) {
      cell.textContent = texts[cell.dataset.number];
    }
    find(".anatomy-p").innerHTML = (run?.wanted[tile] ?? []).map((c) =>
      `<span><i>p</i>(${escapeText(run.classes[c])} | ${X0}) = <b class="mono" data-guide="true">${
        k < 0 ? "–" : pOf(k, tile, c).toFixed(3)}</b></span>`).join("");
    const rests = k >= 0 && of("strength") === method.neutral;
    find(".anatomy-rest").textContent = rests ? `Guidance rests at this step.${run.method === "cfg" ? " s = 1 is the conditional model itself." : ""}`
      : k < 0 ? "Nothing is predicted before the first step." : "";
  }

  /** @param {{ name: string, over?: string }} picture */
  function paintPicture({ name, over }, k) {
    const canvas = find(`[data-picture=${name}]`);
    const [h, w] = run?.shape ?? [1, 1];
    for (const sized of [canvas, scratch]) resize(sized, w, h);
    const ink = canvas.getContext("2d");
    ink.clearRect(0, 0, w, h);
    canvas.hidden = k < 0 || !run.sheets[name];
    if (canvas.hidden) return;
    if (!run.numbers[`${name}_scale`]) return drawTile(ink, name, k);
    if (over) {
      drawTile(ink, over, k);
      // The picture steps back, so that the heat over it can be told apart in both themes.
      ink.fillStyle = "rgb(0 0 0 / 45%)";
      ink.fillRect(0, 0, w, h);
    }
    const style = getComputedStyle(canvas);
    const [down, up] = ["--down", "--up"].map((side) => rgbOf(style.getPropertyValue(side)));
    drawTile(pen, name, k);
    const image = pen.getImageData(0, 0, w, h);
    heat(image.data, down, up);
    pen.putImageData(image, 0, 0);
    ink.drawImage(scratch, 0, 0);
  }

  function drawTile(ink, name, k) {
    ink.clearRect(0, 0, ink.canvas.width, ink.canvas.height);
    drawCell(ink, run.sheets[name], run.shape, k * run.tiles + tileHere());
  }

  function rgbOf(colour) {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data;
  }
}

// --- pieces that know nothing of a run --------------------------------------------------------

function skeleton() {
  const cells = LEDGER.map(([name, label, guide, meant]) =>
    `<div><dt class="soft"><span ${term(meant, -1)}>${label}</span></dt><dd data-number="${name}" data-guide="${guide}"></dd></div>`);
  return `
    <div class="anatomy-readout line"><span class="anatomy-p cut" ${term("p(class)")}></span><span class="anatomy-where soft">
      <span class="anatomy-tile">tile <b data-number="tile"></b></span>
      step from <i ${term("t", -1)}>t</i> = <b class="anatomy-t here" data-number="left"></b>
      to <b class="anatomy-t here" data-number="t"></b></span>
      <span class="anatomy-verdict note cut" ${term("decided at", -1)}></span></div>
    <div class="anatomy-plot plot-time" role="img" aria-label="p(class) over the steps: none yet">
      <div class="anatomy-area">
        <svg class="anatomy-curves plot-stretched" preserveAspectRatio="none" aria-hidden="true"></svg>
        <span class="soft mono" style="bottom:100%">1</span>
        <span class="soft mono" style="bottom:50%">0.5</span>
        <div class="anatomy-names soft"></div><i class="anatomy-since" hidden></i>
      </div>
      <svg class="anatomy-strength plot-stretched" preserveAspectRatio="none" aria-hidden="true"></svg>
      <i class="anatomy-letter small" data-term="s"></i><i class="plot-cursor"></i>
      <div class="anatomy-ghost" hidden><span class="mono"></span></div>
    </div>
    <div class="plot-ticks mono" aria-hidden="true"></div>
    <div class="anatomy-pictures"></div>
    <div class="anatomy-sums"><div class="anatomy-formula"><div class="anatomy-equation"></div>
      <p class="anatomy-rest note"></p></div><dl class="anatomy-ledger small">${cells.join("")}</dl></div>
    <p class="anatomy-note note instead"></p>`;
}

function figureOf({ name, symbol, words }) {
  const legend = ["push", "gradient"].includes(name)
    ? `<p class="anatomy-legend line soft">darker<i></i>lighter
        <b data-number="${name}_scale" data-guide="true"></b></p>` : "";
  const label = words.replace("conditional", "conditional prediction");
  return `<figure data-of="${name}"><figcaption class="cut"><b>${symbol}</b> <span ${
    term(words.replace(/^the /, ""), -1)}>${words}</span></figcaption>
    <div class="mat"><canvas data-picture="${name}" role="img" aria-label="${label}">
    </canvas></div>${legend}</figure>`;
}

// Grey bytes around 128 become one colour of either sign, the more opaque the further from 0.
function heat(data, down, up) {
  for (let p = 0; p < data.length; p += 4) {
    const value = data[p] - 128;
    const colour = value < 0 ? down : up;
    for (let c = 0; c < 3; c++) data[p + c] = colour[c];
    data[p + 3] = Math.min(255, 2 * Math.abs(value));
  }
}

function percent(part) {
  return `${(100 * part).toFixed(2)}%`;
}
