// What the page's own scripts need of Gradio that Gradio does not promise: its markup, its routes
// and the messages of its stream. Each release may change any of it: tests/e2e/test_stream.py says
// what a new one broke, and ui/gradio_internals.py has the same for Python.
(() => {
  // Before each event Gradio copies all that the components it reads are made of, value by value:
  // thousands of them, most of which are no objects and need no copy.
  const clone = window.structuredClone;
  window.structuredClone = (value, options) =>
    value !== null && typeof value === "object" ? clone(value, options) : value;
  // Its panels name themselves in the address, as `view`, which is a parameter of ours.
  const { replaceState } = history;
  history.replaceState = (state, title, url) => {
    if (!String(url).startsWith("?")) replaceState.call(history, state, title, url);
  };
  const LABEL = "[data-testid=block-info]";
  const PRESSED = ".terms label, .checkbox-container, .instruments [role=tab]";
  window.gradio = {
    seen: "6.31.0",
    // --- markup ---
    /** A tab, by the id that Python gives it; `chosen` where it must be open, or must not. */
    tab: (id, chosen) => `[role=tab][data-tab-id="${id}"]`
      + (chosen === undefined ? "" : `[aria-selected=${chosen}]`),
    /** The open tab of some, by the element id that Python gives them. */
    openTab: (id) => `#${id} [role=tab][data-tab-id][aria-selected=true]`,
    tabId: (tab) => tab.dataset.tabId,
    /** What changes when a tab opens. */
    ofTabs: ["aria-selected"],
    slider: (id) => `#${id} input[type=range]`,
    /** The track of a slider and its number. */
    ofSlider: ".block:has([type=range]):not(:has(.block)) input",
    /** What makes Gradio say that a slider was let go, if it is sent to one. */
    release: () => new Event("pointerup", { bubbles: true }),
    choice: (group, value) => group.querySelector(`input[value="${value}"]`),
    choices: "fieldset:has(> .wrap > label > [type=radio])",
    resets: ".reset-button",
    /** What a list that drops down is in. */
    lists: "ul.option-list",
    /** The label of the control that something is a part of. */
    labelOf: (part) => part.closest(".block")?.querySelector(LABEL),
    editor: ".cm-editor",
    /** What has a name that may be explained: the label of a control, and what is pressed as well,
        namely a choice of some, a box to tick and the tab of a tool. */
    named: `${LABEL}, ${PRESSED}`,
    /** The names of a control that has the focus, the nearest first. */
    namesOf(control) {
      if (!control.matches("input, textarea, [role=tab]")) return [];
      const label = window.gradio.labelOf(control);
      return [control.closest(PRESSED), label].filter(Boolean);
    },
    // --- routes and messages ---
    asks: (path) => /\/(queue\/join|run\/predict)$/.test(path),
    joins: (path) => path.endsWith("/queue/join"),
    hears: (path) => path.endsWith("/queue/data"),
    eventOf: (message) => /"event_id": ?"(\w+)"/.exec(message)?.[1],
    isEnd: (message) => /"msg": ?"close_stream"/.test(message),
    isNews: (message) => /"msg": ?"process_generating"/.test(message),
    END: 'data: {"msg": "close_stream"}\n\n',
    CUT: 'data: {"msg": "broken_connection"}\n\n',
  };
})();
