// An answer that opens below the window comes into it.

document.addEventListener("toggle", ({ target }) => {
  if (target instanceof HTMLDetailsElement && target.open && target.matches(".why")) {
    target.scrollIntoView({ block: "nearest" });
  }
}, { capture: true });
