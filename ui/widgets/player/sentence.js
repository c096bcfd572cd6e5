// What happens at a step, in plain words, from the run's own numbers at that step; see
// lab/process/step_numbers.py for what each of them is.

export const PATIENCE = 500; // milliseconds without news of a run that was asked for
export const WAITING = "Asked. The first step takes a moment: the server may have other runs before "
  + "this one.";

const BLURRED = 0.85; // of the contrast that the picture has in the end
const FAR = 0.5; // of the way from a blank picture to the one in the end
const MUCH = 0.25;
const NEAR = 0.15;
const STUCK = 0.02;
const RESTLESS = 0.1;
const SETTLED = 0.75; // of the images, by what the judge reads
const LITTLE_NOISE = 0.3;
const ALL_NOISE = 0.95;
const [PALE, HUGE] = [0.6, 1.5]; // of the size that x_t has where it is mostly noise, 1

/** A sentence or two on the frames that lanes stand on. */
export function sentenceOf(lanes, { forward = false } = {}) {
  const known = lanes.filter(({ here }) => here && !Number.isNaN(noiseOf(here)));
  if (!known.length) return "";
  if (forward) return forwardSentence(known[0]);
  return known.length > 1 ? raceSentence(known) : reverseSentence(known[0]);
}

function reverseSentence(lane) {
  const { here, shape: [n], total } = lane;
  if (endedEarly(lane)) {
    return `Stopped at step ${here.index} of ${total.toLocaleString("en")}: x_t is still ${percent(noiseOf(here))} noise.`;
  }
  const isLost = wasLost(lane);
  const phase = isLost && here.t > 0 ? "lost" : phaseOf(here, staysAt(lane));
  const guess = n > 1 ? "guesses" : "guess";
  const noise = percent(noiseOf(here));
  const words = {
    start: "Pure noise: there is no picture in it. Any picture becomes noise like this when noise is "
      + "added for long enough, so any picture can begin here.",
    blurred: `Still ${noise} noise. The network’s ${guess}, x̂0, can only be a blurred average of the `
      + "pictures that can still come out of it.",
    wild: `Still ${noise} noise. The network’s ${guess}, x̂0, ${n > 1 ? "are" : "is"} far from what `
      + "will come out, and every step changes much.",
    shapes: `Now the large shapes are decided: they show in x̂0, while x_t is still ${noise} noise.`,
    undecided: `Large shapes show in x̂0, but they will change yet: x_t is still ${noise} noise.`,
    decided: `The picture is decided: x̂0 hardly changes any more, although x_t is still ${noise} noise.`,
    open: `x̂0 changes little, but what it shows is not decided yet: x_t is still ${noise} noise.`,
    details: "Only details change now, and the last of the noise goes.",
    lost: "Something is wrong: x̂0 stopped changing while x_t was nothing but noise, so there was nothing to base it on. "
      + `x_t is still ${noise} noise.`,
    late: `${noise[0].toUpperCase()}${noise.slice(1)} noise is left, and yet x̂0 still changes much: the steps are too `
      + "large, or an error was put in.",
    noisy: `x_t is still ${noise} noise; a little of it goes with every step.`,
    end: isLost ? "This was the last step, but x̂0 was settled before there was anything to see: this is "
      + "no picture."
      : isUnfinished(lane) ? "This was the last step, but x̂0 still changed in it: the picture is not "
        + "finished. More steps help, or another sampler."
        : "The noise is gone: what is left is the picture.",
  }[phase];
  const more = [phase === "end" ? "" : pushWords(here), isLost ? "" : readWords(lane, phase)];
  return [words, ...more].filter(Boolean).join(" ");
}

/** `stays`: see `staysAt`. */
function phaseOf({ index, t, numbers }, stays = 1) {
  const { noise, left, contrast } = numbers;
  if (t === 0) return "end";
  if (index === 0) return "start";
  if (!isNumber(left)) return "noisy"; // the end is not known yet
  if (noise < LITTLE_NOISE) return left > MUCH ? "late" : "details";
  if (left > FAR) return contrast < BLURRED ? "blurred" : "wild";
  if (left > NEAR) return stays < SETTLED ? "undecided" : "shapes";
  if (left < (noise > ALL_NOISE ? 2 * STUCK : STUCK)) return "lost";
  return stays < SETTLED ? "open" : "decided";
}

/** The share of images that the judge reads from here on as it does in the end: the least of all
 * later steps, so that nothing is called decided which changes once more. */
function staysAt({ here, frames = [here] }) {
  const shares = frames.filter(({ index }) => index >= here.index).map(({ numbers }) => numbers?.agree);
  return Math.min(1, ...shares.filter(isNumber));
}

