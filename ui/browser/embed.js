// With `?embed=1` the page is one stage and its timeline, to stand in a frame of another page: what
// else there is, layout.css leaves out. A link leads to the whole page.
(() => {
  const root = document.documentElement;
  if (!new URL(location.href).searchParams.has("embed")) return;
  root.dataset.embedded = "";
  const out = Object.assign(document.createElement("a"), {
    className: "embed-out", target: "_blank", textContent: "Open in Learning the Noise",
  });
  const lead = () => {
    const whole = new URL(location.href); // it changes with what is run
    whole.searchParams.delete("embed");
    out.href = String(whole);
  };
  for (const type of ["pointerenter", "focus", "click"]) out.addEventListener(type, lead);
  lead();
  document.body.append(out);
})();
