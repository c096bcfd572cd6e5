import assert from "node:assert/strict";
import { test } from "node:test";

import {
  apart, axisOf, barsOf, curveOf, evenTicks, lineOf, logAxis, logTicks, nearest, rising, roundStep,
  ticksBelow, walk,
} from "./plot.js";

test("an axis goes from end to end, evenly or by factors", () => {
  const linear = axisOf({ low: 0, high: 8 }, 300, 100);
  assert.deepEqual([0, 2, 8].map(linear.at), [300, 250, 100]);
  const log = axisOf({ kind: "log", low: 1, high: 100 }, 0, 200);
  assert.deepEqual([1, 10, 100].map(log.at), [0, 100, 200]);
  assert.equal(log.at(-3), 0, "what has no logarithm stands at the low end");
});

test("a logarithmic axis holds all its values and has ticks between them", () => {
  const axis = logAxis([3, 0.02, 0, 40], 200, 0);
  for (const v of [0.02, 3, 40]) assert.ok(axis.at(v) > 0 && axis.at(v) < 200);
  assert.deepEqual(axis.ticks, [0.1, 1, 10, 0.03, 0.3, 3, 30].sort((a, b) => a - b));
  assert.deepEqual(logAxis([], 200, 0).ticks, []);
});

test("ticks are round and stay within", () => {
  assert.deepEqual(logTicks(1, 20000), [1, 10, 100, 1000, 10000]);
  assert.deepEqual(logTicks(1.1, 1.9).map((v) => v.toFixed(2)), ["1.20", "1.40", "1.60", "1.80"]);
  assert.deepEqual([roundStep(10, 4), roundStep(7, 3), roundStep(0.9, 3)], [2.5, 2.5, 0.5]);
  assert.deepEqual(evenTicks(0, 6, 2), [0, 2, 4, 6]);
  assert.deepEqual(evenTicks(7.5, 11, 2), [8, 10]);
});

test("a rising axis has a rule and a number for every tick", () => {
  const drawn = rising({ ticks: [0, 1], at: (v) => 100 - 50 * v }, 40, 90, (v) => `${v} m`);
  assert.match(drawn, /M40 100H90.*0 m.*M40 50H90.*1 m/s);
});

test("a line has its marks, and an error bar where a point has a spread", () => {
  const axis = { at: Number };
  const points = [{ x: 10, y: 20, spread: 5 }, { x: 30, y: 40 }];
  const drawn = lineOf({ points, colour: "mid", width: 2, marks: true }, axis, axis);
  assert.match(drawn, /points="10,20 30,40"/);
  assert.equal(drawn.split("plot-mark").length - 1, 2);
  assert.match(drawn, /M10 15V25/);
  assert.equal(drawn.split("plot-error-bar").length - 1, 1);
  assert.doesNotMatch(lineOf({ points, colour: "mid", width: 2 }, axis, axis), /plot-mark/);
});

test("what is stretched to its box goes up from 0 to 1", () => {
  assert.equal(curveOf([[0, 0], [2, 0.25], [3, 1]]), "M0 1.0000L0 1.0000L2 0.7500L3 0.0000");
  assert.equal(curveOf([[0, 1], [1, NaN], [2, 0]]), "M0 0.0000L0 0.0000M2 1.0000L2 1.0000");
  assert.equal(barsOf([0.5, 3], [0, 1, 4]), "M0 1V0.5000H1V1zM1 1V0.0000H4V1z");
  assert.match(ticksBelow([0, 0.5, 1].map((place) => ({ place, label: 1000 - 1000 * place }))),
    /first" style="left:0%">1000.*"" style="left:50%">500.*last" style="left:100%">0/);
});

test("texts stand apart, all of them, as near as they can to where they belong", () => {
  assert.deepEqual(apart([50, 90], 15, 0, 100), [50, 90]);
  assert.deepEqual(apart([20, 50, 50, 50], 15, 0, 100), [20, 35, 50, 65]);
  assert.deepEqual(apart([50, 98, 100, 100], 15, 0, 100), [50, 70, 85, 100]);
  assert.deepEqual(apart([0, 0, 40], 10, 0, 100), [0, 10, 40]);
  assert.deepEqual(apart([9, 9, 9], 15, 0, 20), [0, 10, 20], "closer where there is no room");
  assert.deepEqual(apart([], 15, 0, 100), []);
});

test("the nearest is found, within reach", () => {
  assert.equal(nearest([5, 3, 9]), 1);
  assert.equal(nearest([50, 60], 40), -1);
  assert.equal(nearest([], 40), -1);
});

test("keys walk along a row and stop at its ends", () => {
  assert.equal(walk({ key: "ArrowRight" }, 1, 3), 2);
  assert.equal(walk({ key: "ArrowRight" }, 2, 3), 2);
  assert.equal(walk({ key: "Home" }, 2, 3), 0);
  assert.equal(walk({ key: "End" }, 0, 3), 2);
  assert.equal(walk({ key: "x" }, 0, 3), undefined);
  assert.equal(walk({ key: "ArrowLeft", altKey: true }, 1, 3), undefined, "the browser's own");
});
