// Names the symbols of equations: a small tip on hover, on focus and on a tap, for every element
// with a data-name, whichever component it stands in. To import it is enough.

nameSymbols();

function nameSymbols() {
  const LINGER = 160; // ms, so that the pointer can cross over to the tip
  const GAP = 8;
  const tip = document.createElement("div");
  tip.id = "symbol-tip";
  tip.className = "symbol-tip widget card";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  let here = null; // the symbol that is named
  let closing = 0;

  const symbolOf = (target) => target.closest?.(".eq-symbol");
  const on = (type, act, options) => document.addEventListener(type, act, options);
  on("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const symbol = symbolOf(event.target);
    if (symbol || tip.contains(event.target)) clearTimeout(closing);
    if (symbol) show(symbol);
  });
  on("pointerout", (event) => {
    if (event.pointerType === "touch" || !here) return;
    if (symbolOf(event.target) || tip.contains(event.target)) leave();
  });
  on("focusin", (event) => {
    const symbol = symbolOf(event.target);
    if (symbol) enter(symbol);
    else if (!tip.contains(event.target)) hide();
  });
  on("focusout", (event) => symbolOf(event.target) && hide());
  on("click", (event) => {
    const symbol = symbolOf(event.target);
    if (symbol) enter(symbol);
    else if (!tip.contains(event.target)) hide();
  });
  // Ahead of the page's own keys: arrows here go from symbol to symbol.
  on("keydown", onKey, { capture: true });
  on("player:cursor", () => here && requestAnimationFrame(() => here && fill()));
  addEventListener("scroll", place, { capture: true, passive: true });
  addEventListener("resize", place);

  function enter(symbol) {
    for (const other of symbolsBeside(symbol)) other.tabIndex = other === symbol ? 0 : -1;
    clearTimeout(closing);
    show(symbol);
  }

  function leave() {
    clearTimeout(closing);
    closing = setTimeout(() => {
      const focused = symbolOf(document.activeElement);
      if (focused?.matches(":focus-visible")) show(focused);
      else hide();
    }, LINGER);
  }

  function show(symbol) {
    if (here === symbol) return;
    hide();
    here = symbol;
    (document.querySelector("main") ?? document.body).append(tip);
    tip.hidden = false;
    fill();
    symbol.dataset.named = "";
    symbol.setAttribute("aria-describedby", tip.id);
    place();
  }

  function place() {
    if (!here) return;
    const box = here.getBoundingClientRect();
    if (!box.width || box.bottom < 0 || box.top > innerHeight) return hide();
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = box.left + box.width / 2 - width / 2;
    const above = box.top - height - GAP;
    tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, left))}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + GAP}px`;
  }

  function fill() {
    const { name, now } = here.dataset;
    const look = here.cloneNode(true);
    for (const cell of look.querySelectorAll("[data-number]")) cell.remove();
    const value = now ? `<span class="symbol-now mono">${now}</span>` : "";
    tip.innerHTML = `<span class="symbol-look"><span class="eq-symbol">${look.innerHTML}</span></span>${value}<span>${name}</span>`;
    tip.style.setProperty("--at", getComputedStyle(here).getPropertyValue("--at") || "0");
  }

  function hide() {
    clearTimeout(closing);
    if (!here) return;
    delete here.dataset.named;
    here.removeAttribute("aria-describedby");
    here = null;
    tip.hidden = true;
  }

  function onKey(event) {
    if (event.key === "Escape" && here) {
      event.stopImmediatePropagation();
      return hide();
    }
    const symbol = symbolOf(event.target);
    if (!symbol || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = symbolsBeside(symbol);
    const at = all.indexOf(symbol);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowDown: at + 1,
      Home: 0, End: all.length - 1, Enter: at, " ": at }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const next = all[Math.max(0, Math.min(all.length - 1, to))];
    next.focus();
    show(next);
  }

  function symbolsBeside(symbol) {
    return [...symbol.closest(".equation").querySelectorAll(".eq-symbol")];
  }
}
