// Where the visitor is: the address, the browser's history, the newest run's link of every place,
// what waits until a place is there, and what the browser keeps for the next visit. A place is a
// tab, or "reverse" and one of its other views. Gradio's events call window.page, which is all that
// they need to know of the browser.
(() => {
  const PATIENCE = 5000; // milliseconds for the controls of a tab that is open
  const SETTLE = 25; // milliseconds that a control takes to hear of values
  const { gradio } = window;
  const links = new Map(); // the query of the newest run, by place
  const named = new Set(); // places of which a run was named in the address
  let addressed = placeOf(params());
  let led = addressed; // the place that the address, or what was opened last, leads to
  let going = addressed; // the same while the page is on its way there, or nothing
  let firstRest = restOf(params()); // where the run of the address rests first
  let firstRun = null; // the order of that run
  let hasBegun = false; // until then the tab that the page opens with is the page's doing
  let byKey = false; // the last thing that was pressed was a key

  window.page = {
    here,
    isOpen,
    /** The step under the cursor of a player. */
    cursor: (id) => Number(find(`#${id} .player`)?.dataset.index ?? 0),
    linked,
    awaits,
    hears,
    takeRest,
    rest,
    link,
    embedding,
    open,
    opened,
    lead,
    ready,
    go,
    look,
    remembered,
    remember,
  };
  addEventListener("popstate", goBack);
  for (const type of ["keydown", "pointerdown"]) addEventListener(type, () => (byKey = type === "keydown"), true);
  const begun = begin();

  // --- the address ------------------------------------------------------------------------

  function params() {
    return new URL(location.href).searchParams;
  }

  function placeOf(asked) {
    const tab = asked.get("tab") ?? "sample";
    const view = tab === "reverse" ? (asked.get("view") ?? "one") : "one";
    return view === "one" ? tab : `${tab} ${view}`;
  }

  /** Ids of the tabs that a place stands in, outermost first. */
  function tabsOf(place) {
    const [tab, view = "one"] = place.split(" ");
    return tab === "reverse" ? [tab, view] : [tab];
  }

  /** A place has a run of this query, or none. The address names it: the first of a place once it
   * has ended, so that the address that led there stays whole until then. A run whose visitor has
   * gone elsewhere meanwhile leaves the address alone. */
  function linked(place, query, isUnderWay = false) {
    if (query) links.set(place, String(new URLSearchParams(query)));
    else links.delete(place);
    if (!query || !isOpen(place) || (isUnderWay && !named.has(place))) return;
    named.add(place);
    write(place, links.get(place));
  }

  /** Whether the run that the address named is yet to come to this player. */
  function awaits(player) {
    const namesRun = ["model", "data"].some((name) => params().has(name)); // data: on Plane
    return namesRun && !named.has(led) && player.matches(ofStage(led));
  }

  /** A player hears of a run, by its order: the first is the one that the address named. */
  function hears(player, order) {
    if (firstRun === null && player.matches(ofStage(led))) firstRun = order;
  }

  /** The step, or the log-SNR, at which the run that the address named rests first, told once; or
   * nothing. */
  function takeRest(player, order) {
    if (firstRest === null || order !== firstRun || !player.matches(ofStage(led))) return null;
    const asked = firstRest;
    firstRest = null;
    return asked;
  }

  function restOf(named) {
    const [step, logSnr] = [named.get("step"), named.get("log_snr")];
    if (/^-?\d+(\.\d+)?$/.test(logSnr)) return { logSnr: Number(logSnr) };
    return /^\d+$/.test(step) ? { step: Number(step) } : null;
  }

  /** Where the cursor of a place's film rests: in a link's words, and the number of the frame;
   * nothing at the film's end, and while it plays. */
  function rest(place) {
    const { state, step: under, logSnr, frame, plays } = find(ofStage(place))?.dataset ?? {};
    if (state !== "film" || !under || plays !== undefined) return null;
    const query = logSnr ? `log_snr=${logSnr}` : `step=${under}`;
    return { query, frame: frame ? Number(frame) : null };
  }

  /** The whole link of a place's run, or nothing. */
  function link(place) {
    return links.has(place) ? `${location.origin}${location.pathname}?${links.get(place)}` : "";
  }

  /** The HTML of a frame with a place's run, for another page; or nothing. */
  function embedding(place) {
    const address = link(place).replaceAll("&", "&amp;");
    return address && `<iframe src="${address}&amp;embed=1" title="Learning the Noise" width="100%" `
      + `height="800" style="border: 0" loading="lazy"></iframe>`;
  }

  /** Rewrite the address without a request. Another place is a step of the browser's history;
   * another run is none. */
  function write(place, query) {
    const written = new URLSearchParams(query);
    for (const name of ["__theme", "embed"]) {
      const kept = params().get(name);
      if (kept) written.set(name, kept);
    }
    const step = placeOf(params()) === place ? "replaceState" : "pushState";
    history[step](null, "", `${location.pathname}?${written}`);
  }

  // --- tabs -------------------------------------------------------------------------------

  function isOpen(place) {
    return tabsOf(place).every((id) => find(gradio.tab(id, true)));
  }

  /** The place that is open; nothing while its view is yet to come. */
  function here() {
    const open = (id) => {
      const tab = find(gradio.openTab(id));
      return tab && gradio.tabId(tab);
    };
    const tab = open("tabs");
    const view = tab === "reverse" ? open("views") : "one";
    return tab && view && (view === "one" ? tab : `${tab} ${view}`);
  }

  /** A tab or a view came to the front: its run is what the address names, once it has one. */
  function opened() {
    const place = here();
    if (!place) return; // it will be heard of
    const [tab] = tabsOf(place);
    const isOnTheWay = place !== going && going
      && (tab === tabsOf(going)[0] || (tab === "sample" && !hasBegun));
    if (isOnTheWay) return;
    going = "";
    hasBegun = true;
    // The address that led here stays whole, though its run has no film yet.
    if (links.has(place)) write(place, links.get(place));
    else if (placeOf(params()) !== place) {
      const [, view] = place.split(" ");
      write(place, `tab=${tab}${view ? `&view=${view}` : ""}`);
    }
  }

  function goBack() {
    // The view first: a tab that opens with another one would name that in the address.
    for (const id of tabsOf(placeOf(params())).reverse()) find(gradio.tab(id, false))?.click();
  }

  /** Bring a place to the front, its tabs as they come, unless something else does meanwhile. */
  async function open(place) {
    if (isOpen(place)) return;
    going = place;
    for (const id of tabsOf(place)) {
      await until(() => going !== place || find(gradio.tab(id)), PATIENCE);
      if (going !== place) return;
      find(gradio.tab(id, false))?.click();
    }
  }

  // --- what arrives -----------------------------------------------------------------------

  /** The address leads to a place, unless a file has led elsewhere before there was any. */
  async function begin() {
    await until(() => find(gradio.openTab("tabs")));
    if (!find(gradio.tab(tabsOf(addressed)[0]))) addressed = "sample"; // as the server has it
    if (led !== placeOf(params())) return;
    led = addressed;
    open(addressed);
  }

  function lead(place) {
    led = place;
    firstRest = null; // it was of the address
    takeFocus(place);
    return open(place);
  }

  /** From what is out of sight now, to the timeline there; a ring is drawn for the keyboard alone. */
  async function takeFocus(place) {
    const timeline = () => find(`${ofStage(place)} [role=slider]`);
    await until(() => led !== place || timeline()?.checkVisibility({ visibilityProperty: true }), PATIENCE);
    const { activeElement, body } = document;
    if (led !== place || (activeElement !== body && activeElement.checkVisibility())) return;
    timeline()?.focus({ preventScroll: true, focusVisible: byKey });
  }

  /** Values of an event, once the place is there that the first of them tells of, or else the
   * address: a value that is sent to a slider before that is lost. */
  async function ready(values) {
    await begun;
    const place = values[0] ? values[0].place : addressed;
    if (place) await there(place, values[0] ? PATIENCE : 0);
    if (place) tellAsked(place);
    return values;
  }

  /** Values of an event, once the place is there to which it leads. */
  async function go(place, values) {
    lead(place);
    await there(place);
    tellAsked(place);
    return values;
  }

  /** The model of a tab's first look, or nothing where something stands or is to come. */
  async function look(model, tab) {
    await there(tab);
    // The server may have forgotten what stands there; it is seen here.
    const player = find(`#${tab}-stage .player`);
    const isEmpty = player && (player.dataset.state ?? "idle") === "idle";
    const isExpected = led === tab || tabsOf(going)[0] === tab;
    if (!isEmpty || !isOpen(tab) || isExpected) return null;
    tellAsked(tab);
    return model;
  }

  /** A stage is about to show something, which may take a while. */
  function tellAsked(place) {
    find(ofStage(place))?.dispatchEvent(new CustomEvent("player:asked"));
  }

  function ofStage(place) {
    const [tab, view] = place.split(" ");
    return `#${view ? `race-${view}` : tab}-stage .player`;
  }

  async function there(place, patience) {
    const [tab, view] = place.split(" ");
    await until(() => find(gradio.tab(tab, true)), patience);
    if (!find(gradio.tab(tab, true))) return;
    await until(() => find(lastControl(tab, view)), PATIENCE);
    await later(SETTLE);
  }

  function lastControl(tab, view) {
    if (tab === "forward") return "#forward-sheet .sketch[data-state]";
    if (tab === "results") return "#results-board .result-tables[data-state]";
    const own = { guidance: "guidance-clean-lam" };
    return gradio.slider(view ? `race-${view}-n` : own[tab] ?? `${tab}-steps`);
  }

  /** Until it is true, or for so many milliseconds; 0: for ever. */
  function until(isTrue, patience = 0) {
    if (isTrue()) return Promise.resolve();
    return new Promise((/** @type {(value?: any) => void} */ done) => {
      const end = () => {
        watcher.disconnect();
        done();
      };
      const watcher = new MutationObserver(() => isTrue() && end());
      if (patience) setTimeout(end, patience);
      const seen = [...gradio.ofTabs, "data-state"];
      watcher.observe(document, { subtree: true, childList: true, attributeFilter: seen });
    });
  }

  /** What this browser keeps by a name, also for the next visit; nothing where it stores nothing, as
   * in a frame of another page. */
  function remembered(name) {
    try {
      return localStorage.getItem(`learning-the-noise:${name}`);
    } catch {
      return null;
    }
  }

  function remember(name, text) {
    try {
      localStorage.setItem(`learning-the-noise:${name}`, text);
    } catch {
      // Until the page is closed, then.
    }
  }

  /** @returns {HTMLElement} */
  function find(selector) {
    return document.querySelector(selector);
  }

  function later(milliseconds) {
    return new Promise((done) => setTimeout(done, milliseconds));
  }
})();
