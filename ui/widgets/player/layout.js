// How large pictures are, and how lanes and their panes are arranged.

import { CLOSE } from "./axis.js";

const GUTTER = 1; // image pixels between tiles
export const NARROW = 560; // px, a stage as on a phone
const NARROWEST = 108; // px, a lane whose name can still be read
const SMALLEST = 2; // px for a pixel of an image; rather than smaller, the page is longer
const CAPTION = 26; // px over a pane
const UNDER = 244; // px from the pictures to the foot of the transport
const LOWEST = 160; // px for the lanes
const MARGIN = 8; // px around a picture, and between the panes of one lane among several

/** Where a lane's tiles stand, in image pixels. A single long row is folded where it would be too
    small to see, about to a square, so that two panes stand side by side. */
export function gridOf({ shape: [n, h, w], columns }, width) {
  const isLong = n <= columns && n > 4 && width < 2 * columns * (w + GUTTER);
  const across = isLong ? Math.ceil(Math.sqrt(n)) : columns;
  const rows = Math.ceil(n / across);
  return {
    across,
    wide: across * (w + GUTTER) - GUTTER,
    high: rows * (h + GUTTER) - GUTTER,
    cornerOf: (i) => [(i % across) * (w + GUTTER), Math.floor(i / across) * (h + GUTTER)],
  };
}

/** The largest scale at which image pixels fit and are whole pixels of the screen. */
export function scaleFor({ wide, high }, width, height, density) {
  const fit = Math.min(width / wide, height / high) * density;
  return Math.max(1, Math.floor(fit + CLOSE)) / density;
}

/** The arrangement of lanes, and of the panes within each, that shows pixels largest. The stage
    begins `above` px under the top of the page: it leaves room for its transport on a screen of
    `height`, or, on one too low for that, once the page has scrolled to the pictures. */
export function arrangement({ width, height, above, density, lanes, panes, grid: { wide, high } }) {
  const narrow = width < NARROW;
  const small = lanes > 2;
  const gap = narrow || small ? 12 : 20;
  const between = lanes > 1 ? MARGIN : gap;
  const caption = small && panes === 1 ? 0 : CAPTION;
  // On a phone, what is left beside the timeline with its switches.
  const part = narrow && lanes > 1 ? 0.62 : small && panes > 1 ? 0.72 : 0.58;
  const left = height - above - UNDER;
  const most = narrow ? height - 230 : left < LOWEST ? height - UNDER : left;
  const room = Math.max(LOWEST, Math.min(part * height, most));
  // A phone has pixels to spare for two small panes; a narrow window of a coarse screen may not.
  const half = Math.floor((width - between * (panes - 1)) / panes);
  const finest = scaleFor({ wide, high }, half, Infinity, density) * density;
  const oneRow = lanes === 1 && wide <= 2 * high && finest >= SMALLEST;
  const head = lanes < 2 ? 0 : small || narrow ? 60 : 52; // over the pictures of a lane
  let best = null;
  for (const across of small ? range(lanes) : [lanes]) {
    const down = Math.ceil(lanes / across);
    const laneWidth = Math.floor((width - gap * (across - 1)) / across);
    if (across > 1 && laneWidth < NARROWEST) break;
    const laneHeight = (room - gap * (down - 1)) / down - head;
    for (const beside of oneRow ? [panes] : range(panes)) {
      const below = Math.ceil(panes / beside);
      const paneWidth = Math.floor((laneWidth - between * (beside - 1)) / beside);
      const paneHeight = (laneHeight - between * (below - 1)) / below - caption;
      const pictureHeight = Math.max(paneHeight - MARGIN, SMALLEST * high);
      const scale = scaleFor({ wide, high }, paneWidth, pictureHeight, density);
      let mat = Math.ceil(high * scale) + MARGIN;
      // A large mat is of one size for one image and for four.
      const square = Math.floor(Math.min(paneWidth, paneHeight));
      if (!small && wide < 1.5 * high) mat = Math.max(mat, square);
      const tall = down * (head + below * (mat + caption + between)) + gap * (down - 1);
      const fit = { across, beside, below, gap, between, caption, paneWidth, scale, mat, tall };
      const larger = best && fit.scale - best.scale;
      if (!best || larger > CLOSE || (larger > -CLOSE && fit.tall < best.tall)) best = fit;
    }
  }
  return best;
}

function range(n) {
  return Array.from({ length: n }, (_, i) => i + 1);
}
