import assert from "node:assert/strict";
import { test } from "node:test";

import { axisOf, frameAt, placeOn, ticksOf } from "./race_parts.js";

const lane = (t, logSnr) => ({ t, logSnr });

function placed(aligned, ...lanes) {
  const axis = axisOf(aligned, lanes, false);
  for (const one of lanes) one.places = one.t.map((_, k) => placeOn(axis, axis.valueOf(one, k)));
  return axis;
}

test("by step, lanes of other lengths begin and end together", () => {
  const [slow, quick] = [lane([4, 3, 2, 1, 0], []), lane([4, 2, 0], [])];
  placed("t", slow, quick);
  assert.deepEqual(slow.places, [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(quick.places, [0, 0.5, 1]);
});

test("by log-SNR, lanes at one place are at one noise level", () => {
  const [first, second] = [lane([3, 2, 0], [-9, 0, 9]), lane([3, 1, 0], [-5, 0, 11])];
  const axis = placed("logsnr", first, second);
  assert.equal(first.places[1], second.places[1]);
  assert.deepEqual([axis.low, axis.high], [-9, 11]);
});

test("the axis of log-SNR ends where less than half a grey level is left", () => {
  const axis = placed("logsnr", lane([2, 1, 0], [-40, 0, 99]));
  assert.deepEqual([axis.low, axis.high], [-12, 12]);
});

test("a place shows the last frame that is not beyond it", () => {
  const one = lane([4, 3, 2, 1, 0], []);
  placed("t", one);
  assert.deepEqual([0, 0.2, 0.25, 0.9, 1].map((place) => frameAt(one, place)), [0, 0, 1, 3, 4]);
});

test("ticks of lanes that share T are times, of others shares of T", () => {
  const [same, other] = [lane([1000, 0], []), lane([100, 0], [])];
  assert.equal(ticksOf("t", null, [same, lane([1000, 500], [])], true)[1].label, "900");
  assert.equal(ticksOf("t", null, [same, other], true)[1].label, "0.9 T");
});
