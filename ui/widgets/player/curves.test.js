import assert from "node:assert/strict";
import { test } from "node:test";

import { figure, scaleOf } from "./curves.js";

const lane = (...values) => ({ frames: values.map((norm) => ({ numbers: { norm } })) });

test("a number has three digits, and powers of ten where zeros would hide them", () => {
  assert.deepEqual([0, 1.2345, 123.4, 0.0000123, -2, null].map(figure),
    ["0", "1.23", "123", "1.2·10⁻⁵", "−2.00", "–"]);
});

test("curves of all lanes share a scale, and a number that has no place on it is left out", () => {
  const lanes = [lane(null, 1, 10), lane(100, 0)];
  const { least, most, heightOf } = scaleOf({ key: "norm", scale: "log" }, lanes);
  assert.deepEqual([least, most], [1, 100]);
  assert.equal(heightOf(0), null);
  assert.ok(heightOf(100) < heightOf(10) && heightOf(10) < heightOf(1));
  assert.equal(scaleOf({ key: "beta", scale: "linear" }, lanes), null);
});
