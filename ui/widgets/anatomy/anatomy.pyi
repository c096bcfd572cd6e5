"""The anatomy of guidance: what it did at the step that the player's cursor stands on.

One value carries a whole run, and from then on everything happens in the browser: the numbers
under the equation, the pictures beside it and the curve follow the player without a request.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import component
from ..player.player import sheet, with_files

__all__ = ["Anatomy", "anatomy", "decided", "equation", "idle", "signed", "telling"]

# Which pictures a method has: those of x̂0, and the signed fields.
PICTURES = {"cfg": ("uncond", "cond", "guided"), "classifier": ("uncond", "guided")}
FIELDS = {"cfg": ("push",), "classifier": ("push", "gradient")}
FORMS = ("plain", "scaled")
PLACES = ("x", "x0", "x0-through")
UNGUIDED = "This run is not guided."
# A class this likely at any step has its name written on its line.
NAMED = 0.25
# Pictures take about 1.5 kB for every step of a tile: what a value of some 1.4 MB can hold.
CELLS = 900
# A signed map is drawn up to this percentile of its absolute values, so that one pixel cannot
# leave all others pale.
PERCENTILE = 99.5

from gradio.events import Dependency

class Anatomy(component.Component):
    """Equation, numbers, pictures and p(class) of the step and tile on a player.

    Its value is one of the dictionaries built by `idle` and `anatomy`.
    """

    NAME = "anatomy"
    WHAT = "a value built by idle or anatomy"

    def __init__(
        self,
        value: dict[str, Any] | None = None,
        *,
        player: str,
        label: str = "The anatomy of guidance",
        **props: Any,
    ):
        """
        Parameters:
            value: the first value.
            player: the element id of the player whose cursor it follows.
            label: the name that assistive technology reads.
        """
        # Gradio reads this back by name to build its configuration.
        self.player = player
        super().__init__(
            idle() if value is None else value,
            label=label,
            options={"player": player},
            **props,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Move the sheets out of the value, into files that Gradio serves and clears away."""
        if not isinstance(value, dict) or "sheets" not in value:
            return value
        return with_files(value, self.GRADIO_CACHE)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def idle(message: str = "Guide a run to see what guidance does at each step.") -> dict[str, Any]:
    """Nothing to take apart yet; `message` stands where the curve will be; without one, nothing."""
    return {"kind": "idle", "message": message}


