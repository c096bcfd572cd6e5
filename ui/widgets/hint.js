// Says what a term or a symbol is: one tip for every element with a data-hint, in whichever component
// it stands, on hover, on focus and on a tap. Of several in a group (data-hints) Tab comes to one, and
// the arrows go on from there. The tip is the browser's own popover: it lies over the page, and
// nothing cuts it off. Not `popover="auto"`, whose Escape would be heard by the tour as well.

import { clamp, escapeText } from "./component.js";
import { walk } from "./plot.js";

const LINGER = 160; // ms, so that the pointer can cross over to the tip
const GAP = 8;
const tip = Object.assign(document.createElement("div"),
  { id: "hint", className: "hint widget card", popover: "manual", role: "tooltip" });
let here = null; // what is explained
let closing = 0;

listen();

/** The attributes of an element that is explained; the explanation is HTML. */
export function hint(explanation) {
  return `tabindex="0" data-hint="${escapeText(explanation)}"`;
}

function listen() {
  const on = (type, act, options) => document.addEventListener(type, act, options);
  on("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const term = termOf(event.target);
    if (term || tip.contains(event.target)) clearTimeout(closing);
    if (term) show(term);
  });
  on("pointerout", (event) => {
    if (event.pointerType === "touch" || !here) return;
    if (termOf(event.target) || tip.contains(event.target)) leave();
  });
  for (const type of ["focusin", "click"]) {
    on(type, ({ target }) => {
      const term = termOf(target);
      if (term) enter(term);
      else if (!tip.contains(target)) hide();
    });
  }
  on("focusout", (event) => termOf(event.target) && hide());
  // Ahead of the page's own keys: arrows here go from symbol to symbol.
  on("keydown", onKey, { capture: true });
  on("player:cursor", () => here && requestAnimationFrame(() => here && fill()));
  addEventListener("scroll", place, { capture: true, passive: true });
  addEventListener("resize", place);
}

function termOf(target) {
  return target.closest?.("[data-hint]");
}

function groupOf(term) {
  return [...(term.closest("[data-hints]")?.querySelectorAll("[data-hint]") ?? [])];
}

function enter(term) {
  for (const other of groupOf(term)) other.tabIndex = other === term ? 0 : -1;
  show(term);
}

function leave() {
  clearTimeout(closing);
  closing = setTimeout(() => {
    const focused = termOf(document.activeElement);
    if (focused?.matches(":focus-visible")) show(focused);
    else hide();
  }, LINGER);
}

function show(term) {
  clearTimeout(closing);
  if (here === term) return;
  hide();
  here = term;
  if (!tip.isConnected) (document.querySelector("main") ?? document.body).append(tip);
  tip.showPopover();
  fill();
  here.dataset.named = "";
  here.setAttribute("aria-describedby", tip.id);
  place();
}

function place() {
  if (!here) return;
  const box = here.getBoundingClientRect();
  if (!box.width || box.bottom < 0 || box.top > innerHeight) return hide();
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = box.left + box.width / 2 - width / 2;
  const above = box.top - height - GAP;
  tip.style.left = `${clamp(left, 8, Math.max(8, innerWidth - width - 8))}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + GAP}px`;
}

function fill() {
  const { hint, now, symbol } = here.dataset;
  const look = here.cloneNode(true);
  for (const cell of look.querySelectorAll("[data-number]")) cell.remove();
  const shown = symbol ? `<span class="hint-look">${look.innerHTML}</span>` : "";
  const value = now ? `<span class="hint-now mono">${now}</span>` : "";
  tip.innerHTML = `${shown}${value}<span>${hint}</span>`;
  tip.style.setProperty("--at", getComputedStyle(here).getPropertyValue("--at") || "0");
}

function hide() {
  clearTimeout(closing);
  if (!here) return;
  delete here.dataset.named;
  here.removeAttribute("aria-describedby");
  here = null;
  tip.hidePopover();
}

function onKey(event) {
  if (event.key === "Escape" && here) {
    event.stopImmediatePropagation();
    return hide();
  }
  const term = termOf(event.target);
  const group = term ? groupOf(term) : [];
  const at = group.indexOf(term);
  const to = [" ", "Enter"].includes(event.key) ? at : walk(event, at, group.length, true);
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  group[to].focus();
  show(group[to]);
}
