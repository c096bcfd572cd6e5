import { onView, playerOf, withTerms } from "../component.js";

const KNOWN = "tour"; // to the browser, once it was taken or declined
const FOLLOWS = 4000; // ms that a control which is pushed about is kept in view
const NARROW = "(max-width: 700px)"; // the card docks at the bottom; tour.css says the same

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
  let home = null; // where the visitor was: the place, and the cursors of the runs

  find(".tour-offer").hidden = window.page.remembered(KNOWN) !== null;
  starter.addEventListener("click", () => (at < 0 ? start() : end()));
  find(".tour-decline").addEventListener("click", () => {
    becomeKnown();
    starter.focus();
  });

  function becomeKnown() {
    find(".tour-offer").hidden = true;
    window.page.remember(KNOWN, "known");
  }

  function start() {
    becomeKnown();
    home = { place: window.page.here(), cursors: cursorsOf(steps) };
    undo = new AbortController();
    document.addEventListener("keydown", onKey, { signal: undo.signal });
    card.onclick = onClick;
    (document.querySelector("main") ?? document.body).append(card);
    card.hidden = false;
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
    delete root.dataset.step;
    starter.setAttribute("aria-expanded", "false");
    starter.focus({ preventScroll: true });
  }

  async function go(step) {
    const mine = (ticket += 1);
    at = step;
    const { chapter, tab, title, text, targets } = steps[at];
    pointAt(null);
    const words = { chapter, title, text, count: `${at + 1} of ${steps.length}`,
      next: at === steps.length - 1 ? "Done" : "Next" };
    for (const name in words) part(name).innerHTML = withTerms(words[name], ["x_t", "x̂0"]);
    card.querySelector("[data-term]")?.setAttribute("tabindex", "0");
    part("back").disabled = at === 0;
    if (document.activeElement === document.body) part("next").focus({ preventScroll: true });
    root.dataset.step = at + 1;
    root.dataset.found = "looking";
    window.page.open(tab);
    const control = await onView(targets, () => mine !== ticket);
    if (mine !== ticket) return;
    pointAt(control);
    root.dataset.found = control ? "yes" : "no";
    if (control) keepInView(mine);
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

  /** Now, and while what a tab shows when it is opened pushes its controls about, until a hand
      moves. */
  async function keepInView(mine) {
    const hands = new AbortController();
    for (const type of ["pointerdown", "wheel", "keydown"]) {
      document.addEventListener(type, () => hands.abort(), { signal: hands.signal });
    }
    let before = NaN;
    for (const end = performance.now() + FOLLOWS; performance.now() < end; ) {
      const here = target.getBoundingClientRect().top;
      if (here === before || Number.isNaN(before)) bringIntoView(); // not while it still moves
      before = here;
      await new Promise((resolve) => setTimeout(resolve, 250));
      if (hands.signal.aborted || mine !== ticket) break;
    }
    hands.abort();
  }

  function bringIntoView() {
    const isNarrow = matchMedia(NARROW).matches;
    const room = isNarrow ? card.offsetHeight + 14 : 0;
    // So that the last of a page can come to stand above a docked card.
    document.documentElement.style.setProperty("--tour-room", `${room}px`);
    // Right above it, for a stage that stays in view covers what is further up.
    const { top, bottom } = target.getBoundingClientRect();
    const block = isNarrow ? "end" : "center";
    if (!isNarrow && top >= 8 && bottom <= innerHeight - 8) return;
    target.scrollIntoView({ block, behavior: stillness.matches ? "instant" : "smooth" });
  }

  function pointAt(control) {
    if (target) delete target.dataset.toured;
    target = control;
    if (target) target.dataset.toured = "here";
    // Beside a control; but nothing of a stage is ever covered, where there is room beside it.
    card.dataset.place = target?.closest(".control-column") ? "beside" : "foot";
  }

  // --- hands ------------------------------------------------------------------------------

  function onKey(event) {
    if (event.key === "Escape" && !event.defaultPrevented) return end();
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
    if (card.contains(event.target) && isPlain && /^Arrow(Left|Right)$/.test(event.key)) {
      event.preventDefault();
      return event.key === "ArrowRight" ? forward() : back();
    }
    if (event.key !== "Tab") return;
    // The card stands after the control that it points at, whatever the page says.
    const last = target && reachable(target).at(-1);
    const first = card.querySelector("[tabindex='0'], button:not(:disabled)");
    const to = event.shiftKey ? event.target === first && last
      : event.target === last && part("next");
    if (!to) return;
    event.preventDefault();
    to.focus({ preventScroll: true });
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
}

// --- pieces that know nothing of the tour's state -----------------------------------------------

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
  const inside = [target, ...target.querySelectorAll("*")].filter((one) =>
    one.tabIndex >= 0 && !one.disabled && one.getClientRects().length);
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
  card.dataset.hints = "";
  card.setAttribute("role", "dialog");
  card.setAttribute("aria-modal", "false");
  card.setAttribute("aria-labelledby", "tour-title");
  card.innerHTML = `<div aria-live="polite"><p class="tour-chapter soft"></p><p class="line"><b class="tour-title"
    id="tour-title"></b><span class="tour-count mono soft"></span></p><p class="tour-text"></p></div>
    <p class="tour-buttons"><button type="button" class="tour-skip button quiet" data-do="skip">Skip</button>
    <button type="button" class="tour-back button" data-do="back">Back</button>
    <button type="button" class="tour-next button inked" data-do="next">Next</button></p>`;
  return card;
}