def anatomy(
    run: str,
    t: Sequence[int],
    *,
    left: Sequence[int],
    method: str | None,
    classes: Sequence[str],
    wanted: Sequence[Sequence[int]],
    p: np.ndarray,
    strength: np.ndarray,
    eps_norm: np.ndarray,
    push_norm: np.ndarray,
    cosine: np.ndarray,
    abar: Sequence[float],
    pictures: Mapping[str, np.ndarray],
    total: int,
    indices: Sequence[int] | None = None,
    factor: Sequence[float] | None = None,
    form: str = "plain",
    at: str = "x",
    rescale: float = 0.0,
    first: int = 0,
) -> dict[str, Any]:
    """What guidance did at N steps of a run, for each of its tiles.

    Parameters:
        run: the name that the player's film has.
        t: N times as the stage shows them: of the state that each step led to.
        left: N times, of the state that the network was shown.
        method: "cfg" or "classifier"; None for a run without guidance, which is `idle`.
        classes: K names.
        wanted: per tile the classes asked for: one index, or more where classes are mixed.
        p: (N, tiles, K), p(class | x̂0) after each step as an independent classifier sees it.
        strength: (N, tiles), the s or λ in effect, after interval and profile.
        eps_norm, push_norm: (N, tiles), the length of the unguided eps and of the push.
        cosine: (N, tiles), of the angle between the two; NaN where there is no push.
        abar: N values of ᾱ_t.
        pictures: uint8 (N, tiles, H, W, C), C = 1 or 3, the x̂0 of each prediction: "uncond",
            "cond" and "guided" for cfg, "uncond" and "guided" for a classifier; and float
            (N, tiles, H, W) in any range: "push", guided eps less unguided eps, and for a
            classifier "gradient", that of ln p. The push is shown as the picture feels it, with
            its sign turned: where eps grows, x̂0 darkens.
        total: how many steps the run had, or was to have.
        indices: which step each of the N is, 1 to `total`; 1, 2, 3 ... unless told.
        factor: N values that λ is multiplied with; from `form` and `abar` unless told.
        form: of classifier guidance: "plain" (report, eq. 11) or "scaled" with sqrt(1 - ᾱ).
        at: where the classifier looks: "x", "x0", or "x0-through", the gradient of which goes
            through the network back to x.
        rescale: φ, how far cfg's result is drawn back to the spread of the conditional one.
        first: the player's tile that the first tile here is; one component for each row of a
            player shows itself while the cursor is on its row.
    """
    if method is None:
        return idle(UNGUIDED)
    _choice("method", method, PICTURES)
    _choice("form", form, FORMS)
    _choice("at", at, PLACES)
    steps = [int(i) for i in (range(1, len(t) + 1) if indices is None else indices)]
    _check_steps(steps, t, total)
    p = np.asarray(p, float)
    if p.ndim != 3 or (len(p), p.shape[2]) != (len(t), len(classes)) or not len(t) * p.shape[1]:
        raise ValueError(
            f"p must be (steps, tiles, classes) with {len(t)} steps and {len(classes)} classes; "
            f"got {p.shape}"
        )
    if len(left) != len(t):
        raise ValueError(f"{len(left)} times left and {len(t)} reached differ")
    tiles = p.shape[1]
    wanted = [[int(c) for c in tile] for tile in wanted]
    if len(wanted) != tiles or not all(set(w) <= set(range(len(classes))) and w for w in wanted):
        raise ValueError(f"wanted must name classes for each of {tiles} tiles, got {wanted}")
    abar = _numbers("abar", abar, (len(t),))
    if factor is None:
        factor = np.sqrt(1 - abar) if form == "scaled" else np.ones(len(t))
    each = {"strength": strength, "eps": eps_norm, "push": push_norm, "cosine": cosine}
    each = {name: _numbers(name, a, (len(t), tiles)) for name, a in each.items()}
    sheets, scales, shape = _pictures(method, pictures, (len(t), tiles))
    since = decided(p, wanted)
    return {
        "kind": "anatomy",
        "run": str(run),
        "method": method,
        "equation": equation(method, form, at, rescale),
        "rescale": float(rescale),
        "total": int(total),
        "indices": steps,
        "t": [int(v) for v in t],
        "left": [int(v) for v in left],
        "tiles": tiles,
        "first": int(first),
        "shape": shape,
        "classes": [str(name) for name in classes],
        "wanted": wanted,
        "asked": [" or ".join(str(classes[c]) for c in tile) for tile in wanted],
        "marks": _marks(p, steps, wanted),
        "decided": [None if k is None else steps[k] for k in since],
        "verdicts": [_verdict(k, t, p[-1, i], wanted[i], classes) for i, k in enumerate(since)],
        "numbers": {
            "p": _packed(p.round(3)),
            "abar": _packed(abar),
            "factor": _packed(_numbers("factor", factor, (len(t),))),
            **{name: _packed(a) for name, a in each.items()},
            **{f"{name}_scale": _packed(a) for name, a in scales.items()},
        },
        "sheets": sheets,
    }


