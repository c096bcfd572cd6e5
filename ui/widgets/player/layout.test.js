import assert from "node:assert/strict";
import { test } from "node:test";

import { arrangement, gridOf } from "./layout.js";

const DIGITS = { shape: [16, 28, 28, 1], columns: 4 };
const ROW = { shape: [8, 28, 28, 1], columns: 8 };

function fit(width, height, density, lanes, panes, lane) {
  return arrangement({ width, height, above: 120, density, lanes, panes, grid: gridOf(lane, width) });
}

test("a long row is folded where it would be too small to see", () => {
  assert.equal(gridOf(ROW, 900).across, 8);
  assert.equal(gridOf(ROW, 358).across, 3);
  assert.deepEqual(gridOf(ROW, 358).cornerOf(5), [58, 29]);
});

test("two panes stand side by side, also on a phone; those of long rows below one another", () => {
  assert.equal(fit(900, 900, 1, 1, 2, DIGITS).beside, 2);
  assert.equal(fit(358, 844, 3, 1, 2, DIGITS).beside, 2);
  assert.equal(fit(900, 900, 1, 1, 2, ROW).beside, 1);
  assert.equal(fit(358, 844, 3, 1, 2, ROW).beside, 2);
  assert.equal(fit(358, 844, 1, 1, 2, { shape: [1, 28, 28, 1], columns: 1 }).beside, 2);
});

test("two lanes stand side by side, also on a phone", () => {
  const one = { shape: [1, 28, 28, 1], columns: 1 };
  assert.equal(fit(900, 900, 1, 2, 1, one).across, 2);
  assert.equal(fit(358, 844, 3, 2, 1, one).across, 2);
});

test("whatever stands side by side fits into the width", () => {
  for (const width of [320, 358, 700, 1100]) {
    for (const [lanes, panes] of [[1, 1], [1, 2], [2, 4], [10, 1], [10, 4]]) {
      const { across, beside, gap, between, paneWidth } = fit(width, 900, 2, lanes, panes, DIGITS);
      const lane = beside * paneWidth + (beside - 1) * between;
      assert.ok(across * lane + (across - 1) * gap <= width, `${lanes} of ${panes} in ${width}`);
    }
  }
});

test("on a low screen pictures are smaller, so that the transport stays in view", () => {
  const one = { shape: [1, 28, 28, 1], columns: 1 };
  const { caption, mat } = fit(930, 650, 1, 1, 2, one);
  assert.ok(120 + caption + mat + 240 <= 650);
});

test("on a screen too low for both, pictures and transport fill it once the page has scrolled", () => {
  const one = { shape: [1, 28, 28, 1], columns: 1 };
  const { scale, caption, mat } = fit(800, 480, 1, 2, 1, one);
  assert.ok(scale >= 4 && 52 + caption + mat + 240 <= 480);
});
