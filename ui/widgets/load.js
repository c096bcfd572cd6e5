// What every component's js_on_load calls: it mounts the component's module, once the style of all
// of them is there, and what the component begins with.

import "./hint.js";
import "./why/why.js";
import { begin } from "./component.js";

const LOST = "This part of the page could not be loaded. Reload the page.";
const styled = addStyle();

/** Mount the module of this name; `given` is what Gradio hands to js_on_load. */
export async function show(name, given) {
  try {
    const module = import(`./${name}/${name}.js`);
    const [{ mount }] = await Promise.all([module, styled, fetchOptions(given), fetchValue(given)]);
    begin(mount, given);
  } catch (error) {
    given.element.dataset.lost = "yes";
    given.element.textContent = LOST;
    throw error;
  }
}

async function fetchOptions({ element }) {
  const root = element.querySelector("[data-stored]");
  if (root) root.dataset.options = await (await stored(root.dataset.stored)).text();
}

async function fetchValue({ props }) {
  const { kind, file } = props.value ?? {};
  if (kind !== "stored") return;
  const value = await (await stored(file)).json();
  if (props.value?.file === file) props.value = value; // unless the server has told of another
}

async function stored(file) {
  const reply = await fetch(new URL(file, import.meta.url));
  if (!reply.ok) throw new Error(`${file}: ${reply.status}`);
  return reply;
}

function addStyle() {
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: new URL("style.css", import.meta.url) });
  document.head.append(link);
  return new Promise((resolve, reject) => Object.assign(link, { onload: resolve, onerror: reject }));
}
