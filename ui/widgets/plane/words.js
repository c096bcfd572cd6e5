// What happens to the points at a step, in plain words.

const NEAR = 0.02; // of a distance between the fields

/** A sentence or two on the frame under the cursor, or on a training. */
export function planeSentence({ film, live, here }) {
  if (live) {
    return `The network is shown points with known noise and learns to guess the noise: step ${
      live.done.toLocaleString("en")} of ${live.training.toLocaleString("en")}. What it makes of noise gets better.`;
  }
  if (!here) return "Press Train: a small network learns these points while you watch.";
  const distance = film.distance[here.i];
  if (film.done < film.training) {
    return `Stopped after ${film.done.toLocaleString("en")} of ${film.training.toLocaleString("en")} training steps: `
      + "points of this network are off because it has not learned enough yet.";
  }
  if (here.t === 0) {
    return "Each point stands for a picture, of two numbers. A perfect network would give back its "
      + "training points. Of the exact points "
      + `${percent(film.copies.exact)} have landed on one, of the learned ones ${percent(film.copies.learned)}. `
      + "The learned network makes new points: that is generalisation.";
  }
  if (here.index === 0) {
    return "Pure noise, the same on both sides. Arrows show where each prediction pulls a point: "
      + "here both pull towards the middle of the data.";
  }
  return distance < NEAR
    ? "Under this much noise single training points cannot be told apart: the two fields nearly agree."
    : "The fields part: exact arrows lead to single training points, learned ones to the shape between them.";
}

function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}
