import assert from "node:assert/strict";
import { test } from "node:test";

import { scaleOf } from "./curves.js";

const lane = (...values) => ({ frames: values.map((norm) => ({ numbers: { norm } })) });

test("curves of all lanes share a scale, and a number that has no place on it is left out", () => {
  const lanes = [lane(null, 1, 10), lane(100, 0)];
  const { low, high, share } = scaleOf({ key: "norm", scale: "log" }, lanes);
  assert.deepEqual([low, high], [1, 100]);
  assert.equal(share(0), NaN);
  assert.ok(share(100) > share(10) && share(10) > share(1));
  assert.equal(scaleOf({ key: "beta", scale: "linear" }, lanes), null);
});
