// What Gradio's markup lacks for the keyboard, and for those who hear the page: it is put there
// whenever something new has been laid out.
(() => {
  const { gradio } = window;
  const WAYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  let due = 0;
  new MutationObserver(() => (due ||= requestAnimationFrame(mend)))
    .observe(document, { childList: true, subtree: true, attributeFilter: ["aria-checked"] });
  document.addEventListener("keydown", chooseBeside);

  function mend() {
    due = 0;
    for (const group of document.querySelectorAll(gradio.choices)) mendChoices(group);
    for (const button of document.querySelectorAll(gradio.resets)) {
      const name = gradio.labelOf(button)?.textContent.trim();
      if (name) setIfNew(button, "aria-label", `Reset ${name}`);
    }
    for (const note of document.querySelectorAll(".news")) setIfNew(note, "role", "status");
    // A list that scrolls would take the focus from its field, and stay open.
    for (const list of document.querySelectorAll(gradio.lists)) setIfNew(list, "tabindex", "-1");
  }

  /** One stop of Tab for all of a group, and its name. To the browser each choice is a group. */
  function mendChoices(group) {
    const choices = [...group.querySelectorAll("input")];
    const stop = choices.find(({ checked }) => checked) ?? choices[0];
    for (const choice of choices) setIfNew(choice, "tabindex", choice === stop ? "0" : "-1");
    setIfNew(group, "role", "radiogroup");
    const label = gradio.labelOf(group);
    if (!label) return;
    label.id ||= `${group.closest("[id]").id}-name`;
    setIfNew(group, "aria-labelledby", label.id);
  }

  /** Arrow keys choose. */
  function chooseBeside(event) {
    const way = WAYS[event.key];
    const group = way && event.target.type === "radio" && event.target.closest(gradio.choices);
    if (!group || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const choices = [...group.querySelectorAll("input")];
    const next = choices[(choices.indexOf(event.target) + way + choices.length) % choices.length];
    next.focus();
    next.click();
  }

  function setIfNew(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
})();
