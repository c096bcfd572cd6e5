"""What the report measured, and what was measured of this project's models beside it.

The report's own figures stand here, the only ones typed by hand. Ours are read from the results
that lie with the checkpoints (``results``), those of their weights; a cell that nobody has
measured says so, and which command would.
"""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .. import checkpoints
from ..errors import CheckpointError
from ..request import Request
from . import results, watch
from .fid import jackknife
from .shards import NOT_IN_KEY

# Unconditional, DDIM and ancestral: as Table 1 is measured, and Table 2 after it.
FAST = Request(n=8192, label="none", sampler="ddim", steps=50)
ANCESTRAL = Request(n=2048, label="none", sampler="ddpm", steps=1000)
ABLATIONS = ("linear", "linear-attn", "cosine", "cosine-attn")
COLUMNS = ("linear, no attention", "linear, attention", "cosine, no attention", "cosine, attention")
FEW_STEPS = (5, 10, 20, 50, 100, 250)
FEW = Request(n=2048, label="all")
FEW_MODELS = ("mnist-conditional", "cifar10-conditional")
COST = Request(n=2048, label="none", sampler="ddpm", steps=100)
# The first of Table 1 once more, from another training seed: how far luck alone leads.
AGAIN, AGAIN_MODEL = ", trained again", "mnist-linear-seed-1"
MODELS = (
    FEW_MODELS[0],
    *(f"mnist-{name}" for name in ABLATIONS),
    AGAIN_MODEL,
    FEW_MODELS[1],
    *(f"cifar10-{name}" for name in ABLATIONS),
)
COST_MODELS = ("mnist-linear", "mnist-cosine", "cifar10-linear", "cifar10-cosine-attn")
ERRORS = {
    "as it should be": {},
    "x̂0 not clipped": {"clip": False},
    "ᾱ off by one": {"fault": "off-by-one"},
    "first β = 1e-3": {"fault": "first-beta"},
    "σ without its root": {"fault": "missing-root"},
}
SAMPLERS = {"ddpm": "DDPM", "ddim": "DDIM", "dpm_solver_pp": "DPM-Solver++"}
REFERENCES = {"train": "Train-FID", "test": "Test-FID"}


@dataclass(frozen=True)
class Measurement:
    """A FID that can be had.

    Attributes:
        model: a checkpoint's name.
        request: what is sampled.
        reference: ``"train"`` or ``"test"``.
        result: as it is stored, see ``evaluation.Fid.result``; None if it was not measured yet.
    """

    model: str
    request: Request
    reference: str
    result: dict | None = None

    @property
    def command(self) -> str:
        """The command that measures it and stores the result."""
        words = ["python", "-m", "ddpm_core", "evaluate", "--fid", "--save"]
        words += ["--model", self.model, "--reference", self.reference]
        # What a model may be meant to be sampled with is told too: it would stand for what is not.
        always = ("n", "label", "sampler", "steps", "variance")
        base = asdict(Request())
        for name, value in asdict(self.request).items():
            if name == "clip":
                words.append("--clip" if value else "--no-clip")
            elif name in always or value != base[name]:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(words)

    def matches(self, result: dict) -> bool:
        """Whether a stored result is this measurement's, by the dataset's judge."""
        about = result["protocol"]
        asked, wanted = about["request"], asdict(self.request)
        same = all(asked.get(k) == v for k, v in wanted.items() if k not in NOT_IN_KEY)
        reference = about["reference"]
        return (
            same
            and (about["model"], about["n"], about["first"]) == (self.model, self.request.n, 0)
            and reference["split"] == self.reference
            and about["features"]["name"] == f"{reference['dataset']}-judge"
        )


@dataclass(frozen=True)
class Row:
    """A row of a table: the same protocol for every column.

    Attributes:
        title: such as ``"Train-FID, DDIM, 50 steps"``.
        reported: the report's figures, one for each column; of our rows empty.
        measured: ours, one for each column, None where there is nothing to measure; of the
            report's rows empty.
    """

    title: str
    reported: tuple[float, ...] = ()
    measured: tuple[Measurement | None, ...] = ()


