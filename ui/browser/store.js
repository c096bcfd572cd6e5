// Where the visitor is: the address, the browser's history, the newest run's link of every place,
// and what waits until a place is there. A place is a tab, or "reverse" and one of its other views.
// Gradio's events call window.page, which is all that they need to know of the browser.
(() => {
  if (window.page) return; // a page may be given its head twice
  const PATIENCE = 5000; // milliseconds for the controls of a tab that is open
  const SETTLE = 25; // milliseconds that a control takes to hear of values
  const links = new Map(); // the query of the newest run, by place
  let led = null; // the place that the address, or the newest file, leads to
  let tellLed = null;
  const known = new Promise((/** @type {(value?: any) => void} */ done) => (tellLed = done));
  // Until the place that the address names has been open, another that opens is the page's doing.
  let hasArrived = placeOf(addressed()) === "sample";

  window.page = {
    /** Values of an event with its moment in place of the last one. */
    stamp: (values) => [...values.slice(0, -1), performance.timeOrigin + performance.now()],
    /** Values of an event with the tab that the address names in place of the last one. */
    named: (values) => [...values.slice(0, -1), addressed().get("tab") ?? ""],
    /** The step under the cursor of a player. */
    cursor: (id) => Number(find(`#${id} .player`)?.dataset.index ?? 0),
    linked,
    link,
    remember,
    opened,
    arrive,
    lead,
    ready,
    filed,
    look,
  };
  addEventListener("popstate", goBack);

  // --- the address ------------------------------------------------------------------------

  function addressed() {
    return new URL(location.href).searchParams;
  }

  function placeOf(params) {
    const tab = params.get("tab") ?? "sample";
    const view = tab === "reverse" ? (params.get("view") ?? "one") : "one";
    return view === "one" ? tab : `${tab} ${view}`;
  }

  /** Ids of the tabs that a place stands in, outermost first. */
  function tabsOf(place) {
    const [tab, view = "one"] = place.split(" ");
    return tab === "reverse" ? [tab, view] : [tab];
  }

  /** A place has a run of this query, or none. It is named in the address once it has ended. A run
   * whose visitor has gone elsewhere meanwhile leaves the address alone. */
  function linked(place, query, isUnderWay = false) {
    if (query) links.set(place, queryOf(query));
    else links.delete(place);
    if (query && !isUnderWay && isOpen(place)) write(place, links.get(place));
  }

  /** The whole link of a place's run, or nothing. */
  function link(place) {
    return links.has(place) ? `${location.origin}${location.pathname}?${links.get(place)}` : "";
  }

  function remember(place, query) {
    linked(place, query);
    return link(place);
  }

  /** Rewrite the address without a request. Another place is a step of the browser's history;
   * another run is none. */
  function write(place, query) {
    const params = new URLSearchParams(query);
    const theme = addressed().get("__theme");
    if (theme) params.set("__theme", theme);
    const step = placeOf(addressed()) === place ? "replaceState" : "pushState";
    history[step](null, "", `${location.pathname}?${params}`);
  }

  function queryOf(link) {
    return String(new URLSearchParams(link.slice(link.indexOf("?") + 1)));
  }

  // --- tabs -------------------------------------------------------------------------------

  function isOpen(place) {
    return tabsOf(place).every((id) => tabOf(id, "[aria-selected=true]"));
  }

  function tabOf(id, state = "") {
    return find(`[role=tab][data-tab-id="${id}"]${state}`);
  }

  function openPlace() {
    const open = (id) => find(`#${id} [data-tab-id][aria-selected=true]`)?.dataset.tabId;
    const tab = open("tabs");
    const view = tab === "reverse" ? open("views") : "one";
    return tab && view && (view === "one" ? tab : `${tab} ${view}`);
  }

  /** A tab or a view came to the front: its run is what the address names, once it has one. */
  function opened() {
    const place = openPlace();
    if (!place) return; // its view is yet to come, and will be heard of
    const isNamed = placeOf(addressed()) === place;
    hasArrived ||= isNamed;
    // The address that led here stays whole, though its run has no film yet.
    if (links.has(place)) write(place, links.get(place));
    else if (hasArrived && !isNamed) write(place, plain(place));
  }

  function plain(place) {
    const [tab, view] = place.split(" ");
    return `tab=${tab}${view ? `&view=${view}` : ""}`;
  }

  function goBack() {
    // The view first: a tab that opens with another one would name that in the address.
    for (const id of tabsOf(placeOf(addressed())).reverse()) {
      if (tabOf(id)?.getAttribute("aria-selected") === "false") tabOf(id).click();
    }
  }

  // --- what arrives -----------------------------------------------------------------------

  /** The address leads to a place: updates of the tabs and of the views that bring it to the front.
   * A visitor who has opened another tab before this was known stays there; the place waits for
   * them, and the address names where they are. A file that was answered before goes first. */
  function arrive(place) {
    const to = (selected) => ({ __type__: "update", ...(selected ? { selected } : {}) });
    if (led !== null && led !== place) return [to(), to()];
    lead(place);
    const [tab, view] = tabsOf(place);
    const open = openPlace();
    const isElsewhere = open && ![tab, "sample"].includes(open.split(" ")[0]);
    if (isElsewhere) {
      hasArrived = true;
      write(open, plain(open));
    }
    return [to(!isElsewhere && tab), to(view)];
  }

  function lead(place) {
    led = place;
    tellLed();
  }

  /** Values of an event, once the place is there that the address leads to, or the one named: a
   * value that is sent to a slider before that is lost. */
  async function ready(values, place = "") {
    await known;
    await there(place || led || "sample");
    return values;
  }

  /** Values of an event, the first of them what is told of a file, once its place is there. */
  async function filed(values) {
    if (values[0]?.place) await within(PATIENCE, there(values[0].place));
    return values;
  }

  /** Values of an event, the first of them where the visitor was led if the tab has nothing to show
   * yet, else "". Who has gone on before a tab was there gets their first look when they return. */
  async function look(values, tab) {
    await ready(values, tab);
    // The server may have forgotten what stands there; it is seen here.
    const player = find(`#${tab}-stage .player`);
    const isEmpty = player && (player.dataset.state ?? "idle") === "idle";
    return [isOpen(tab) && isEmpty ? led : "", ...values.slice(1)];
  }

  async function there(place) {
    const [tab, view] = place.split(" ");
    await until(() => tabOf(tab, "[aria-selected=true]"));
    await within(PATIENCE, until(() => find(lastControl(tab, view))));
    await later(SETTLE);
  }

  function lastControl(tab, view) {
    if (tab === "forward") return "#forward-sheet .sketch[data-state]";
    if (tab === "results") return "#results-board .result-tables[data-state]";
    const name = view ? `race-${view}-n` : { guidance: "guidance-clean-lam" }[tab] ?? `${tab}-steps`;
    return `#${name} input[type=range]`;
  }

  function until(isTrue) {
    if (isTrue()) return Promise.resolve();
    return new Promise((/** @type {(value?: any) => void} */ done) => {
      const watcher = new MutationObserver(() => {
        if (!isTrue()) return;
        watcher.disconnect();
        done();
      });
      const seen = ["aria-selected", "data-state"];
      watcher.observe(document, { subtree: true, childList: true, attributeFilter: seen });
    });
  }

  /** @returns {HTMLElement} */
  function find(selector) {
    return document.querySelector(selector);
  }

  function within(patience, promise) {
    return Promise.race([promise, later(patience)]);
  }

  function later(milliseconds) {
    return new Promise((done) => setTimeout(done, milliseconds));
  }
})();
