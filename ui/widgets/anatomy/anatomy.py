"""The anatomy of guidance: what it did at the step that the player's cursor stands on.

One value carries a whole run, and from then on everything happens in the browser: the numbers
under the equation, the pictures beside it and the curve follow the player without a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddpm_core import Request
from lab.process.trace import Trace

from .. import component
from ..component import packed
from ..equations.typeset import line
from ..player.player import sheet

# Which pictures a method has: those of x̂0, and the signed fields.
PICTURES = {"cfg": ("uncond", "cond", "guided"), "classifier": ("uncond", "guided")}
FIELDS = {"cfg": ("push",), "classifier": ("push", "gradient")}
UNGUIDED = "This run is not guided."
# A class this likely at any step has its name written on its line.
NAMED = 0.25
# Steps of tiles with pictures in a value of some 1.4 MB: each takes about 1.5 kB.
CELLS = 900
# A signed map is drawn up to this percentile of its absolute values, so that one pixel cannot
# leave all others pale.
PERCENTILE = 99.5


class Anatomy(component.Component):
    """Equation, numbers, pictures and p(class) of the step and tile on a player.

    Its value is one of the dictionaries built by `component.idle` and `anatomy`; its option
    `player` is the element id of the player whose cursor it follows.
    """


def anatomy(
    run: str,
    times: Sequence[int],
    trace: Trace,
    request: Request,
    classes: Sequence[str],
    wanted: Sequence[Sequence[int]],
    *,
    total: int,
    place: int = 0,
    first: int = 0,
) -> dict[str, Any]:
    """What guidance did in one row of a run, for each of its tiles.

    The push is shown as the picture feels it, with its sign turned: where eps grows, x̂0 darkens.

    Parameters:
        run: the name that the player's film has.
        times: those of the state at every step of the run, as the stage shows them.
        trace: what was recorded of it.
        request: this row's.
        classes: the names of the classes that the judge tells apart.
        wanted: per tile the classes asked for: one index, or more where classes are mixed.
        total: how many steps the run had, or was to have.
        place, first: the trace's tile, and the player's, that the first tile here is; one component
            for each row of a player shows itself while the cursor is on its row.
    """
    tiles = slice(place, place + len(wanted))
    method = "cfg" if request.guidance == "cfg" else "classifier"
    chosen = telling(trace.p[:, tiles], wanted)
    indices = [int(trace.indices[k]) for k in chosen]
    t, p = [int(times[i]) for i in indices], trace.p[chosen, tiles]
    abar = np.asarray([trace.abar[k] for k in chosen])
    rescale = request.rescale if method == "cfg" else 0.0
    since = decided(p, wanted)
    numbers = {"p": p.round(3), "abar": abar, "strength": trace.strength[chosen, tiles]}
    numbers["factor"] = np.sqrt(1 - abar) if request.form == "scaled" else np.ones(len(t))
    numbers |= {"eps": trace.eps_norm[chosen, tiles], "push": trace.push_norm[chosen, tiles]}
    numbers["cosine"] = trace.cosine[chosen, tiles]
    sheets = {name: sheet(getattr(trace, name)[chosen, tiles]) for name in PICTURES[method]}
    for name in FIELDS[method]:
        field = getattr(trace, name)[chosen, tiles]
        grey, numbers[f"{name}_scale"] = signed(-field if name == "push" else field)
        sheets[name] = sheet(grey)
    return {
        "kind": "anatomy",
        "run": run,
        "method": method,
        "equation": equation(method, request.form, request.at, rescale),
        "rescale": rescale,
        "total": total,
        "indices": indices,
        "t": t,
        "left": [int(trace.t[k]) + 1 for k in chosen],  # as the stage counts, the image being 0
        "tiles": len(wanted),
        "first": first,
        "shape": list(trace.guided.shape[2:]),
        "classes": list(classes),
        "wanted": [[int(c) for c in tile] for tile in wanted],
        "asked": [" or ".join(classes[c] for c in tile) for tile in wanted],
        "marks": _marks(p, indices, wanted),
        "decided": [None if k is None else indices[k] for k in since],
        "verdicts": [_verdict(k, t, p[-1, i], wanted[i], classes) for i, k in enumerate(since)],
        "numbers": {name: packed(a) for name, a in numbers.items()},
        "sheets": sheets,
    }


def telling(p: np.ndarray, wanted: Sequence[Sequence[int]]) -> list[int]:
    """The recorded steps that a value should carry: evenly spread, and all that decide.

    `decided` finds the same steps among these positions in p, (N, tiles, K), as among all.
    """
    total, tiles = p.shape[:2]
    count = min(total, max(2, CELLS // tiles))
    chosen = {int(i) for i in np.linspace(0, total - 1, count).round()}
    for k in decided(p, wanted):
        if k is not None:
            chosen |= {max(0, k - 1), k}  # the last step in doubt, and the first beyond it
    return sorted(chosen)


def decided(p: np.ndarray, wanted: Sequence[Sequence[int]]) -> list[int | None]:
    """For each tile the first position from which on p of the wanted classes stays above 0.5."""
    first = []
    for tile, classes in enumerate(wanted):
        unsure = np.flatnonzero(p[:, tile, list(classes)].sum(1) <= 0.5)
        k = int(unsure[-1]) + 1 if len(unsure) else 0
        first.append(k if k < len(p) else None)
    return first


def signed(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A field as grey bytes around 128, each picture scaled for itself.

    Parameters:
        field: (N, tiles, H, W), of any range.

    Returns:
        The bytes (N, tiles, H, W, 1), and the value (N, tiles) that 255 stands for.
    """
    scale = np.percentile(np.abs(field), PERCENTILE, axis=(2, 3))
    # Where a few pixels are all there is, the percentile is 0 though the field is not.
    scale = np.where(scale > 0, scale, np.abs(field).max(axis=(2, 3)))
    part = field / np.where(scale > 0, scale, 1)[..., None, None]
    return (128 + 127 * part.clip(-1, 1)).round().astype(np.uint8)[..., None], scale