def telling(p: np.ndarray, wanted: Sequence[Sequence[int]]) -> list[int]:
    """Which of the recorded steps a value should carry: evenly spread, and all that decide.

    Parameters:
        p: (N, tiles, K), of every step.
        wanted: per tile the classes asked for.

    Returns:
        Positions in p, rising. `decided` finds the same steps among these as among all.
    """
    total, tiles = p.shape[:2]
    count = min(total, max(2, CELLS // tiles))
    chosen = {int(i) for i in np.linspace(0, total - 1, count).round()}
    for k in decided(p, wanted):
        if k is not None:
            chosen |= {max(0, k - 1), k}  # the last step in doubt, and the first beyond it
    return sorted(chosen)


def decided(p: np.ndarray, wanted: Sequence[Sequence[int]]) -> list[int | None]:
    """Per tile the first position from which on p of what is wanted stays above 0.5."""
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
    """The rule by which a method guides: MathML, term by term, each with room for its number."""
    rule = _cfg(rescale) if method == "cfg" else _classifier(form, at)
    # Spreads are matched between velocities.
    of = "v" if method == "cfg" and rescale else "ε"
    return "".join(_term(*term) for term in [(_over(of, "~"),), ("<mo>=</mo>",), *rule])


def _cfg(rescale: float) -> list[tuple]:
    of, number = ("v", None) if rescale else ("ε", "eps")
    free, told = f"<mi>{of}</mi>{_low('<mn>∅</mn>')}", f"<mi>{of}</mi>{_low('<mi>y</mi>')}"
    rule = [(free, number), ("<mo>+</mo>",), ("<mi>s</mi>", "strength")]
    rule += [(_fenced(f"{told}<mo>−</mo>{free}"),)]
    if not rescale:
        return rule
    spread = f"<mi>σ</mi>{_low('<mi>y</mi>')}<mo>/</mo>{_over('σ', '~')}"
    drawn_back = [(f"{_fence('(')}<mn>1</mn>{_MINUS}",), ("<mi>φ</mi>", "rescale")]
    drawn_back += [(f"{_PLUS}<mi>φ</mi>{spread}{_fence(')')}",)]
    return [*drawn_back, (_fence("["),), *rule, (_fence("]"),)]


def _classifier(form: str, at: str) -> list[tuple]:
    noisy, clean = f"<mi>x</mi>{_low('<mi>t</mi>')}", f"{_over('x', '^')}{_low('<mn>0</mn>')}"
    seen = {"x": noisy, "x0": clean, "x0-through": clean + _fenced(noisy)}[at]
    # Always by x_t, also where the classifier looks at x̂0: that is what is added to eps.
    by = _low(noisy)
    rule = [("<mi>ε</mi>", "eps"), ("<mo>−</mo>",), ("<mi>λ</mi>", "strength")]
    if form == "scaled":
        abar = f"<mi>ᾱ</mi>{_low('<mi>t</mi>')}"
        rule += [(f"<msqrt><mn>1</mn><mo>−</mo>{abar}</msqrt>", "factor")]
    judged = _fenced(f"<mi>y</mi><mo>|</mo>{seen}")
    return [*rule, (f"{_SPACE}<mo>∇</mo>{by}{_SPACE}<mtext>ln</mtext>{_SPACE}<mi>p</mi>{judged}",)]


_SPACE = '<mspace width="0.2em"/>'
# At the edge of a term a sign would otherwise be set without its spaces.
_PLUS, _MINUS = '<mo form="infix">+</mo>', '<mo form="infix">−</mo>'


def _term(symbol: str, number: str | None = None) -> str:
    guide = str(number in ("strength", "rescale")).lower()
    under = f'<b data-number="{number}" data-guide="{guide}"></b>' if number else ""
    return f'<span class="anatomy-term"><math><mrow>{symbol}</mrow></math>{under}</span>'


def _low(index: str) -> str:
    # Not msub: without a mathematical font, which phones lack, it does not lower its index.
    return f'<mpadded voffset="-0.3em"><mstyle scriptlevel="1">{index}</mstyle></mpadded>'


def _over(symbol: str, accent: str) -> str:
    return f'<mover accent="true"><mi>{symbol}</mi><mo stretchy="false">{accent}</mo></mover>'


def _fenced(inside: str) -> str:
    return _fence("(") + inside + _fence(")")


def _fence(sign: str) -> str:
    return f'<mo stretchy="false">{sign}</mo>'


def _marks(
    p: np.ndarray, steps: Sequence[int], wanted: Sequence[Sequence[int]]
) -> list[list[tuple[int, int, float]]]:
    """Per tile where the curve carries a name: class, step and p, at the top of its rise."""
    marks = []
    for tile, classes in enumerate(wanted):
        mine: list[tuple[int, int, float]] = []
        peaks = p[:, tile].max(0)
        for c in sorted(range(len(peaks)), key=lambda c: (c not in classes, -peaks[c])):
            k = int(np.argmax(p[:, tile, c] >= 0.95 * peaks[c]))
            here = (c, steps[k], round(float(p[k, tile, c]), 3))
            if (c in classes or peaks[c] >= NAMED) and _free(here, mine, steps[-1]):
                mine.append(here)
        marks.append(mine)
    return marks


def _free(here: tuple, others: Sequence[tuple], last: int) -> bool:
    _, step, p = here
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
    seen = int(np.argmax(p))
    name = " or ".join(_with_article(classes[c]) for c in wanted)
    sees = "wavers to the end" if seen in wanted else f"sees {_with_article(classes[seen])}"
    return f"never decided for {name}: the judge {sees}"


def _with_article(name: str) -> str:
    vowel = name[:1].lower() in tuple("aeiou8") or name in ("11", "18")
    return f"{'an' if vowel else 'a'} {name}"


def _pictures(
    method: str, given: Mapping[str, np.ndarray], cells: tuple[int, int]
) -> tuple[dict[str, str], dict[str, np.ndarray], list[int]]:
    """The sheets by name, the scales of the signed ones, and the shape (H, W, C) of a tile."""
    names = {*PICTURES[method], *FIELDS[method]}
    if set(given) != names:
        raise ValueError(f"the pictures of {method} are {sorted(names)}, got {sorted(given)}")
    sheets, scales = {}, {}
    shape = np.shape(given["guided"])
    for name in PICTURES[method]:
        a = np.asarray(given[name])
        fits = a.ndim == 5 and a.shape[:2] == cells and a.shape == shape and a.shape[-1] in (1, 3)
        if a.dtype != np.uint8 or not fits:
            raise ValueError(
                f"{name} must be uint8 (steps, tiles, H, W, 1 or 3) with {cells[0]} steps and "
                f"{cells[1]} tiles, of one shape with guided; got {a.dtype} {a.shape}"
            )
        sheets[name] = sheet(a)
    for name in FIELDS[method]:
        field = _numbers(name, given[name], shape[:4])
        grey, scales[name] = signed(-field if name == "push" else field)
        sheets[name] = sheet(grey)
    return sheets, scales, [int(n) for n in shape[2:]]


def _check_steps(steps: Sequence[int], t: Sequence[int], total: int) -> None:
    if len(steps) != len(t):
        raise ValueError(f"{len(steps)} indices and {len(t)} timesteps differ")
    if any(b <= a for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError("indices must rise from step to step")
    if steps and not 1 <= steps[0] <= steps[-1] <= total:
        raise ValueError(f"indices must lie in 1 to {total}, got {steps[0]} to {steps[-1]}")


def _choice(name: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {tuple(allowed)}, got {value!r}")


def _numbers(name: str, a: Any, shape: Sequence[int]) -> np.ndarray:
    a = np.asarray(a, float)
    if a.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {a.shape}")
    # A cosine without a push has none; anything else not finite would be a fault of the run.
    if name != "cosine" and not np.isfinite(a).all():
        raise ValueError(f"{name} must be finite")
    return a


def _packed(a: np.ndarray) -> str:
    # Ten thousand numbers as a list would each become an object that Gradio observes.
    return base64.b64encode(np.ascontiguousarray(a, "<f4")).decode("ascii")