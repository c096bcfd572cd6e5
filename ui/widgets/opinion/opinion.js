import { escapeText, term } from "../component.js";

const LEAST = 0.02; // of the gain that fills its half: smaller ones are noise, and stay small

export function mount({ root, options, find, findAll }) {
  root.innerHTML = `<p class="tool-name">${escapeText(options.label)}&ensp;<span
    class="opinion-recorded mono soft"></span></p><div class="opinion-rows"></div>`;
  let built = "";
  return (value) => {
    find(".opinion-recorded").textContent = value.recorded ? `recorded · ${value.recorded}` : "";
    root.style.setProperty("--rows", value.rows?.length ?? 10);
    if (value.kind === "idle") {
      built = "";
      find(".opinion-rows").innerHTML = `<p class="note instead">${escapeText(value.message)}</p>`;
    } else show(value.rows);
  };

  function show(rows) {
    const key = JSON.stringify(rows.map(([name, , p]) => [name, p === null]));
    if (key !== built) {
      built = key; // the bars stay, and move to what is new
      root.style.setProperty("--name", `${Math.max(2, ...rows.map(([name]) => name.length))}ch`);
      find(".opinion-rows").innerHTML = `${headMarkup(rows)}
        <div role="list">${rows.map(rowMarkup).join("")}</div>`;
    }
    const most = Math.max(LEAST, ...rows.map(([, gain]) => Math.abs(gain)));
    const best = Math.max(...rows.map(([, gain]) => gain));
    findAll("[role=listitem]").forEach((row, i) => {
      const [name, gain, p] = rows[i];
      row.dataset.leads = String(gain === best);
      row.style.setProperty("--gain", Math.abs(gain) / most);
      row.dataset.side = gain < 0 ? "worse" : "better";
      row.querySelector(".opinion-gain").textContent = signed(gain);
      row.setAttribute("aria-label", `${name}: ${signed(gain)}${p === null ? ""
        : `; the judge ${percent(p)}`}`);
      if (p === null) return;
      row.style.setProperty("--p", p);
      row.querySelector(".opinion-p").textContent = percent(p);
    });
  }
}

function headMarkup(rows) {
  const judge = rows[0][2] === null ? ""
    : `<span class="opinion-said"><span ${term("the judge")}>the judge</span></span>`;
  return `<div class="opinion-row soft small"><span></span><span class="line"><span>← worse</span>
    <span>better →</span></span><span></span>${judge}</div>`;
}

function rowMarkup([name, , p]) {
  return `<div class="opinion-row small" role="listitem"><span class="cut">${escapeText(name)}</span>
    <span class="opinion-bar"></span><span class="opinion-gain mono"></span>${p === null ? ""
    : '<span class="opinion-judge"></span><span class="opinion-p mono"></span>'}</div>`;
}

function signed(gain) {
  const value = (100 * gain).toFixed(Math.abs(gain) < 0.0995 ? 1 : 0);
  return `${gain < 0 ? "−" : "+"}${value.replace("-", "")} %`;
}

function percent(p) {
  return `${Math.round(100 * p)} %`;
}
