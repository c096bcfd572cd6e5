// Gradio says that a slider was let go when its number is merely pressed or left, and not when keys
// have moved it: here it says so whenever the value has changed, and only then.
(() => {
  const reported = new WeakMap(); // of each: its value when last reported or touched
  const touched = new WeakMap(); // of each: its value when it was last touched
  const { gradio } = window;
  const ofSlider = (el) => el.matches?.(gradio.ofSlider);

  function begins({ target }) {
    if (ofSlider(target)) reported.set(target, target.value);
  }

  function ends(event) {
    if (!ofSlider(event.target)) return;
    if (reported.get(event.target) === event.target.value) event.stopPropagation();
    begins(event);
  }

  function touches({ target }) {
    touched.set(target, target.value);
  }

  /** A finger that scrolls the page has begun on a slider, and moved it. */
  function scrolls({ target }) {
    if (target.type !== "range" || !touched.has(target)) return;
    if (touched.get(target) === target.value) return;
    target.value = touched.get(target);
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function moves({ target, key }) {
    const moved = target.type === "range" ? /^(Arrow|Page|Home$|End$)/ : /^Enter$/;
    if (ofSlider(target) && moved.test(key)) target.dispatchEvent(gradio.release());
  }

  for (const type of ["pointerdown", "focusin"]) addEventListener(type, begins, true);
  for (const type of ["pointerup", "blur"]) addEventListener(type, ends, true);
  addEventListener("pointerdown", touches, true);
  addEventListener("pointercancel", scrolls, true);
  addEventListener("keyup", moves);
})();
