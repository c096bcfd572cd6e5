import assert from "node:assert/strict";
import { test } from "node:test";

import {
  axisOf, frameAt, nearest, placeOn, putInPlace, readingAt, stopBeside, stopsOf, ticksOf,
} from "./axis.js";

function lane(t, logSnr = [], indices = [...t.keys()]) {
  const frames = t.map((time, k) => ({ t: time, logSnr: logSnr[k], index: indices[k] }));
  return { frames, total: indices.at(-1) };
}

function placed(aligned, ...lanes) {
  const axis = axisOf(aligned, lanes, false);
  putInPlace(axis, lanes);
  return axis;
}

const placesOf = ({ frames }) => frames.map((frame) => frame.place);

test("lanes of other lengths begin and end together", () => {
  const [slow, quick] = [lane([4, 3, 2, 1, 0]), lane([4, 2, 0])];
  placed("t", slow, quick);
  assert.deepEqual(placesOf(slow), [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(placesOf(quick), [0, 0.5, 1]);
  assert.deepEqual(stopsOf([slow, quick]), [0, 0.25, 0.5, 0.75, 1]);
});

test("a run alone is as far along as its steps, also one that was stopped", () => {
  const half = { ...lane([1000, 750, 500]), total: 4 };
  placed("step", half);
  assert.deepEqual(placesOf(half), [0, 0.25, 0.5]);
});

test("by log-SNR, lanes at one place are at one noise level", () => {
  const [first, second] = [lane([3, 2, 0], [-9, 0, 9]), lane([3, 1, 0], [-5, 0, 11])];
  const axis = placed("logsnr", first, second);
  assert.equal(placesOf(first)[1], placesOf(second)[1]);
  assert.deepEqual([axis.low, axis.high], [-9, 11]);
});

test("the axis of log-SNR ends where less than half a grey level is left", () => {
  const axis = placed("logsnr", lane([2, 1, 0], [-40, 0, 99]));
  assert.deepEqual([axis.low, axis.high], [-12, 12]);
  assert.equal(placeOn(axis, 99), 1);
});

test("a place shows the last frame that is not beyond it", () => {
  const one = lane([4, 3, 2, 1, 0]);
  placed("t", one);
  const times = [0, 0.2, 0.25, 0.9, 1].map((place) => frameAt(one.frames, place).t);
  assert.deepEqual(times, [4, 4, 3, 1, 0]);
});

test("the nearest frame is found before, between and after all others", () => {
  const { frames } = lane([9, 5, 0], [], [0, 10, 20]);
  const indices = [-3, 4, 6, 14, 99].map((step) => nearest(frames, step, "index").index);
  assert.deepEqual(indices, [0, 0, 10, 10, 20]);
});

test("a step back from between two stops leads to the one before", () => {
  const stops = [0, 0.5, 1];
  assert.equal(stopBeside(stops, 0.7, -1), 0.5);
  assert.equal(stopBeside(stops, 0.7, 1), 1);
  assert.equal(stopBeside(stops, 0.5, -1), 0);
  assert.equal(stopBeside(stops, 1, 10), 1);
});

test("ticks of lanes that share T are times, of others shares of T", () => {
  const [same, other] = [lane([1000, 0]), lane([100, 0])];
  assert.equal(ticksOf("t", null, [same, lane([1000, 500])], 800)[1].label, "900");
  assert.equal(ticksOf("t", null, [same, other], 800)[1].label, "0.9 T");
});

test("ticks of a run alone are named after its frames, as far as it has come", () => {
  const half = { ...lane([1000, 740, 480]), total: 4 };
  const axis = placed("step", half);
  const labels = ticksOf("step", axis, [half], 800).map(({ label }) => label);
  assert.deepEqual(labels, ["t = 1000", "740", "480", "", ""]);
});

test("the cursor reads a time between frames of lanes, and the frame's own of a run alone", () => {
  const one = lane([1000, 900, 0]);
  const axis = placed("t", one);
  assert.equal(readingAt("t", axis, [one], 0.25).value, "750");
  one.here = one.frames[1];
  assert.equal(readingAt("step", placed("step", one), [one], 0.5).value, "900");
});
