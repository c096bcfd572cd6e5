// An answer that opens below the window comes into it, and its drawing with it.

document.addEventListener("toggle", async ({ target }) => {
  if (target instanceof HTMLDetailsElement && target.open && target.matches(".why")) {
    const drawn = /** @type {HTMLElement | null} */ (target.querySelector("[data-drawn]:empty"));
    const reply = drawn && await fetch(drawn.dataset.drawn);
    if (reply?.ok) drawn.innerHTML = await reply.text();
    target.lastElementChild.scrollIntoView({ block: "nearest" });
  }
}, { capture: true });