def equation(method: str, form: str = "plain", at: str = "x", rescale: float = 0.0) -> str:
    """The rule by which a method guides, typeset, with room for its numbers."""
    if method == "classifier":
        argument = {"x": "x_t", "x0": "x0_hat", "x0-through": "x0_hat(x_t)"}[at]
        factor = r"\at[factor]{\root{`1 − ` abar}}" if form == "scaled" else ""
        # Always by x_t, even if the classifier looks at x̂0: this gradient is added to eps.
        rule = rf"eps_pushed = eps_seen − \at[strength*]{{lam}} {factor}"
        return line(rf"{rule} grad_x ` ln ` p_judged(y | {argument})", "classifier guidance")
    # Spreads are matched between velocities.
    letter = "v" if rescale else "eps"
    rule = rf"{letter}_free + \at[strength*]{{s}} ({letter}_y − {letter}_free)"
    if rescale:
        back = r"(`1 − ` \at[rescale*]{phi} + phi sd_y`/`sd_pushed)"
        rule = rf"{back} // [ {rule} ]"
    return line(rf"{letter}_pushed = {rule}", "classifier-free guidance")


def _marks(
    p: np.ndarray, steps: Sequence[int], wanted: Sequence[Sequence[int]]
) -> list[list[tuple[int, int, float]]]:
    """For each tile where the curve carries names: class, step and p, at the top of each rise."""
    marks = []
    for tile, classes in enumerate(wanted):
        tile_marks: list[tuple[int, int, float]] = []
        peaks = p[:, tile].max(0)
        for c in sorted(range(len(peaks)), key=lambda c: (c not in classes, -peaks[c])):
            k = int(np.argmax(p[:, tile, c] >= 0.95 * peaks[c]))
            mark = (c, steps[k], round(float(p[k, tile, c]), 3))
            if (c in classes or peaks[c] >= NAMED) and _has_room(mark, tile_marks, steps[-1]):
                tile_marks.append(mark)
        marks.append(tile_marks)
    return marks


def _has_room(mark: tuple, others: Sequence[tuple], last: int) -> bool:
    _, step, p = mark
    return not any(abs(step - s) < 0.06 * last and abs(p - q) < 0.2 for _, s, q in others)


def _verdict(
    k: int | None,
    t: Sequence[int],
    p: np.ndarray,
    wanted: Sequence[int],
    classes: Sequence[str],
) -> str:
    if k is not None:
        return f"decided at t = {int(t[k])}, says the judge"
    best = int(np.argmax(p))
    name = " or ".join(_with_article(classes[c]) for c in wanted)
    sees = "wavers to the end" if best in wanted else f"sees {_with_article(classes[best])}"
    return f"never decided for {name}: the judge {sees}"


def _with_article(name: str) -> str:
    vowel = name[:1].lower() in tuple("aeiou8") or name in ("11", "18")
    return f"{'an' if vowel else 'a'} {name}"
