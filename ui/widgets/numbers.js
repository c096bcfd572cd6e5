// Numbers as they arrive from the server, and as a visitor reads them.

export function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export function floatsOf(text) {
  return new Float32Array(bytesOf(text).buffer);
}

/** With a minus sign, and a dash for what is no number. */
export function minus(text) {
  return text.replace("NaN", "–").replace("Infinity", "∞").replaceAll("-", "−");
}

/** A number with so many decimals, and no sign where that leaves nothing of it. */
export function fixed(value, decimals) {
  const text = value.toFixed(decimals);
  return minus(Number(text) === 0 ? text.replace("-", "") : text);
}

/** A number of any size, of much the same width, so that nothing moves while it changes. */
export function figure(value) {
  const size = Math.abs(value ?? NaN);
  if (size === 0) return "0";
  if (size < 0.001 || (size >= 9999.5 && size < Infinity)) return powerOfTen(value);
  if (size < 0.1) return minus(value.toPrecision(3));
  const decimals = size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.99995 ? 3 : 4;
  return minus(Number(value ?? NaN).toFixed(decimals));
}

function powerOfTen(value) {
  const [digits, power] = value.toExponential(1).split("e");
  const raise = (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]);
  return minus(`${digits}·10${[...String(Number(power))].map(raise).join("")}`);
}

/** A share in percent; whole ones without decimals, unless so many are asked for. */
export function percent(share, decimals = 0) {
  const value = 100 * share;
  const isWhole = Math.abs(value - Math.round(value)) < 1e-6;
  return `${value.toFixed(decimals || (isWhole ? 0 : 1))} %`;
}
