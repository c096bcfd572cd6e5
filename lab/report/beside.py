"""What is measured of models beside their FID, as tables of what is stored: how well samples meet
their class, whether training images come back, the bound in bits per dimension, guidance over its
scale (``inspection``). As in ``report``, no figure stands here."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.request import Request

from ..measure import inspection, results
from ..measure.neighbours import QUANTILE, memorised_error
from .report import FEW_MODELS, MODELS, Row, Table, as_measured, options, sampled_for

SAMPLES = Request(n=1000)
GUIDED = replace(SAMPLES, sampler="dpm_solver_pp", guidance="cfg")
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
QUARTERS = ("first", "second", "third", "last")


@dataclass(frozen=True)
class Figure:
    """A number of a result.

    Attributes:
        value: None where the measurement has none, as the class of images that were told none.
        error: its standard error, None if that is not known.
        percent: whether it is a share.
    """

    value: float | None
    error: float | None = None
    percent: bool = False


@dataclass(frozen=True)
class Wanted:
    """A figure that can be had.

    Attributes:
        model: a checkpoint's name.
        kind: of the result: ``"classes"``, ``"neighbours"`` or ``"bound"``.
        request: what is sampled; of a bound, its number of images.
        take: the figure of the result.
        result: as it is stored, None if it was not measured yet.
    """

    model: str
    kind: str
    request: Request
    take: Callable[[dict], Figure]
    result: dict | None = None

    @property
    def command(self) -> str:
        """The command that measures it and stores the result, or measures that again."""
        words = ["python", "-m", "lab", "evaluate"]
        words += [] if self.kind == "classes" else [f"--{self.kind}"]
        words += ["--save", "--model", self.model]
        if self.kind == "bound":
            return shlex.join([*words, "--n", str(self.request.n), "--variance", "beta"])
        return shlex.join(words + options(as_measured(self.request, self.result)))

    def matches(self, result: dict) -> bool:
        """Whether a stored result is this one's."""
        about = result["protocol"]
        if about["model"] != self.model or about["n"] != self.request.n:
            return False
        if self.kind == "bound":
            usual = (inspection.BOUND_EVALUATIONS, "beta", 0, "test")
            found = (about[key] for key in ("evaluations", "variance", "seed"))
            return (*found, about["reference"]["split"]) == usual
        judge = f"{self.model.partition('-')[0]}-judge"
        return about["space"] == judge and sampled_for(self.request, about)


def of_models(home: Path | None = None) -> Table:
    """Each model's share of wanted classes, of samples near a training image, and its bound."""
    rows, folder = [], home or checkpoints.HOME
    for model in MODELS:
        if not (folder / model).is_dir():
            continue  # not trained yet
        told = model in FEW_MODELS  # those that know classes
        request = replace(SAMPLES, label="all" if told else "none")
        usual = Wanted(model, "classes", request, _share)
        found = (usual if told else None, Wanted(model, "neighbours", request, _near))
        found += (Wanted(model, "bound", request, _bits),)
        found += tuple(Wanted(model, "bound", request, _loss(k)) for k in range(len(QUARTERS)))
        rows.append(Row(model, measured=_stored(found, folder)))
    return Table(
        "beside",
        "Beside the judge distance",
        f"Of n\u00a0=\u00a0{SAMPLES.n:,} samples (DDIM, {SAMPLES.steps} steps): the share that the "
        f"judge takes for the wanted class, and the share nearer to a training image than all but "
        f"{QUANTILE:.0%} of test images are, which is about {QUANTILE:.0%} where nothing is "
        f"memorised. Of as many test images: the bound (eq. 8, 9) in bits per dimension, and the "
        "loss (eq. 10) of eps by quarter of t, least noise first, whatever the model predicts.",
        ("wanted class", "near a training image", "bits per dimension")
        + tuple(f"loss, {quarter} quarter" for quarter in QUARTERS),
        tuple(rows),
    )


def over_scale(home: Path | None = None) -> Table:
    """Classifier-free guidance: shares and distances over its scale."""
    rows, folder = [], home or checkpoints.HOME
    for model in FEW_MODELS:
        for title, take in (("wanted class", _share), ("distance", _apart)):
            found = tuple(
                Wanted(model, "classes", replace(GUIDED, guidance_scale=scale), take)
                for scale in SCALES
            )
            rows.append(Row(f"{model}, {title}", measured=_stored(found, folder)))
    return Table(
        "guidance",
        "Guidance over its scale",
        f"Classifier-free, DPM-Solver++, {GUIDED.steps} steps, n\u00a0=\u00a0{GUIDED.n:,}: the "
        "share that the judge takes for the wanted class, and the mean distance between two "
        "images of a class, pixels from 0 to 1. s = 0 is the model that is told no class, s = 1 "
        "the conditional model alone.",
        tuple(f"{scale:g}" for scale in SCALES),
        tuple(rows),
    )


def _share(result: dict) -> Figure:
    share = result["accuracy"]
    # Where all or none are, the usual error is 0, which is not to be believed.
    return Figure(share, result["error"] if share not in (0, 1) else None, percent=True)


def _apart(result: dict) -> Figure:
    return Figure(result["distance"])


def _near(result: dict) -> Figure:
    share, about = result["memorised"], result["protocol"]
    error = memorised_error(share, about["n"], about["compared_with"], about["quantile"])
    return Figure(share, error if 0 < share < 1 else None, percent=True)


def _bits(result: dict) -> Figure:
    return Figure(result["bits"], result["error"])


def _loss(quarter: int) -> Callable[[dict], Figure]:
    return lambda result: Figure(result["losses"][quarter])


def _stored(wanted: tuple[Wanted | None, ...], folder: Path) -> tuple[Wanted | None, ...]:
    """With the results that lie with the checkpoints in a folder, of their weights; of several of
    one measurement that of the precision which most results of the model are of."""
    found = []
    for it in wanted:
        if it is not None:
            kept = results.current(folder / it.model, it.kind)
            usual = Counter(result["protocol"]["dtype"] for result in kept)
            fits = sorted(filter(it.matches, kept), key=lambda r: -usual[r["protocol"]["dtype"]])
            it = replace(it, result=next(iter(fits), None))
        found.append(it)
    return tuple(found)
