// The browser's back and forward walk through the tabs that were visited. keep.py writes the steps.
(() => {
  /** The tab that an address names, and of the Reverse tab its view too: ids, outermost first. */
  window.placeOf = (params) => {
    const tab = params.get("tab") ?? "sample";
    return tab === "reverse" ? [tab, params.get("view") ?? "one"] : [tab];
  };

  addEventListener("popstate", () => {
    // The view first: a tab that opens with another one would name that in the address.
    for (const id of window.placeOf(new URL(location.href).searchParams).reverse()) {
      /** @type {HTMLElement} */
      const tab = document.querySelector(`[role=tab][data-tab-id="${id}"]`);
      if (tab?.getAttribute("aria-selected") === "false") tab.click();
    }
  });
})();
