// What Gradio's markup lacks for the keyboard, and for those who hear the page: it is put there
// whenever something new has been laid out.
(() => {
  const { gradio } = window;
  let due = 0;
  // Gradio gives its own names again whenever a choice is made.
  new MutationObserver(() => (due ||= requestAnimationFrame(mend)))
    .observe(document, { childList: true, subtree: true, attributeFilter: ["name"] });

  function mend() {
    due = 0;
    for (const group of document.querySelectorAll(gradio.choices)) nameChoices(group);
    for (const button of document.querySelectorAll(gradio.resets)) {
      const name = gradio.labelOf(button)?.textContent.trim();
      if (name) setIfNew(button, "aria-label", `Reset ${name}`);
    }
    for (const note of document.querySelectorAll(".news")) setIfNew(note, "role", "status");
    // A list that scrolls would take the focus from its field, and stay open.
    for (const list of document.querySelectorAll(gradio.lists)) setIfNew(list, "tabindex", "-1");
  }

  /** One stop of Tab for all of a group, whose arrow keys choose; and its name. */
  function nameChoices(group) {
    const label = gradio.labelOf(group);
    const id = group.closest("[id]").id;
    for (const choice of group.querySelectorAll("input")) setIfNew(choice, "name", `${id}-choice`);
    if (!label) return;
    label.id ||= `${id}-name`;
    setIfNew(group, "aria-labelledby", label.id);
  }

  function setIfNew(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
})();
