import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = ["gradio.js", "store.js"]
  .map((name) => readFileSync(new URL(name, import.meta.url), "utf-8")).join("\n");

/** A page at an address, whose tabs and parts a test opens and adds. */
function page(query = "") {
  const open = { tabs: "sample" };
  const parts = {}; // what a selector finds
  const watchers = new Set();
  const steps = []; // of the browser's history
  const location = { origin: "http://page", pathname: "/", href: `http://page/${query}` };
  const write = (how) => (_state, _title, address) => {
    steps.push([how, address]);
    location.href = `http://page${address}`;
  };
  const change = (act) => {
    act();
    for (const hear of [...watchers]) hear();
  };
  const turn = (tab, view) => {
    change(() => Object.assign(open, { tabs: tab, views: view ?? open.views }));
    window.page.opened();
  };
  const document = {
    querySelector(selector) {
      const [, within] = /^#(\w+) \[role=tab\]/.exec(selector) ?? [];
      if (within) return open[within] ? { dataset: { tabId: open[within] } } : null;
      const [, id, isChosen] = /data-tab-id="(\w+)"\](?:\[aria-selected=(\w+))?/.exec(selector) ?? [];
      if (!id) return parts[selector] ?? null;
      const isOpen = Object.values(open).includes(id);
      const click = () => (VIEWS.includes(id) ? turn(open.tabs, id) : turn(id));
      return isChosen && String(isOpen) !== isChosen ? null : { click };
    },
  };
  class MutationObserver {
    constructor(hear) { this.hear = hear; }
    observe() { watchers.add(this.hear); }
    disconnect() { watchers.delete(this.hear); }
  }
  const window = {};
  const history = { pushState: write("push"), replaceState: write("replace") };
  vm.runInNewContext(SCRIPT, { window, document, history, location, MutationObserver, URL,
    URLSearchParams, performance, setTimeout, CustomEvent, addEventListener: () => {} });
  const add = (selector, part = {}) => change(() => (parts[selector] = part));
  return { ...window.page, steps, open, turn, add };
}

const VIEWS = ["one", "schedules", "samplers", "break"];
const soon = () => new Promise((done) => setTimeout(done, 60));
const hasEnded = async (promise) => Promise.race([promise.then(() => true), soon().then(() => false)]);

test("the address names the first run once it has ended, and every later one at once", () => {
  const here = page();
  const link = "http://page/?seed=1&tab=sample";
  here.linked("sample", "seed=1&tab=sample", true);
  assert.equal(here.link("sample"), link);
  assert.deepEqual(here.steps, []);
  here.linked("sample", "seed=1&tab=sample");
  here.linked("sample", "seed=2&tab=sample", true);
  assert.deepEqual(here.steps, [1, 2].map((seed) => ["replace", `/?seed=${seed}&tab=sample`]));
});

test("a run that ends out of sight waits for its visitor to return", () => {
  const here = page();
  here.turn("guidance");
  here.linked("sample", "seed=2&tab=sample");
  assert.deepEqual(here.steps, [["push", "/?tab=guidance"]]);
  here.turn("sample");
  assert.deepEqual(here.steps.at(-1), ["push", "/?seed=2&tab=sample"]);
  here.linked("sample", "");
  assert.equal(here.link("sample"), "");
  here.turn("guidance");
  here.turn("sample");
  assert.deepEqual(here.steps.at(-1), ["push", "/?tab=sample"]);
});

test("an address stays whole until it has been reached, and its theme is kept", () => {
  const here = page("?tab=reverse&view=break&steps=9&__theme=dark");
  here.turn("sample");
  here.turn("reverse"); // its view is yet to come
  here.turn("reverse", "one");
  assert.deepEqual(here.steps, []);
  here.turn("reverse", "break");
  assert.deepEqual(here.steps, []);
  here.turn("results");
  assert.deepEqual(here.steps, [["push", "/?tab=results&__theme=dark"]]);
});

test("the address leads to its view, and a visitor who is elsewhere stays there", async () => {
  const here = page("?tab=reverse&view=break");
  await soon();
  assert.deepEqual(here.open, { tabs: "reverse", views: "break" });
  assert.deepEqual(here.steps, []);
  const other = page("?tab=reverse&steps=9");
  other.turn("guidance");
  await soon();
  assert.equal(other.open.tabs, "guidance");
  assert.deepEqual(other.steps, [["push", "/?tab=guidance"]]);
});

test("values wait for their place and for its controls", async () => {
  const here = page();
  await soon();
  const place = "reverse break";
  for (const ask of [() => here.ready([{ place }, 2]), () => here.go(place, [1, 2])]) {
    here.lead(place);
    const waits = ask();
    assert.equal(await hasEnded(waits), false);
    here.add("#race-break-n input[type=range]");
    assert.equal((await waits)[1], 2);
    here.add("#race-break-n input[type=range]", null);
    here.turn("sample");
    here.open.views = "one";
  }
  here.add("#sample-steps input[type=range]");
  assert.deepEqual(await here.ready([null, 3]), [null, 3]);
});

test("a tab has its first look where nothing stands yet, nor is on its way", async () => {
  const here = page();
  await soon();
  here.turn("reverse", "one");
  here.add("#reverse-steps input[type=range]");
  const events = []; // to a stage: that something is on its way
  const stage = (state) => ({ dataset: { state }, dispatchEvent: ({ type }) => events.push(type) });
  for (const [state, model] of [["idle", "m"], ["film", null]]) {
    here.add("#reverse-stage .player", stage(state));
    assert.equal(await here.look("m", "reverse"), model);
  }
  here.add("#reverse-stage .player", stage("idle"));
  here.lead("reverse");
  assert.equal(await here.look("m", "reverse"), null);
  assert.deepEqual(events, ["player:asked"]);
});

test("a stage awaits the run that the address names, until one has been", async () => {
  const stage = { matches: (selector) => selector === "#race-break-stage .player" };
  const query = "?tab=reverse&view=break&model=mnist-linear";
  const here = page(query);
  await soon();
  assert.equal(here.awaits(stage), true);
  here.linked("reverse break", query);
  assert.equal(here.awaits(stage), false);
  assert.equal(page("?tab=reverse&view=break").awaits(stage), false);
  assert.equal(page("?tab=reverse&view=samplers&model=mnist-linear").awaits(stage), false);
  const plane = { matches: (selector) => selector === "#plane-stage .player" };
  assert.equal(page("?tab=plane&data=moons").awaits(plane), true);
});
