import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("store.js", import.meta.url), "utf-8");

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
  const document = {
    querySelector(selector) {
      const [, within] = /^#(\w+) \[data-tab-id\]/.exec(selector) ?? [];
      if (within) return open[within] ? { dataset: { tabId: open[within] } } : null;
      const [, tab] = /data-tab-id="(\w+)"\]\[aria-selected=true/.exec(selector) ?? [];
      if (tab) return Object.values(open).includes(tab) ? {} : null;
      return parts[selector] ?? null;
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
    URLSearchParams, performance, setTimeout, addEventListener: () => {} });
  const change = (act) => {
    act();
    for (const hear of watchers) hear();
  };
  return {
    ...window.page,
    steps,
    go(tab, view) {
      change(() => Object.assign(open, { tabs: tab, views: view ?? open.views }));
      window.page.opened();
    },
    add: (selector, part = {}) => change(() => (parts[selector] = part)),
  };
}

const soon = () => new Promise((done) => setTimeout(done, 60));
const hasEnded = async (promise) => Promise.race([promise.then(() => true), soon().then(() => false)]);

test("a run that has ended names the address, one under way only its link", () => {
  const here = page();
  const link = "http://page/?seed=1&tab=sample";
  here.linked("sample", "seed=1&tab=sample", true);
  assert.equal(here.link("sample"), link);
  assert.deepEqual(here.steps, []);
  assert.equal(here.remember("sample", link), link);
  assert.deepEqual(here.steps, [["replace", "/?seed=1&tab=sample"]]);
});

test("a run that ends out of sight waits for its visitor to return", () => {
  const here = page();
  here.go("guidance");
  here.linked("sample", "seed=2&tab=sample");
  assert.deepEqual(here.steps, [["push", "/?tab=guidance"]]);
  here.go("sample");
  assert.deepEqual(here.steps.at(-1), ["push", "/?seed=2&tab=sample"]);
  assert.equal(here.remember("sample", ""), "");
  here.go("guidance");
  here.go("sample");
  assert.deepEqual(here.steps.at(-1), ["push", "/?tab=sample"]);
});

test("an address stays whole until it has been reached, and its theme is kept", () => {
  const here = page("?tab=reverse&view=break&steps=9&__theme=dark");
  here.go("sample");
  here.go("reverse"); // its view is yet to come
  here.go("reverse", "one");
  assert.deepEqual(here.steps, []);
  here.go("reverse", "break");
  assert.deepEqual(here.steps, []);
  here.go("results");
  assert.deepEqual(here.steps, [["push", "/?tab=results&__theme=dark"]]);
});

test("what the address leads to does not pull away a visitor who is elsewhere", () => {
  const here = page("?tab=reverse&steps=9");
  here.go("guidance");
  assert.equal(JSON.stringify(here.arrive("reverse")),
    '[{"__type__":"update"},{"__type__":"update","selected":"one"}]');
  assert.deepEqual(here.steps, [["push", "/?tab=guidance"]]);
});

test("a file that was told of first goes before the address", async () => {
  const here = page("?tab=reverse");
  here.lead("guidance");
  assert.equal(JSON.stringify(here.arrive("reverse")), '[{"__type__":"update"},{"__type__":"update"}]');
  here.go("sample");
  here.add("#sample-steps input[type=range]");
  here.add("#sample-stage .player", { dataset: {} });
  assert.equal((await here.look([""], "sample"))[0], "guidance");
});

test("values wait for the address to be known, for their tab and for its controls", async () => {
  const here = page();
  const waits = here.ready(["a", "b"], "reverse break");
  const steps = [
    () => here.arrive("sample"),
    () => here.go("reverse", "break"),
    () => here.add("#race-break-n input[type=range]"),
  ];
  for (const step of steps) {
    assert.equal(await hasEnded(waits), false);
    step();
  }
  assert.deepEqual(await waits, ["a", "b"]);
});

test("a tab has its first look where nothing stands yet", async () => {
  const here = page();
  here.arrive("sample");
  here.go("reverse", "one");
  here.add("#reverse-steps input[type=range]");
  for (const [state, place] of [["idle", "sample"], ["film", ""]]) {
    here.add("#reverse-stage .player", { dataset: { state } });
    assert.equal(JSON.stringify(await here.look(["?", 3], "reverse")), JSON.stringify([place, 3]));
  }
});
