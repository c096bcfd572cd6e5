import assert from "node:assert/strict";
import { test } from "node:test";

import { figure, fixed, floatsOf, minus, percent } from "./numbers.js";

test("floats arrive as they were sent", () => {
  const sent = Float32Array.of(0, -1.5, NaN, 3e-7);
  const text = btoa(String.fromCharCode(...new Uint8Array(sent.buffer)));
  assert.deepEqual(floatsOf(text), sent);
});

test("a figure is about as wide whatever its size, and says what is no number", () => {
  const shown = { 0: "0", 0.00012: "1.2·10⁻⁴", "-0.0004": "−4.0·10⁻⁴", 0.12345: "0.1235",
    0.99996: "1.000", 9.8765: "9.877", "-12.345": "−12.35", 1234.56: "1234.6",
    45678: "4.6·10⁴" };
  for (const value in shown) assert.equal(figure(Number(value)), shown[value]);
  for (const none of [undefined, null, NaN]) assert.equal(figure(none), "–");
  assert.equal(figure(Infinity), "∞");
});

test("nothing that is left of a number has no sign", () => {
  assert.equal(fixed(-0.0001, 3), "0.000");
  assert.equal(fixed(-0.25, 2), "−0.25");
  assert.equal(minus("NaN"), "–");
});

test("a percentage has the decimals that it needs, or those asked for", () => {
  assert.equal(percent(0.95), "95 %");
  assert.equal(percent(0.975), "97.5 %");
  assert.equal(percent(1, 1), "100.0 %");
});
