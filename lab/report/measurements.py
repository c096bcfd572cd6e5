"""A figure that can be measured: the stored result that has it, the command that measures it."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ddpm_core import checkpoints
from ddpm_core.model import DTYPES
from ddpm_core.request import Request, unused

from ..measure import as_reported, results
from ..measure.evaluation import BOUND_EVALUATIONS
from ..measure.fid import jackknife
from ..measure.neighbours import memorised_error
from ..measure.shards import NOT_IN_KEY


@dataclass(frozen=True)
class Figure:
    """A number of a result."""

    # None where the measurement has none, such as the accuracy of samples that were told no class.
    value: float | None
    error: float | None = None  # its standard error, None if that is not known
    percent: bool = False  # whether it is a share


def fid(result: dict) -> Figure:
    return Figure(result["fid"], result["spread"])


def share(result: dict) -> Figure:
    """The share of samples that the judge takes for the wanted class."""
    accuracy = result["accuracy"]
    # If all or none are, the usual error is 0, which is not credible.
    return Figure(accuracy, result["error"] if accuracy not in (0, 1) else None, percent=True)


def apart(result: dict) -> Figure:
    """The mean distance of two samples of a class."""
    return Figure(result["distance"])


def near(result: dict) -> Figure:
    """The share of samples near a training image."""
    memorised, about = result["memorised"], result["protocol"]
    error = memorised_error(memorised, about["n"], about["compared_with"], about["quantile"])
    return Figure(memorised, error if 0 < memorised < 1 else None, percent=True)


def bits(result: dict) -> Figure:
    """Bits per dimension."""
    return Figure(result["bits"], result["error"])


def loss(quarter: int) -> Callable[[dict], Figure]:
    """The loss in a quarter of t, least noise first."""
    return lambda result: Figure(result["losses"][quarter])


@dataclass(frozen=True)
class Measurement:
    """A figure that can be measured."""

    model: str  # a checkpoint's name
    request: Request  # what is sampled; for a bound, its number of images
    reference: str = "test"  # of a FID: ``"train"`` or ``"test"``
    own_way: bool = False  # of a FID: by the report's own measure, see ``as_reported``
    kind: str = "fid"  # of the result: ``"fid"``, ``"classes"``, ``"neighbours"`` or ``"bound"``
    take: Callable[[dict], Figure] = fid  # the figure of the result
    # As it is stored, see ``evaluation``; None if it was not measured yet.
    result: dict | None = None

    @property
    def figure(self) -> Figure | None:
        """The figure of its result."""
        return None if self.result is None else self.take(self.result)

    @property
    def command(self) -> str:
        """The command that measures it, or measures it again, and stores the result."""
        words = ["python", "-m", "lab", "evaluate"]
        words += [] if self.kind == "classes" else [f"--{self.kind}"]
        words += ["--save", *(["--as-reported"] if self.own_way else []), "--model", self.model]
        if self.kind == "bound":
            variance = self.request.variance
            return shlex.join([*words, "--n", str(self.request.n), "--variance", variance])
        words += ["--reference", self.reference] if self.kind == "fid" else []
        return shlex.join(words + _options(as_measured(self.request, self.result)))

    def matches(self, result: dict) -> bool:
        """True if a stored result is this measurement's: by the dataset's judge, or by what the
        report has in its place."""
        about, judge = result["protocol"], f"{self.model.partition('-')[0]}-judge"
        if result["kind"] != self.kind or about["model"] != self.model:
            return False
        if self.kind == "bound":
            expected = (self.request.n, BOUND_EVALUATIONS, self.request.variance, 0)
            return expected == tuple(about[key] for key in ("n", "evaluations", "variance", "seed"))
        if not _samples_of(self.request, about):
            return False
        if self.kind != "fid":
            return about["space"] == judge
        net = about["features"]
        same_net = (net["name"], net["layer"]) == (as_reported.NET, as_reported.LAYER)
        same_net = same_net if self.own_way else net["name"] == judge
        return same_net and about["reference"]["split"] == self.reference

    def stored_in(self, stored: Stored) -> Measurement:
        """The measurement with its result, None where there is none."""
        result = next(filter(self.matches, stored.of(self.model)), None)
        return replace(self, result=result)


class Stored:
    """The results stored with the checkpoints in ``home``: those of the present weights and judge,
    first those that compare with most others. Each folder is read once."""

    def __init__(self, home: Path | None = None):
        self.home = home or checkpoints.HOME
        self.of = cache(self._read)

    def _read(self, model: str) -> list[dict]:
        stored = results.current(self.home / model)
        dtypes = Counter(result["protocol"].get("dtype") for result in stored)
        common = Counter(map(basis, stored))

        def rank(result: dict) -> tuple[int, int]:
            return dtypes[result["protocol"].get("dtype")], common[basis(result)]

        return sorted(stored, key=rank, reverse=True)


class Difference(NamedTuple):
    """By how much two figures differ, and the standard error of that."""

    gap: float
    error: float


def difference(first: dict, second: dict) -> Difference | None:
    """By how much two stored FIDs differ, and the standard error of that.

    Samples of the same noises err alike, so their difference errs less than either. If both results
    keep their figures without each block, the error is by the jackknife over blocks of the same
    images. Otherwise the samples are taken to be independent; if they err alike, the error is too
    large.

    None if either's spread is unknown, or if the two do not compare.
    """
    if None in (first["spread"], second["spread"]) or basis(first) != basis(second):
        return None
    gap = abs(first["fid"] - second["fid"])
    one, other = (result.get("left_out") or [] for result in (first, second))
    abouts = [result["protocol"] for result in (first, second)]
    noises = {(about["n"], about["first"], about["request"].get("seed")) for about in abouts}
    if len(noises) == 1 and len(one) == len(other) > 1:
        return Difference(gap, jackknife([a - b for a, b in zip(one, other, strict=True)]))
    return Difference(gap, math.hypot(first["spread"], second["spread"]))


def basis(result: dict) -> str:
    """What stored results must share to compare: the feature net, the real images, and the
    precision of the network."""
    about = result["protocol"]
    net = about.get("features") or {"mark": about.get("space_mark"), "layer": about.get("space")}
    parts = [net.get("mark"), net.get("layer"), about.get("reference"), about.get("dtype")]
    return json.dumps(parts)


def usual_dtype(cells: Iterable[Measurement | None]) -> str | None:
    """The precision of most networks of a table; a figure of another precision has to say so."""
    dtypes = Counter(m.result["protocol"]["dtype"] for m in cells if m and m.result is not None)
    return dtypes.most_common(1)[0][0] if dtypes else None


def decimals(figure: float, spread: float | None) -> int:
    """The decimals that show two digits of the spread, or four of a figure without a spread."""
    smallest, digits = (spread, 2) if spread else (abs(figure), 4)
    if not smallest:
        return 4
    return min(4, max(1, digits - 1 - math.floor(math.log10(smallest))))


def written(figure: Figure) -> tuple[str, str]:
    """A figure and its standard error as texts, of as many digits as the error allows; "" for an
    error that is not known."""
    scale, unit = (100, "\u00a0%") if figure.percent else (1, "")
    value, error = figure.value * scale, None if figure.error is None else figure.error * scale
    digits = decimals(value, error)
    if figure.percent:
        digits = min(2, digits)  # for 0 in a thousand, four decimals would pretend to know more
    return f"{value:.{digits}f}{unit}", "" if error is None else f"{error:.{digits}f}"


def as_measured(request: Request, result: dict | None) -> Request:
    """A request in the dtype of its result, if a request can ask for that."""
    dtype = result and result["protocol"]["dtype"]
    return replace(request, dtype=dtype) if dtype in DTYPES else request


def _options(request: Request) -> list[str]:
    """A request as options of ``evaluate``."""
    words = []
    # Always given: a model may have its own values for options that are not given.
    always, ignored = ("n", "label", "sampler", "steps", "variance"), unused([request])
    base = asdict(Request())
    for name, value in asdict(request).items():
        if name == "clip":
            words.append("--clip" if value else "--no-clip")
        elif name not in ignored and (name in always or value != base[name]):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def _samples_of(request: Request, about: dict) -> bool:
    """True if a stored protocol is of the samples of a request. A field that an older protocol
    lacks means its default."""
    fields = vars(request).items()  # called thousands of times for a page, and flat: no asdict
    return (about["n"], about["first"]) == (request.n, 0) and all(
        about["request"].get(k, getattr(Request, k)) == v for k, v in fields if k not in NOT_IN_KEY
    )
