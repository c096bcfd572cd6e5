// Put in front of every component's own script by component.py, with NAME and STYLE.

function addStyle() {
  if (document.getElementById(`${NAME}-style`)) return;
  const style = document.createElement("style");
  style.id = `${NAME}-style`;
  style.textContent = STYLE;
  document.head.append(style);
}

function onlyNews() {
  let newest = 0;
  // Late news of a run that another has overtaken is not heard.
  return (value) => {
    if (!value || value.order < newest) return false;
    newest = value.order ?? newest;
    return true;
  };
}

async function decode(sheet) {
  const reply = await fetch(typeof sheet === "string" ? sheet : sheet.url);
  if (!reply.ok) throw new Error(`sheet: ${reply.status}`);
  const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  return createImageBitmap(await reply.blob(), exact);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function escapeText(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span.innerHTML.replaceAll('"', "&quot;");
}
