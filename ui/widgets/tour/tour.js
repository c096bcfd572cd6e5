import { onView, playerOf } from "../component.js";

const KNOWN = "learning-the-noise:tour"; // in localStorage, once it was taken or declined
const FOLLOWS = 4000; // ms that a control which is pushed about is kept in view
const NARROW = "(max-width: 700px)"; // the card docks at the bottom; tour.css says the same
const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']";

export function mount({ root, find, options: { steps } }) {
  root.innerHTML = invitation();
  const starter = find(".tour-start");
  const card = makeCard();
  /** @returns {HTMLButtonElement} */
  const part = (name) => card.querySelector(`.tour-${name}`);
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  let at = -1; // which step; -1 while there is no tour
  let target = null;
  let ticket = 0;
  let undo = null; // ends what listens for the length of the tour
  let done = []; // the steps that were ticked off
  let home = null; // where the visitor was: the place, and the cursors of the runs

  find(".tour-offer").hidden = isKnown();
  root.dataset.state = "idle";
  starter.addEventListener("click", () => (at < 0 ? start() : end()));
  find(".tour-decline").addEventListener("click", () => {
    remember();
    starter.focus();
  });

  function start() {
    remember();
    home = { place: window.page.here(), cursors: cursorsOf(steps) };
    done = steps.map(() => false);
    undo = new AbortController();
    const options = { signal: undo.signal };
    const on = (where, type, act, more) => where.addEventListener(type, act, { ...options, ...more });
    on(document, "keydown", onKey);
    on(card, "keydown", onCardKey);
    on(card, "click", onClick);
    for (const type of new Set(steps.flatMap(({ deed }) => deed.split(" ").filter(Boolean)))) {
      on(document, type, onDeed, { capture: true });
    }
    (document.querySelector("main") ?? document.body).append(card);
    card.hidden = false;
    root.dataset.state = "open";
    starter.setAttribute("aria-expanded", "true");
    go(0);
    part("next").focus({ preventScroll: true });
  }

  function end() {
    if (at < 0) return;
    undo.abort();
    ticket += 1;
    at = -1;
    pointAt(null);
    home.cursors.forEach(putBack);
    window.page.open(home.place);
    card.hidden = true;
    document.documentElement.style.removeProperty("--tour-room");
    root.dataset.state = "idle";
    delete root.dataset.step;
    starter.setAttribute("aria-expanded", "false");
    starter.focus({ preventScroll: true });
  }

  async function go(step) {
    const mine = (ticket += 1);
    at = step;
    const { chapter, tab, title, text, targets } = steps[at];
    pointAt(null);
    part("chapter").textContent = chapter;
    part("title").textContent = title;
    part("text").textContent = text;
    part("count").textContent = `${at + 1} of ${steps.length}`;
    part("back").disabled = at === 0;
    part("next").textContent = at === steps.length - 1 ? "Done" : "Next";
    if (document.activeElement === document.body) part("next").focus({ preventScroll: true });
    tick();
    root.dataset.step = at + 1;
    root.dataset.found = "looking";
    window.page.open(tab);
    const found = await onView(targets, () => mine !== ticket);
    if (mine !== ticket) return;
    pointAt(found);
    bringIntoView();
    root.dataset.found = found ? "yes" : "no";
    keepInView(mine);
    setStage(steps[at], () => mine !== ticket);
  }

  /** Show on the stage of a step what it speaks of, once there is a run. */
  async function setStage({ tab, plays, at: part }, overtaken) {
    if (!plays && part === null) return;
    const film = `#${tab}-stage .player[data-state=film]`;
    if (!await onView([film], overtaken) || overtaken()) return;
    const player = playerOf(`${tab}-stage`);
    const moves = plays && !stillness.matches;
    seek(player, moves ? 0 : Math.round((part ?? 1) * (Number(player.dataset.frames) - 1)));
    if (moves) player.dispatchEvent(new KeyboardEvent("keydown", { key: " ", code: "Space" }));
  }

  /** What a tab shows when it is opened pushes its controls about: follow, until a hand moves. */
  async function keepInView(mine) {
    let touched = false;
    const hands = new AbortController();
    for (const type of ["pointerdown", "wheel", "keydown"]) {
      document.addEventListener(type, () => (touched = true), { signal: hands.signal });
    }
    let before = NaN;
    for (const end = performance.now() + FOLLOWS; performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      if (touched || mine !== ticket || !target) break;
      const here = target.getBoundingClientRect().top;
      if (here === before) bringIntoView(); // not while it still moves
      before = here;
    }
    hands.abort();
  }

  function pointAt(found) {
    if (target) delete target.dataset.toured;
    target = found;
    if (target) target.dataset.toured = "here";
    // Beside a control; but nothing of a stage is ever covered, where there is room beside it.
    card.dataset.place = target?.closest(".control-column") ? "beside" : "foot";
  }

  // --- ticking off ------------------------------------------------------------------------

  function onDeed(event) {
    const { deed } = steps[at];
    if (!target?.contains(event.target) || !deed.split(" ").includes(event.type)) return;
    if (event.type === "keydown" && !/^(Arrow|Page|Home|End|Enter| )/.test(event.key)) return;
    done[at] = true;
    tick();
  }

  function tick() {
    card.dataset.done = String(Boolean(done[at]));
    part("done").textContent = done[at] ? "✓ done" : "";
  }

  // --- keys -------------------------------------------------------------------------------

  function onKey(event) {
    if (event.key === "Escape" && !event.defaultPrevented) return end();
    if (event.key !== "Tab" || event.shiftKey || !target?.contains(event.target)) return;
    // The card stands after the control that it points at, whatever the page says.
    if (event.target !== reachable(target).at(-1)) return;
    event.preventDefault();
    part("next").focus({ preventScroll: true });
  }

  function onCardKey(event) {
    const act = { ArrowRight: forward, ArrowLeft: back }[event.key];
    if (act && !(event.ctrlKey || event.metaKey || event.altKey)) {
      event.preventDefault();
      event.stopPropagation(); // the player's arrows, too
      act();
    }
    const first = card.querySelector("button:not(:disabled)");
    if (event.key === "Tab" && event.shiftKey && event.target === first && target) {
      const inside = reachable(target);
      if (!inside.length) return;
      event.preventDefault();
      inside.at(-1).focus({ preventScroll: true });
    }
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (button) ({ skip: end, back, next: forward })[button.dataset.do]();
  }

  function forward() {
    if (at === steps.length - 1) end();
    else go(at + 1);
  }

  function back() {
    if (!at) return;
    go(at - 1);
    if (!at) part("next").focus({ preventScroll: true }); // the button is no more to be pressed
  }

  // --- place ------------------------------------------------------------------------------

  function bringIntoView() {
    const narrow = matchMedia(NARROW).matches;
    const box = target?.getBoundingClientRect();
    const top = narrow && box ? coverOf(target) : 0;
    // Where a tall control has little room between a stage and the card, the card covers the stage.
    const tall = box && box.height > innerHeight - card.offsetHeight - top;
    card.dataset.dock = tall && top >= card.offsetHeight ? "top" : "bottom";
    const room = narrow && card.dataset.dock === "bottom" ? card.offsetHeight + 14 : 0;
    // So that the last of a page can come to stand above a docked card.
    document.documentElement.style.setProperty("--tour-room", `${room}px`);
    if (!box) return;
    const bottom = innerHeight - room;
    if (box.top >= top + 8 && box.bottom <= bottom - 8) return;
    const middle = top + Math.max(8, (bottom - top - box.height) / 2);
    if (Math.abs(box.top - middle) < 1) return;
    const behavior = stillness.matches ? "instant" : "smooth";
    scrollBy({ top: box.top - middle, behavior });
  }

  /** How far down a stage that stays in view covers the page, for what is not in it. */
  function coverOf(found) {
    const covers = [...document.querySelectorAll(".player")].map((player) => {
      for (let up = /** @type {HTMLElement} */ (player); up && up !== document.body; up = up.parentElement) {
        if (getComputedStyle(up).position === "sticky") return up;
      }
      return null;
    });
    const heights = covers.map((up) => (up && !up.contains(found) ? up.offsetHeight : 0));
    return Math.max(0, ...heights);
  }

  // --- the first visit --------------------------------------------------------------------

  function remember() {
    find(".tour-offer").hidden = true;
    try {
      localStorage.setItem(KNOWN, "known");
    } catch {
      // Not to be remembered here: it will be offered again.
    }
  }
}