@dataclass(frozen=True)
class Table:
    """One of the report's tables, with our rows below each of its.

    Attributes:
        name: ``"table-1"`` or ``"table-2"``.
        title: in words.
        about: what the report's figures can be compared with.
        columns: of both.
    """

    name: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class Difference(NamedTuple):
    """Of two figures: by how much they differ, the standard error of that, and whether it was had
    from pairs of samples of the same noises, or as of independent ones."""

    gap: float
    error: float
    paired: bool


@dataclass(frozen=True)
class Series:
    """FID over the number of steps.

    Attributes:
        sampler: as ``Request`` names it.
        title: its name.
        points: by rising number of steps.
    """

    sampler: str
    title: str
    points: tuple[Measurement, ...]


def table_1(home: Path | None = None) -> Table:
    """MNIST. ``home`` is the folder of the checkpoints; the shipped ones unless given."""
    return Table(
        "table-1",
        "Table 1: MNIST",
        "The report's are means of minibatch FIDs on the ten logits of its own classifier: its "
        "numbers and ours differ in kind, the order of the columns is what can be compared.",
        COLUMNS,
        _rows("mnist", (FAST, ANCESTRAL), TABLE_1, home, again=AGAIN_MODEL),
    )


def table_2(home: Path | None = None) -> Table:
    """CIFAR-10. ``home`` is the folder of the checkpoints; the shipped ones unless given."""
    unclipped = [replace(request, clip=False) for request in (FAST, ANCESTRAL)]
    return Table(
        "table-2",
        "Table 2: CIFAR-10",
        "The report's are by the classifier of grey digits, as its text says: its numbers and "
        "ours differ in kind.",
        COLUMNS,
        _rows("cifar10", (FAST, ANCESTRAL, *unclipped), TABLE_2, home),
    )


def few_steps(home: Path | None = None, model: str = FEW_MODELS[0]) -> tuple[Series, ...]:
    """FID against the number of steps, for each sampler."""
    series = []
    for sampler, title in SAMPLERS.items():
        wanted = [
            Measurement(model, replace(FEW, sampler=sampler, steps=steps), "test")
            for steps in FEW_STEPS
        ]
        series.append(Series(sampler, title, _with_results(wanted, home)))
    return tuple(series)


def costs(home: Path | None = None) -> Table:
    """What each of the report's errors costs where it acts at sampling (``faults``)."""
    rows = []
    for title, changes in ERRORS.items():
        request = replace(COST, **changes)
        wanted = [
            Measurement(model, request, "test")
            if changes.get("fault") != "first-beta" or "linear" in model
            else None
            for model in COST_MODELS
        ]
        rows.append(Row(title, measured=_with_results(wanted, home)))
    return Table(
        "costs",
        "What the report's errors cost",
        "The networks were trained without the errors; each acts at sampling alone.",
        COST_MODELS,
        tuple(rows),
    )


def best(cells: Sequence[Measurement | None]) -> Measurement | None:
    """The lowest of some figures, if it can be told apart from each of them.

    None if there is no telling, or not before all are measured.
    """
    wanted = [cell for cell in cells if cell is not None]
    if len(wanted) < 2 or any(m.result is None for m in wanted):
        return None
    first, *others = sorted(wanted, key=lambda m: m.result["fid"])
    return first if all(told_apart(first.result, m.result) for m in others) else None


def told_apart(first: dict, second: dict) -> bool:
    """Whether two stored FIDs differ by more than twice the standard error of their difference.

    Never if that is unknown (``difference``). Another seed of the samples moves a figure by so
    much once in twenty times; another seed of the training may move it more, and no spread here
    knows of that.
    """
    found = difference(first, second)
    return found is not None and found.gap > 2 * found.error


def difference(first: dict, second: dict) -> Difference | None:
    """By how much two stored FIDs differ, and the standard error of that.

    Samples of the same noises err alike, and their difference less than either: its error is by
    the jackknife over blocks of the same images, where both results keep what each block's absence
    makes of them. Otherwise the samples are taken to be independent: where they err alike, that
    makes the error too large.

    None if either's spread is unknown, or if the two do not compare.
    """
    if None in (first["spread"], second["spread"]) or not comparable([first, second]):
        return None
    gap = abs(first["fid"] - second["fid"])
    pair = [result.get("left_out") or [] for result in (first, second)]
    noises = {_noises(result["protocol"]) for result in (first, second)}
    if len(noises) == 1 and len(pair[0]) == len(pair[1]) > 1:
        return Difference(gap, jackknife([a - b for a, b in zip(*pair, strict=True)]), True)
    return Difference(gap, math.hypot(first["spread"], second["spread"]), False)


