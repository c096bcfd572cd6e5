// What every component's js_on_load calls: it mounts the component's module, once the style of all
// of them is there.

const LOST = "This part of the page could not be loaded. Reload the page.";
const styled = addStyle();

/** Mount the module of this name; `given` is what Gradio hands to js_on_load. */
export async function show(name, given) {
  try {
    const [{ mount }] = await Promise.all([import(`./${name}/${name}.js`), styled]);
    mount(given);
  } catch (error) {
    given.element.textContent = LOST;
    throw error;
  }
}

function addStyle() {
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: new URL("style.css", import.meta.url) });
  document.head.append(link);
  return new Promise((resolve, reject) => Object.assign(link, { onload: resolve, onerror: reject }));
}