// --- pieces that know nothing of the tour's state -----------------------------------------------

function isKnown() {
  try {
    return localStorage.getItem(KNOWN) !== null;
  } catch {
    return false;
  }
}

/** Of each stage of the tour that shows a run: the run, and the step under its cursor. */
function cursorsOf(steps) {
  const players = [...new Set(steps.map(({ tab }) => `${tab}-stage`))].map(playerOf);
  return players.filter((player) => player?.dataset.run).map((player) =>
    ({ player, run: player.dataset.run, index: Number(player.dataset.index) }));
}

function putBack({ player, run, index }) {
  if (player.dataset.run === run) seek(player, index);
}

function seek(player, index) {
  player.dispatchEvent(new CustomEvent("player:seek", { detail: { index } }));
}

function reachable(target) {
  const inside = [target, ...target.querySelectorAll(FOCUSABLE)].filter((one) =>
    one.matches(FOCUSABLE) && !one.disabled && one.getClientRects().length);
  // Of a radio group, the keyboard comes to the chosen one.
  return inside.filter((one) => one.type !== "radio" || one.checked);
}

function invitation() {
  return `<p class="tour-offer note" hidden><span>New here? Three short chapters.</span>
    <button type="button" class="tour-decline button quiet" aria-label="No tour, thank you">×</button></p>
    <button type="button" class="tour-start button" aria-expanded="false">Tour</button>`;
}

function makeCard() {
  const card = document.createElement("div");
  card.className = "tour-card widget card";
  card.hidden = true;
  card.setAttribute("role", "dialog");
  card.setAttribute("aria-modal", "false");
  card.setAttribute("aria-labelledby", "tour-title");
  card.innerHTML = `<div aria-live="polite"><p class="tour-chapter soft"></p><p class="line"><b class="tour-title"
    id="tour-title"></b><span class="tour-count mono soft"></span></p><p class="tour-text"></p></div>
    <p class="tour-buttons"><button type="button" class="tour-skip button quiet" data-do="skip">Skip</button>
    <span class="tour-done" role="status"></span>
    <button type="button" class="tour-back button" data-do="back">Back</button>
    <button type="button" class="tour-next button inked" data-do="next">Next</button></p>`;
  return card;
}
