import assert from "node:assert/strict";
import { test } from "node:test";

import { upOf } from "./curves.js";

const lane = (...values) => ({ frames: values.map((norm) => ({ numbers: { norm } })) });

test("all lanes share an axis, and a number that has no place on it is left out", () => {
  const up = upOf({ key: "norm", scale: "log" }, [lane(null, 1, 10), lane(100, 0)]);
  assert.deepEqual([null, NaN, 0, 1].map(up.isDrawn), [false, false, false, true]);
  assert.ok(up.at(100) < up.at(10) && up.at(10) < up.at(1), "it rises");
  assert.equal(upOf({ key: "beta", scale: "linear" }, [lane(1, 2)]), null);
});

test("a linear axis ends at round numbers and spans what it has to", () => {
  const share = { key: "norm", scale: "linear", span: [0, 1] };
  assert.deepEqual(upOf(share, [lane(0.4, 0.9)]).ticks.map((v) => v.toFixed(1)),
    ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.equal(upOf(share, [lane(0.4, 7.3)]).ticks.at(-1), 8);
  assert.deepEqual(upOf({ key: "norm", scale: "linear" }, [lane(3, 3)]).ticks.at(0), 3);
});
