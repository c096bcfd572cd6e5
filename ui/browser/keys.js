// Keys that work anywhere on the page, unless something is being typed:
// digits pick a class, S stops, Space, R, left and right go to the player that is in view.
// Letters and digits can be switched off (WCAG 2.1.4): who dictates would press them by speaking.
(() => {
  let singleKeys = window.page.remembered("keys") !== "off";
  /** Whether letters and digits are heard; an argument changes it, also for the next visit. */
  window.singleKeys = (wanted = singleKeys) => {
    singleKeys = wanted;
    window.page.remember("keys", wanted ? "on" : "off");
    return singleKeys;
  };

  const TYPED = "input:not([type=radio], [type=range], [type=checkbox]), textarea, select, [contenteditable]";
  const busy = (el) => el.closest?.(`${TYPED}, ${window.gradio.editor}`);
  // What has a use of its own for the arrows, and for Space. Buttons have none for arrows.
  const BY_ARROWS = "[role=tab], input, [role=slider], .image-grid-scroll";
  const BY_SPACE = `${BY_ARROWS}, button, a, summary`;

  function pick(digit) {
    const group = first(".chips[id$='-label']", (el) => el.offsetParent);
    if (group) window.gradio.choice(group, digit)?.click();
  }

  function stop() {
    /** @type {NodeListOf<HTMLElement>} */
    const buttons = document.querySelectorAll("button[id$='-stop'], button[id$='-halt']");
    for (const button of buttons) if (button.offsetParent) button.click();
  }

  function toPlayer(event) {
    // A player hears its own.
    if (event.defaultPrevented || event.target.closest(".player")) return;
    const users = event.key === " " ? BY_SPACE : BY_ARROWS;
    if (!/^[rR]$/.test(event.key) && event.target.closest(users)) return;
    const player = first(".player", isInView);
    if (!player) return; // the page is to scroll
    event.preventDefault();
    player.dispatchEvent(new KeyboardEvent("keydown", {
      key: event.key, code: event.code, shiftKey: event.shiftKey, bubbles: false,
    }));
  }

  function isInView(el) {
    const { top, bottom } = el.getBoundingClientRect();
    return el.offsetParent && bottom > 0 && top < innerHeight;
  }

  function first(selector, isMeant) {
    return [...document.querySelectorAll(selector)].find(isMeant);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || busy(event.target)) return;
    if (/^[0-9a-zA-Z]$/.test(event.key) && !singleKeys) return;
    if (/^[0-9]$/.test(event.key)) pick(event.key);
    else if (/^[sS]$/.test(event.key)) stop();
    else if ((event.key === " " && !event.shiftKey) || /^([rR]|Arrow(Left|Right))$/.test(event.key)) {
      toPlayer(event);
    }
  });
})();