def _noises(about: dict) -> tuple:
    return about["n"], about["first"], about["request"].get("seed")


def comparable(found: Sequence[dict]) -> bool:
    """Whether stored results are by one feature net against one set of real images, and of networks
    of one precision."""
    return len({_basis(result) for result in found}) < 2


def _basis(result: dict) -> str:
    """What results must share to compare."""
    about = result["protocol"]
    net = about["features"]
    return json.dumps([net["mark"], net["layer"], about["reference"], about["dtype"]])


def curves(model: str, home: Path | None = None) -> list[dict]:
    """What training was like: rows with ``images``, ``train``, ``validation`` and maybe ``fid``.

    Raises:
        CheckpointError: if there is no readable record of it.
    """
    return _training(model, home)["history"]


def trained(model: str, home: Path | None = None) -> tuple[str, str]:
    """What a model's curves stand on, in words; and the command that trained it.

    Raises:
        CheckpointError: if there is no readable record of it.
    """
    record = _training(model, home)
    known = {
        "images": "{:,} images seen",
        "steps": "{:,} steps",
        "training_set": "training set of {:,}",
        "source": "data: {}",
        "weights": "weights: {}",
        "precision": "{}",
        "hardware": "{}",
        "hours": "{} h",
        "commit": "commit {}",
    }
    told = [words.format(record[name]) for name, words in known.items() if record.get(name)]
    for run in reversed(record.get("earlier", [])):
        told.append(f"carried on from {run['steps']:,} steps of {run['command']}")
    told += filter(None, [watch.words(record["history"])])
    return "; ".join(told), record.get("command", "")


# The report's section 3, in the order of ``ABLATIONS``.
TABLE_1 = {"train": (2.286, 2.849, 2.105, 1.766), "test": (2.803, 3.490, 2.724, 2.385)}
TABLE_2 = {"train": (0.114, 0.165, 49.393, 14.565), "test": (0.128, 0.153, 49.058, 14.508)}


def _training(model: str, home: Path | None) -> dict:
    path = (home or checkpoints.HOME) / model / "training.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["history"], list):
            raise TypeError("its history is no list")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} holds no training record: {error}") from error
    return record


def _rows(
    dataset: str, requests: Sequence[Request], reported: dict, home, again: str | None = None
) -> tuple[Row, ...]:
    rows = []
    for reference, title in REFERENCES.items():
        rows.append(Row(f"{title}, report", reported[reference]))
        for request in requests:
            models = [f"{dataset}-{ablation}" for ablation in ABLATIONS]
            wanted = [Measurement(model, request, reference) for model in models]
            rows.append(Row(_words(title, request), measured=_with_results(wanted, home)))
            if again and request is requests[0]:
                wanted = [Measurement(again, request, reference), *[None] * (len(ABLATIONS) - 1)]
                title_again = _words(title, request) + AGAIN
                rows.append(Row(title_again, measured=_with_results(wanted, home)))
    return tuple(rows)


def _words(title: str, request: Request) -> str:
    clip = "" if request.clip else ", x̂0 not clipped"
    steps = f"{request.steps:,}\u00a0steps, n\u00a0=\u00a0{request.n:,}"
    return f"{title}, {SAMPLERS[request.sampler]}, {steps}{clip}"


def _with_results(wanted: Sequence[Measurement | None], home: Path | None) -> tuple:
    """With the results of the weights that lie there, by the judge that does; of several of one
    measurement the one that compares with most of the others."""
    home = home or checkpoints.HOME
    found = [m and _stored(m, home) for m in wanted]
    shared = Counter(basis for some in found for basis in {_basis(it) for it in some or ()})
    return tuple(
        m and replace(m, result=max(some, key=lambda it: shared[_basis(it)], default=None))
        for m, some in zip(wanted, found, strict=True)
    )


def _stored(wanted: Measurement, home: Path) -> list[dict]:
    return [it for it in results.current(home / wanted.model, "fid") if wanted.matches(it)]
