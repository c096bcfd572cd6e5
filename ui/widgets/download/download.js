// What is chosen lives here; the server is asked for a file whenever there is something to take,
// and whenever another choice is made.

import { escapeText } from "../component.js";

const TOLD = 1600; // milliseconds that a button says that it has copied

export function mount({ root, options, find, on, props, trigger }) {
  root.innerHTML = skeleton(options);
  let order = null; // of what there is to take; null while there is nothing
  let run = ""; // whose film it is
  let files = null;
  let png = null; // with the panes it shows; it outlasts another format of the film
  const frames = new Set(); // whose pictures are on their way
  let link = ""; // of the run that it hands over; the place may have a newer one

  setState("idle");
  on(root, "change", () => (order === null ? setState(root.dataset.state) : ask()));
  on(find(".download-file"), "click", () => save(files?.file, files?.name));
  on(find(".download-png"), "click", savePicture);
  if (options.place) on(find(".download-copy"), "click", copyLink);
  return receive;

  function receive(value) {
    if (value.kind === "asked") return;
    if (options.place) tellLink(value);
    if (["idle", "pending"].includes(value.kind)) {
      order = files = png = null;
      frames.clear();
      setState(value.kind);
    } else if (value.kind === "due") {
      // Gradio hands a value over more than once: it is asked for once.
      if (order === value.order) return;
      ({ order, run } = value);
      png = null;
      ask();
    } else if (value.frame !== null) {
      if (value.order !== order || !frames.delete(value.frame)) return; // it may be said again
      if (value.kind === "ready") save(value.png);
      else Object.assign(find(".download-png"), { disabled: true, title: value.message });
    } else if (value.order === order && isChosen(value)) {
      files = value.kind === "ready" ? value : null;
      if (files) png = { file: files.png, panes: value.panes };
      setState(value.kind, value.label ?? value.message);
    }
  }

  /** Where the run on a stage is known by its link: it may have begun, ended or been refused. */
  function tellLink({ kind, link: query = "" }) {
    const isGone = !options.of_tool && kind === "idle" && root.dataset.state !== "idle";
    if (!isGone && !query) return;
    window.page.linked(options.place, query, kind === "pending");
    link = window.page.link(options.place);
    find(".download-copy").disabled = !link;
    trigger("linked");
  }

  async function copyLink() {
    const button = find(".download-copy");
    const rest = atRest();
    await copy(rest ? `${link}&${rest.query}` : link);
    button.focus();
    button.firstChild.textContent = rest ? "Copied, at this step" : "Copied";
    setTimeout(() => (button.firstChild.textContent = "Copy link"), TOLD);
  }

  function atRest() {
    return options.of_tool ? null : window.page.rest(options.place);
  }

  /** Of the frame under the cursor, or else of the film's end. */
  function savePicture() {
    const frame = options.by_frame ? atRest()?.frame ?? null : null;
    if (frame === null) return save(png?.file);
    frames.add(frame);
    props.value = { kind: "asked", order, run, ...chosen(), frame };
    trigger("input");
  }

  function chosen() {
    return {
      format: find("input:checked").value,
      stride: Number(find(".download-stride").value),
      panes: find(".download-panes")?.value ?? options.chosen,
    };
  }

  function isChosen(value) {
    return Object.entries(chosen()).every(([name, wanted]) => value[name] === wanted);
  }

  function ask() {
    files = null;
    if (png?.panes !== chosen().panes) png = null;
    setState("asked");
    props.value = { kind: "asked", order, run, ...chosen() };
    trigger("input");
  }

  function setState(state, words = "") {
    const name = `Save ${options.formats[chosen().format]}`;
    // Of a recording there is nothing to take either.
    const more = { asked: " · …", idle: " · once you have run it" }[state] ?? "";
    find(".download-file").textContent = words || name + more;
    find(".download-file").title = state === "refused" ? words : "";
    find(".download-file").disabled = state !== "ready";
    Object.assign(find(".download-png"), { disabled: !png, title: "" });
    root.dataset.state = state;
  }

  async function save(file, name) {
    if (!file) return;
    const response = await fetch(file.url).catch(() => null);
    if (!response?.ok) return ask(); // the server keeps a file for an hour: it is made anew
    const anchor = document.createElement("a");
    const href = URL.createObjectURL(await response.blob());
    Object.assign(anchor, { href, download: name ?? file.orig_name });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(href), TOLD);
  }
}

function skeleton(options) {
  const chip = ([value, name], i) => `<label><input type="radio" value="${value}"
    name="${options.prefix}-format" ${i ? "" : "checked"}><span>${name}</span></label>`;
  const choice = (name, label, entries, picked) => `<select class="button ${name}" aria-label="${label}">
    ${entries.map(([value, text]) => `<option value="${escapeText(value)}"
      ${value === picked ? "selected" : ""}>${escapeText(text)}</option>`).join("")}</select>`;
  const strides = options.strides.map((n) => [String(n), n === 1 ? "every step" : `every ${nth(n)}`]);
  const panes = Object.entries(options.panes);
  return `
    <fieldset class="segments"><legend class="unseen">File format</legend>
      ${Object.entries(options.formats).map(chip).join("")}</fieldset>
    ${choice("download-stride", "Steps that are kept", strides, "1")}
    ${panes.length ? choice("download-panes", "Panes", panes, options.chosen) : ""}
    <button type="button" class="download-file button cut" id="${options.prefix}-gif" disabled></button>
    <button type="button" class="download-png button" id="${options.prefix}-png" disabled>PNG</button>
    ${options.place ? `<button type="button" class="download-copy button" id="${options.prefix}-copy"
      disabled><span aria-live="polite">Copy link</span></button>` : ""}`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers give a page the clipboard by https, or from this machine, alone.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

function nth(n) {
  return n === 2 ? "2nd" : `${n}th`;
}
