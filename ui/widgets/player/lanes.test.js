import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addFrame, costText, filmLane, forgetOthers, heldText, isHere, keepSpare, liveLane, whyEmpty,
} from "./lanes.js";

const ABOUT = { name: "", shape: [1, 1, 2, 1], columns: 1, calls: 3, seconds: 1, total: 3 };
const SHEETS = { x: "file", x0: "file" };
const FILM = { ...ABOUT, t: [9, 6, 3, 0], indices: [0, 1, 2, 3], sheets: SHEETS };
const bytes = (...values) => btoa(String.fromCharCode(...values));

test("a live lane grows by each frame once", () => {
  const lane = liveLane("a");
  const news = { ...ABOUT, index: 0, t: 9, numbers: { norm: 1 }, frame: { x: bytes(1, 2) } };
  addFrame(lane, news);
  addFrame(lane, { ...news, calls: 4 });
  assert.equal(lane.frames.length, 1);
  assert.equal(lane.calls, 4);
  assert.deepEqual([...lane.frames[0].bytes.x], [1, 2]);
});

test("of a long film the frames that are not here are asked for, or forgotten", () => {
  const lane = filmLane({ ...FILM, chosen: [0, 3] });
  assert.deepEqual(lane.frames.map(isHere), [true, false, false, true]);
  assert.equal(heldText(lane), "");
  keepSpare(lane, { first: 1, frames: [{ x: bytes(7, 8) }] });
  assert.deepEqual(lane.frames.map(isHere), [true, true, false, true]);
  forgetOthers(lane);
  assert.deepEqual(lane.frames.map(({ index }) => index), [0, 1, 3]);
  assert.equal(heldText(lane), "3 of 4 frames");
});

test("a pane without a picture says why", () => {
  const lane = filmLane(FILM);
  const [opening, next] = lane.frames;
  lane.sheets.x = {};
  assert.equal(whyEmpty(lane, "x", opening), "");
  assert.equal(whyEmpty(lane, "x0", opening), "nothing predicted yet");
  assert.equal(whyEmpty(lane, "x0", next), "on its way");
  assert.equal(whyEmpty(lane, "eps", next), "not recorded");
});

test("seconds of others do not count", () => {
  assert.equal(costText({ calls: 1, seconds: null }), "1 call · computed earlier");
  assert.equal(costText({ calls: 20, seconds: 12.34 }), "20 calls · 12.3 s");
  assert.equal(costText({ calls: 5, seconds: 1, expected: 12 }), "5 calls · 1.00 of about 12 s");
});
