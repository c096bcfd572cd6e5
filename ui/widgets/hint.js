// Says what a term, a symbol or a control is: one tip for whatever has an explanation of its own
// (data-hint), is a term of the glossary (data-term), or has a label of Gradio's that is one.
//
// A pointer over it is enough, or a tap; of what is pressed as well, it has to rest. By key, a term is
// explained when it has the focus, a control at "?". Of several terms in a group (data-hints) Tab
// comes to one, and the arrows go on from there. Escape closes the tip. Assistive technology hears of
// a control, as its description, what the tip would say.
//
// The tip is the browser's own popover: it lies over the page, and nothing cuts it off; hint.css ties
// it to what it explains. Not `popover="auto"`, whose Escape would be heard by the tour as well.

import { walk } from "./plot.js";

const OWN = "[data-hint], [data-term]";
const REST = 350; // ms
const LINGER = 160; // ms, so that the pointer can cross over to the tip
const tip = Object.assign(document.createElement("div"),
  { id: "hint", className: "hint widget card", popover: "manual", role: "tooltip" });
let glossary = null; // what each name means, as HTML, once it was needed
let coming = null;
let here = null; // what is explained
let asker = null; // it, or the control that it names
let asked = null; // what is to be, as soon as the glossary is there
let under = null; // what the pointer is over
let timer = 0;

listen();
(document.querySelector("main") ?? document.body).append(tip);

function listen() {
  const on = (type, act, options) => document.addEventListener(type, act, options);
  // Not pointerover: what the page moves under a pointer that rests is not asked for.
  on("pointermove", ({ target, pointerType, buttons }) => {
    if (pointerType !== "touch" && !buttons) goOver(tip.contains(target) ? here : termOf(target));
  }, { passive: true });
  on("pointerout", ({ relatedTarget }) => relatedTarget || goOver(null));
  on("pointerdown", ({ target, pointerType }) => {
    const pressed = pointerType !== "touch" && termOf(target);
    if (pressed && isPressed(pressed)) hide(); // until the pointer has left it
  });
  on("click", onClick);
  // What a finger asked about is on its way out of sight.
  on("scroll", () => tip.dataset.tapped === "true" && hide(), { capture: true, passive: true });
  on("focusin", ({ target }) => {
    const own = target.closest(OWN);
    if (own && !isPressed(own)) return enter(own);
    if (!tip.contains(target)) hide();
    describe(target);
  });
  on("focusout", ({ target, relatedTarget }) => {
    if (home && !groupOf(home).includes(relatedTarget)) moveStop(home);
    const asking = tip.contains(target) || namesOf(target).includes(here);
    if (asking && !tip.contains(relatedTarget)) hide();
  });
  // Ahead of the page's own keys: arrows here go from symbol to symbol.
  on("keydown", onKey, { capture: true });
  on("player:cursor", () => here && requestAnimationFrame(() => here && fill()));
}

// --- what is explained, and how ---------------------------------------------------------------

function termOf(target) {
  return target.closest?.(OWN) ?? target.closest?.(window.gradio.named);
}

/** The names of what has the focus. */
function namesOf(control) {
  return [control.closest(OWN), ...window.gradio.namesOf(control)].filter(Boolean);
}

/** Whether it has another use than to be explained. */
function isPressed(named) {
  return named.matches("button, label");
}

function groupOf(named) {
  const all = named.closest("[data-hints]")?.querySelectorAll(OWN) ?? [];
  return [...all].filter((one) => !isPressed(one));
}

function meaningOf(named) {
  const { hint, term: name } = named.dataset;
  return hint ?? glossary?.[name ?? named.textContent.trim()];
}

function load() {
  coming ??= fetch(new URL("glossary.json", import.meta.url))
    .then((reply) => reply.json())
    .then((meanings) => (glossary = meanings))
    .catch(() => (coming = null)); // asked for again when it is needed again
  return coming;
}

// --- hands ------------------------------------------------------------------------------------

function goOver(named) {
  if (named === under) return;
  under = named;
  clearTimeout(timer);
  if (!named) timer = setTimeout(leave, LINGER);
  else if (named.matches(OWN) && !isPressed(named)) show(named);
  else if (named !== here) timer = setTimeout(show, REST, named);
}

