import assert from "node:assert/strict";
import test from "node:test";

import { sentenceOf } from "./sentence.js";

const at = (numbers, { index = 5, t = 500, n = 16, ...more } = {}) =>
  ({ name: "", shape: [n, 1, 28, 28], here: { index, t, numbers }, ...more });
const says = (...arguments_) => sentenceOf([at(...arguments_)]);

test("a step is put into words by its own numbers, not by its time", () => {
  for (const [words, numbers, where] of [
    [/^Pure noise/, { noise: 1 }, { index: 0, t: 1000 }],
    [/99 % noise.*blurred/, { noise: 0.99, left: 0.9, contrast: 0.6 }],
    [/large shapes.*90 %/, { noise: 0.9, left: 0.3, contrast: 0.8 }],
    [/decided.*60 %/, { noise: 0.6, left: 0.1, contrast: 0.95 }],
    [/details/, { noise: 0.1, left: 0.05, contrast: 1 }],
    [/noise is gone/, { noise: 0, left: 0, contrast: 1 }, { index: 20, t: 0 }],
    // Settled in nothing but noise.
    [/Something is wrong/, { noise: 0.99, left: 0.01, contrast: 1 }],
    // The judge does not read yet what it will read in the end.
    [/not decided yet/, { noise: 0.5, left: 0.1, contrast: 1, agree: 0 }, { n: 1 }],
  ]) assert.match(says(numbers, where), words);
});

test("while a run goes on its end is not known, and nothing is said of it", () => {
  assert.match(says({ noise: 0.7, contrast: 0.5 }), /70 % noise/);
  assert.doesNotMatch(says({ noise: 0.7, contrast: 0.5 }), /decided|blurred|judge/);
});

test("what was settled in nothing but noise is no picture in the end", () => {
  const end = { index: 20, t: 0, numbers: { noise: 0, left: 0, contrast: 1 } };
  const frames = [{ index: 3, t: 900, numbers: { noise: 0.99, left: 0.01, contrast: 1 } }, end];
  const lane = { name: "", shape: [4, 1, 28, 28], here: end, frames };
  assert.match(sentenceOf([lane]), /no picture/);
  assert.match(sentenceOf([{ ...lane, frames: [end] }]), /what is left is the picture/);
});

test("the judge tells the class of one image, and of several how many are settled", () => {
  const one = { noise: 0.5, left: 0.1, contrast: 1, agree: 1, reads: 3, sure: 0.92 };
  assert.match(says(one, { n: 1, classes: ["0", "1", "2", "three"] }), /three, 92 % sure/);
  assert.match(says({ ...one, agree: 0.75 }), /12 of 16/);
});

test("nothing is decided that the judge will read otherwise at a later step", () => {
  const frames = [[5, 0.3, 1], [6, 0.3, 0], [7, 0.1, 1]].map(([index, left, agree]) =>
    ({ index, t: 500, numbers: { noise: 0.5, left, contrast: 1, agree } }));
  const lanes = frames.map((here) => [{ name: "", shape: [1, 1, 28, 28], here, frames }]);
  const [first, second, third] = lanes.map((lane) => sentenceOf(lane));
  for (const words of [first, second]) assert.match(words, /will change yet/);
  assert.match(third, /picture is decided/);
});

test("runs that are equally far are named together, and many by two names at most", () => {
  const near = at({ noise: 0.5, left: 0.1, contrast: 1 }, { name: "cosine" });
  const far = at({ noise: 0.99, left: 0.9, contrast: 0.6 }, { name: "linear" });
  assert.match(sentenceOf([far, near]), /^linear: .*blur.*99 % noise\. cosine: .*decided.*50 % noise\.$/);
  assert.match(sentenceOf([near, { ...near, name: "sigmoid" }]), /^Both: .*decided/);
  const many = Array.from({ length: 9 }, (_, i) => ({ ...near, name: `DDIM ${i}` }));
  assert.match(sentenceOf(many), /^All 9: /);
  assert.match(sentenceOf([far, ...many]), /^linear: .*DDIM 0 and 8 others: /);
});

test("a run whose noise is gone too early is told by that, not by the noise it should have", () => {
  const sound = at({ noise: 0.97, left: 0.6, contrast: 0.6, norm: 1 }, { name: "sound" });
  const pale = at({ noise: 0.97, left: 1.2, contrast: 0.7, norm: 0.2 }, { name: "wrong" });
  assert.match(sentenceOf([sound, pale]), /wrong: x_t has lost the noise[^%]*$/);
});

test("a run that was stopped, or failed, is not said to be on its way", () => {
  const here = at({ noise: 0.6 }).here;
  const stopped = { name: "a", files: { x: "x.png" }, frames: [here], here, total: 20 };
  assert.equal(sentenceOf([stopped, { ...stopped, name: "b" }]), "Both: ended early, in 60 % noise.");
});

test("on the way into noise it says how much of the picture is left", () => {
  const forward = (...arguments_) => sentenceOf([at(...arguments_)], { forward: true });
  assert.match(forward({ noise: 0 }, { t: 0 }), /before any noise/);
  assert.match(forward({ noise: 0.2 }), /20 % noise/);
  assert.match(forward({ noise: 0.999 }), /Nothing of the picture/);
});

test("a picture that its last step still changed is not called finished", () => {
  const end = { index: 20, t: 0, numbers: { noise: 0, left: 0, contrast: 1 } };
  const ended = (left) => sentenceOf([{ name: "", shape: [4, 1, 28, 28], here: end,
    frames: [{ index: 19, t: 1, numbers: { noise: 0.001, left, contrast: 1 } }, end] }]);
  assert.match(ended(0.02), /what is left is the picture/);
  assert.match(ended(0.2), /not finished/);
});

test("a run that was stopped says so where it stands", () => {
  const here = { index: 5, t: 500, numbers: { noise: 0.6 } };
  const words = sentenceOf([{ name: "", shape: [1, 1, 28, 28], here, total: 20, files: { x: [] }, frames: [here] }]);
  assert.match(words, /^Stopped at step 5 of 20/);
});

test("lanes without numbers are passed over in silence", () => {
  assert.equal(sentenceOf([{ name: "", shape: [1], here: { index: 0, t: 0, numbers: {} } }]), "");
});