/** Whether a run was lost by then. */
function wasLost({ here, frames = [here] }) {
  return frames.some((frame) => frame.index > 1 && frame.index <= here.index && frame.numbers
    && phaseOf(frame) === "lost");
}

/** Whether the last step of a run still changed what was to be the picture. */
function isUnfinished({ frames }) {
  return frames?.filter(({ numbers, t }) => numbers && t > 0).at(-1)?.numbers.left > RESTLESS;
}

function pushWords({ numbers: { push } }) {
  return isNumber(push) && push > 0 ? `Guidance pushes by ${percent(push)} of the noise it sees.` : "";
}

/** What the judge, a network of its own, reads in x̂0. */
function readWords({ here: { numbers }, shape: [n], classes, told }, phase) {
  const { agree, reads, sure } = numbers;
  if (!isNumber(agree) || phase === "start") return "";
  if (n === 1) {
    return classes ? `The judge reads: ${classes[reads]}, ${percent(sure)} sure.` : "";
  }
  if (phase === "end") return "";
  const right = `${Math.round(agree * n)} of ${n}`;
  if (phase !== "blurred") return `To the judge, ${right} look already like what they become.`;
  return told ? `The network was told what to draw: from its blur the judge can already tell ${right}.`
    : `From the blur alone the judge can already tell what ${right} become.`;
}

// Of several runs: which of them are how far.
const SHORT = {
  start: "pure noise", blurred: "the guess x̂0 is still a blur", wild: "the guess x̂0 still changes much",
  pale: "x_t has lost the noise that should be in it", huge: "x_t has grown far too large",
  shapes: "large shapes are decided", undecided: "not decided", open: "not decided", decided: "the picture is decided", lost: "stuck", details: "only details change",
  late: "still changing late", noisy: "on the way", end: "finished",
};
const MOST = 3; // groups of runs that one sentence names

function raceSentence(lanes) {
  const noise = lanes.length > 3 ? () => "" : noiseWords; // many stand in as many amounts of it
  const groups = new Map();
  for (const lane of lanes) {
    const words = endedEarly(lane) ? "ended early" : SHORT[faultOf(lane.here) ?? phaseOf(lane.here, staysAt(lane))];
    groups.set(words, [...(groups.get(words) ?? []), lane]);
  }
  if (groups.size === 1) {
    const [[words, all]] = groups;
    return `${all.length === 2 ? "Both" : `All ${all.length}`}: ${words}${noise(all)}.`;
  }
  const named = [...groups].sort(([, a], [, b]) => b.length - a.length).slice(0, MOST)
    .sort(([, [a]], [, [b]]) => noiseOf(b.here) - noiseOf(a.here));
  return named.map(([words, some]) => `${namesOf(some)}: ${words}${noise(some)}.`).join(" ");
}

/** What a run is told by whose x_t is not of the size that its noise gives it. */
function faultOf({ numbers: { norm, noise } }) {
  return norm > HUGE ? "huge" : norm < PALE && noise > 0.5 ? "pale" : undefined;
}

/** Whether a run stands where it was stopped, or failed, before its last step. */
function endedEarly({ here, frames, files, total }) {
  return Boolean(files?.x) && here === frames.at(-1) && here.index < total;
}

/** At most two names. */
function namesOf([first, ...others]) {
  if (!others.length) return first.name;
  return `${first.name} and ${others.length === 1 ? others[0].name : `${others.length} others`}`;
}

function noiseWords(lanes) {
  const shares = lanes.map(({ here }) => noiseOf(here));
  const isPlain = lanes.every(({ here }) => here.index === 0) || shares.includes(0);
  if (isPlain || lanes.some(({ here }) => faultOf(here))) return "";
  return `, in ${[...new Set(shares.map(percent))].join(" and ")} noise`;
}

function forwardSentence({ here: { numbers, t }, classes }) {
  const { noise, reads, sure } = numbers;
  const judge = classes && isNumber(reads)
    ? ` The judge reads: ${classes[reads]}, ${percent(sure)} sure.` : "";
  if (t === 0) return `The picture, before any noise is added.${judge}`;
  if (noise > 0.99) {
    return "Nothing of the picture can be seen any more. Every picture ends as noise like this, so a "
      + "new one can begin with it.";
  }
  if (noise > 0.5) return `More noise than picture: x_t is ${percent(noise)} noise.${noise < 0.9 ? judge : ""}`;
  return `${percent(noise)} noise has been added; the picture still shows through.${judge}`;
}

function noiseOf({ numbers }) {
  return numbers?.noise ?? NaN;
}

function isNumber(value) {
  return typeof value === "number" && !Number.isNaN(value);
}

function percent(share) {
  const value = 100 * share;
  if (value > 99.5 && value < 100) return "almost 100 %";
  return value < 1 && value > 0 ? "less than 1 %" : `${Math.round(value)} %`;
}