function leave() {
  const focused = document.activeElement.closest(OWN);
  if (focused?.matches(":focus-visible") && !isPressed(focused)) show(focused);
  else hide();
}

function onClick(event) {
  const named = termOf(event.target);
  const tapped = event.pointerType === "touch";
  // The tap on a label would go on to its field, and call the keyboard.
  if (tapped && named && !isPressed(named)) event.preventDefault();
  if (named === here || tip.contains(event.target)) return;
  if (!named || (isPressed(named) && !tapped)) hide();
  else show(named, tapped);
}

function onKey(event) {
  if (event.key === "Escape" && here) {
    event.stopImmediatePropagation();
    if (tip.contains(document.activeElement)) asker.focus();
    return hide();
  }
  const own = event.target.closest(OWN);
  if (event.key === "?" && namesOf(event.target).length) return askAbout(event);
  const group = own ? groupOf(own) : [];
  const at = group.indexOf(own);
  const to = [" ", "Enter"].includes(event.key) ? at : walk(event, at, group.length, true);
  if (at < 0 || isPressed(own) || to === undefined) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  group[to].focus();
  enter(group[to]); // where the focus is already, too
}

let home = null; // where Tab comes to the group that has the focus

function enter(own) {
  const group = groupOf(own);
  if (!group.includes(home)) home = group.find((one) => one.tabIndex === 0);
  if (home) moveStop(own);
  show(own);
}

/** Tab goes on from there, as well. */
function moveStop(to) {
  for (const one of groupOf(to)) one.tabIndex = one === to ? 0 : -1;
}

/** Of a choice among some, once more asks what they are a choice of. */
async function askAbout(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
  await load();
  const names = namesOf(event.target).filter(meaningOf);
  if (names.length && event.target === document.activeElement) {
    show(names[(names.indexOf(here) + 1) % names.length]);
  }
}

// --- the tip ----------------------------------------------------------------------------------

function show(named, tapped = false) {
  clearTimeout(timer);
  asked = named;
  if (!named.dataset.hint && !glossary) {
    load().then(() => glossary && asked === named && show(named, tapped));
    return;
  }
  if (here === named) return;
  hide();
  if (!meaningOf(named)) return;
  here = named;
  tip.dataset.tapped = String(tapped);
  tip.dataset.of = named.matches(OWN) ? "term" : "control";
  const focused = document.activeElement;
  asker = namesOf(focused).includes(named) ? focused : named;
  // The link of a tip comes next after what it explains.
  tip.showPopover({ source: asker });
  fill();
  here.dataset.named = isPressed(named) ? "pressed" : "";
  if (named.matches(OWN)) here.setAttribute("aria-describedby", tip.id);
}

function fill() {
  const { now, symbol } = here.dataset;
  const look = here.cloneNode(true);
  for (const cell of look.querySelectorAll("[data-number]")) cell.remove();
  const shown = symbol ? `<span class="hint-look">${look.innerHTML}</span>` : "";
  const value = now ? `<span class="hint-now mono">${now}</span>` : "";
  const content = `${shown}${value}<span>${meaningOf(here)}</span>`;
  if (tip.dataset.content !== content) tip.innerHTML = tip.dataset.content = content;
  tip.style.setProperty("--at", getComputedStyle(here).getPropertyValue("--at") || "0");
}

function hide() {
  clearTimeout(timer);
  asked = null;
  if (!here) return;
  delete here.dataset.named;
  if (here.getAttribute("aria-describedby") === tip.id) here.removeAttribute("aria-describedby");
  here = null;
  tip.hidePopover();
}

/** For assistive technology, which would not know of "?". */
async function describe(control) {
  if (!namesOf(control).length) return;
  await load();
  const meaning = namesOf(control).map(meaningOf).find(Boolean);
  if (!meaning) return control.removeAttribute("aria-description");
  const words = Object.assign(document.createElement("p"), { innerHTML: meaning });
  control.setAttribute("aria-description", words.textContent);
}
