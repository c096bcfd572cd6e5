// What the page's components share: their values, their pictures, and how they are held.

import { bytesOf } from "./numbers.js";

/** Mount a component: its module gets its element as `root` and what the server told of it as
    `options`. The function that `mount` returns hears each value. A component stays as long as the
    page: Gradio hides a tab that is left, and a fold that is closed. */
export function begin(mount, given) {
  const root = given.element.querySelector(".widget");
  const receive = mount({ ...given, root, options: JSON.parse(root.dataset.options),
    on: (target, type, act, more) => target.addEventListener(type, act, more),
    find: (selector) => root.querySelector(selector),
    findAll: (selector) => [...root.querySelectorAll(selector)],
    /** When the size of an element changes; in a tab that is not open it has none. */
    onSize: (target, act) => new ResizeObserver(() => target.clientWidth && act()).observe(target),
  });
  if (!receive) return;
  let newest = 0;
  const hear = () => {
    // Gradio hands out reactive proxies; a plain copy is cheaper to read.
    const value = JSON.parse(JSON.stringify(given.props.value ?? null));
    // Late news of a run that another has overtaken is not heard.
    if (value === null || value.order < newest) return;
    newest = value.order ?? newest;
    receive(value);
  };
  hear();
  given.watch("value", hear);
}

/** @returns {HTMLElement} */
export function playerOf(id) {
  return document.querySelector(`#${CSS.escape(id)} .player`);
}

/** Hear where the cursor of a player is, now and from now on: its index, t, tile and run. */
export function followPlayer(id, on, hear) {
  on(document, "player:cursor", ({ target, detail }) => target === playerOf(id) && hear(detail));
  const { index, t, tile, run } = playerOf(id)?.dataset ?? {};
  if (t !== undefined) hear({ index: Number(index), t: Number(t), tile: Number(tile), run });
}

/** Gradio changes the theme when the system does: a canvas has to be painted in its new colours. */
export function onTheme(on, paint) {
  on(matchMedia("(prefers-color-scheme: dark)"), "change", () => setTimeout(paint));
}

/** Calls an act before the next picture of the screen, once, however often it is asked to. */
export function atNextFrame(act) {
  let due = 0;
  return () => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      act();
    });
  };
}

export async function decode(sheet) {
  /** @type {ImageBitmapOptions} */
  const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  return createImageBitmap(await (typeof sheet === "string" ? unpack(sheet) : load(sheet)), exact);
}

async function load(file) {
  // A file never changes, and the last news of a run comes twice.
  const reply = await fetch(file.url, { cache: "force-cache" });
  if (!reply.ok) throw new Error(`sheet: ${reply.status}`);
  return reply.blob();
}

/** A data URI, which the page's security policy lets nobody fetch. */
function unpack(uri) {
  return new Blob([bytesOf(uri.slice(uri.indexOf(",") + 1))], { type: "image/png" });
}

/** The sheets of a value, by name, all of them or none. */
export async function decodeAll(sheets) {
  const decoded = {};
  const ended = await Promise.allSettled(Object.entries(sheets).map(async ([name, sheet]) => {
    decoded[name] = await decode(sheet);
  }));
  const failed = ended.find((one) => one.status === "rejected");
  if (!failed) return decoded;
  closeAll(decoded);
  throw failed.reason;
}

/** Give their memory back at once: nothing else does before long. */
export function closeAll(sheets) {
  for (const name in sheets) sheets[name].close();
}

/** Draw the picture with number i of a sheet, on which all are of one size. */
export function drawCell(ink, sheet, [h, w], i, left = 0, top = 0) {
  const across = sheet.width / w;
  ink.drawImage(sheet, (i % across) * w, Math.floor(i / across) * h, w, h, left, top, w, h);
}

/** The picture with number i of so many, given as bytes. */
export function imageOf(bytes, [, h, w, channels], i = 0) {
  const image = new ImageData(w, h);
  for (let p = 0, q = i * h * w * channels; p < image.data.length; p += 4, q += channels) {
    for (let c = 0; c < 3; c++) image.data[p + c] = bytes[q + (c % channels)];
    image.data[p + 3] = 255;
  }
  return image;
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

export function resize(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

export function escapeText(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span.innerHTML.replaceAll('"', "&quot;");
}

/** The attributes of a term of the glossary, see hint.js. Of a group, one has the order 0, the
    others -1. */
export function term(name, order = 0) {
  return `tabindex="${order}" data-term="${escapeText(name)}"`;
}

/** A text as HTML, in which these names are terms of the glossary. */
export function withTerms(text, names) {
  const look = (name) => name.replace("x_t", "<i>x</i><sub>t</sub>")
    .replace("x̂0", "<i>x̂</i><sub>0</sub>");
  return escapeText(text).replace(new RegExp(names.join("|"), "g"),
    (name) => `<span ${term(name, -1)}>${look(name)}</span>`);
}

/** The first of some elements that is on view, once one is: a tab that opens takes its time. Null
    after four seconds, or once it is `overtaken`. */
export async function onView(selectors, overtaken) {
  const end = performance.now() + 4000;
  while (performance.now() < end && !overtaken()) {
    for (const selector of selectors) {
      const element = document.querySelector(selector);
      if (element?.getClientRects().length) return element;
    }
    await new Promise(requestAnimationFrame);
  }
  return null;
}

/** Tell what one pointer at a time does that holds an area. A finger may be about to scroll the
    page instead: it is not heard before it moves across, or is lifted where it was put. */
export function listenToHold(area, on, { begin, move, end = () => {} }) {
  const ACROSS = 6; // pixels
  let holding = null; // which pointer
  let waiting = null; // how a finger began
  on(area, "pointerdown", (event) => {
    if (event.button) return;
    if (event.isPrimary) holding = waiting = null; // whatever held before has let go unheard
    if (holding !== null || waiting) return;
    if (event.pointerType === "touch") waiting = event;
    else hold(event);
  });
  on(area, "pointermove", (event) => {
    if (waiting?.pointerId === event.pointerId
      && Math.abs(event.clientX - waiting.clientX) > ACROSS) hold(waiting);
    if (holding === event.pointerId) move(event);
  });
  on(area, "pointerup", (event) => {
    if (waiting?.pointerId !== event.pointerId) return;
    waiting = null;
    begin(event);
    end();
  });
  on(area, "pointercancel", (event) => {
    if (waiting?.pointerId === event.pointerId) waiting = null;
  });
  on(area, "lostpointercapture", (event) => {
    // What a finger first touched within the area loses it to the area.
    if (event.target !== area || holding !== event.pointerId) return;
    holding = null;
    end();
  });

  function hold(event) {
    waiting = null;
    holding = event.pointerId;
    area.setPointerCapture(holding);
    begin(event);
  }
}
