"""The report's figures, ours beside them, and what else was measured, as tables.

The report's own figures stand here, the only ones typed by hand. Ours are read from the results
that are stored with the checkpoints (``results``) and are of their weights. A cell that nobody has
measured says so, and which command measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ddpm_core import samplers
from ddpm_core.request import Request

from ..measure.neighbours import QUANTILE
from ..process.report_errors import REPORT_CODE
from .measurements import Measurement, Stored, apart, bits, loss, near, share

# The report's section 3, in the order of ``ABLATIONS``.
TABLE_1 = {"train": (2.286, 2.849, 2.105, 1.766), "test": (2.803, 3.490, 2.724, 2.385)}
TABLE_2 = {"train": (0.114, 0.165, 49.393, 14.565), "test": (0.128, 0.153, 49.058, 14.508)}
# Unconditional, DDIM and ancestral: as Table 1 is measured, and Table 2 after it.
FAST = Request(n=8192, label="none", sampler="ddim", steps=50)
ANCESTRAL = Request(n=2048, label="none", sampler="ddpm", steps=1000)
ABLATIONS = ("linear", "linear-attn", "cosine", "cosine-attn")
COLUMNS = ("linear, no attention", "linear, attention", "cosine, no attention", "cosine, attention")
FEW_STEPS = (5, 10, 20, 50, 100, 1000)
# Only the sampler that was made for all steps takes them all, to show how few are as good; and
# who takes a solver of second order wants few.
MOST_STEPS = {"ddpm": 1000, "ddim": 100, "dpm_solver_pp": 20}
FEW = Request(n=2048, label="all")
FEW_MODELS = ("mnist-conditional", "cifar10-conditional")
FLOW_MODEL = "mnist-flow"
REPORTS_OWN = "mnist-linear-conditional"  # the model of its Figure 8
# The variance fixed in both ways and learned, with the same schedule and network.
LEARNED_MODEL = "mnist-cosine-learned"
VARIANCES = {"mnist-cosine": ("beta", "posterior"), LEARNED_MODEL: ("learned",)}
ANCESTRAL_STEPS = (20, 100, 1000)
COST = Request(n=2048, label="none", sampler="ddpm", steps=100)
# As the report samples; the mean over minibatches does not depend on how many there are.
OWN_WAY = Request(n=512, label="none", sampler="ddpm", steps=1000)
# The first model of a table again: from another training seed, to show what luck changes; by the
# optimiser of the report, as exactly as it is told; with other noises, to show what they change.
AGAIN_MODEL = "mnist-linear-seed-1"
AGAIN = {", trained again": AGAIN_MODEL, ", by the report's optimiser": "mnist-linear-report"}
RESAMPLED, ANOTHER_SEED = ", sampled again", 1
MODELS = (
    FEW_MODELS[0],
    *(f"mnist-{name}" for name in ABLATIONS),
    LEARNED_MODEL,
    *AGAIN.values(),
    REPORTS_OWN,
    FLOW_MODEL,
    FEW_MODELS[1],
    *(f"cifar10-{name}" for name in ABLATIONS),
)
COST_MODELS = (
    "mnist-linear",
    "mnist-cosine",
    "cifar10-linear",
    "cifar10-cosine",
    "cifar10-cosine-attn",
)
ERRORS = {
    "as it should be": {},
    "x̂0 not clipped": {"clip": False},
    "ᾱ off by one": {"fault": "off-by-one"},
    "first β = 1e-3": {"fault": "first-beta"},
    "σ without its root": {"fault": "missing-root"},
    "x̂0 not clipped and ᾱ off by one": {"clip": False, "fault": "off-by-one"},
}
IN_ITS_WAY = ("as it should be", "x̂0 not clipped", "x̂0 not clipped and ᾱ off by one")
SAMPLERS = {name: samplers.SAMPLERS[name].label for name in MOST_STEPS}
REFERENCES = {"train": "Train", "test": "Test"}
TRAIN = "Train is against the training images less the 5,000 held out."
SAMPLES = Request(n=1000)
GUIDED = replace(SAMPLES, sampler="dpm_solver_pp", guidance="cfg")
SCALES = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
QUARTERS = ("first", "second", "third", "last")
Home = Stored | Path | None  # where results are stored; with the checkpoints unless given


@dataclass(frozen=True)
class Row:
    """A row of a table: the same protocol for every column."""

    title: str  # such as ``"Train distance, DDIM, 50 steps"``
    reported: tuple[float, ...] = ()  # the report's figures, one for each column; empty in our rows
    # Ours, one for each column, None where there is nothing to measure; empty in the report's rows.
    measured: tuple[Measurement | None, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows of figures; in a table of the report's, our rows are below each of its rows."""

    about: str  # how the figures were measured, and what compares
    columns: tuple[str, ...]  # of all rows
    rows: tuple[Row, ...]

    @property
    def cells(self) -> list[Measurement]:
        """All cells that are measured, or could be."""
        return [cell for row in self.rows for cell in row.measured if cell]

    def stored_in(self, home: Home) -> Table:
        """The table with the results stored in the checkpoints' folder, or in another."""
        stored = home if isinstance(home, Stored) else Stored(home)
        rows = (
            replace(row, measured=tuple(m and m.stored_in(stored) for m in row.measured))
            for row in self.rows
        )
        return replace(self, rows=tuple(rows))


def table_1(home: Home = None) -> Table:
    """MNIST."""
    return Table(
        "The report's are means of minibatch FIDs on the ten logits of an MNIST classifier "
        f"(src/metrics.py and src/postprocessing.py of {REPORT_CODE}), ours are judge distances: "
        f"they differ in kind, the order of the columns is what can be compared. {TRAIN}",
        COLUMNS,
        _rows("mnist", (FAST, ANCESTRAL), TABLE_1, again=AGAIN),
    ).stored_in(home)


def table_2(home: Home = None) -> Table:
    """CIFAR-10; in its last row x̂0 is not clipped, as in the report's code."""
    unclipped = replace(ANCESTRAL, clip=False)
    cells = tuple(Measurement(f"cifar10-{ablation}", unclipped) for ablation in ABLATIONS)
    as_its_code = Row(_words("Test distance", unclipped), measured=cells)
    return Table(
        "The report's are FIDs by the classifier of grey digits, as its text says, ours judge "
        f"distances: they differ in kind. {TRAIN}",
        COLUMNS,
        (*_rows("cifar10", (FAST, ANCESTRAL), TABLE_2), as_its_code),
    ).stored_in(home)


def few_steps(home: Home = None, model: str = FEW_MODELS[0]) -> Table:
    """FID over the number of steps: a row for each sampler, a column for each number of steps."""
    # Of photographs all steps would take as long as all else that is measured of their model.
    columns = FEW_STEPS if model == FEW_MODELS[0] else FEW_STEPS[:-1]
    rows = []
    for sampler, title in SAMPLERS.items():
        cells = (
            Measurement(model, replace(FEW, sampler=sampler, steps=steps))
            if steps <= MOST_STEPS[sampler]
            else None
            for steps in columns
        )
        rows.append(Row(title, measured=tuple(cells)))
    return Table(
        f"All classes, n\u00a0=\u00a0{FEW.n:,}, against the test set. The floor is what real "
        "images get at the same n.",
        tuple(f"{steps:,} steps" for steps in columns),
        tuple(rows),
    ).stored_in(home)


def flow(home: Home = None) -> Table:
    """Flow matching beside the same network of the cosine schedule, in few steps."""
    rows = []
    for model in (FLOW_MODEL, FEW_MODELS[0]):
        cells = (Measurement(model, replace(FEW, sampler="ddim", steps=n)) for n in FEW_STEPS[:3])
        rows.append(Row(model, measured=tuple(cells)))
    return Table(
        f"DDIM, which on straight paths is Euler's method. All classes, n\u00a0=\u00a0{FEW.n:,}, "
        "against the test set. Both have the same network, data and number of training steps.",
        tuple(f"{steps:,} steps" for steps in FEW_STEPS[:3]),
        tuple(rows),
    ).stored_in(home)


def learned_variance(home: Home = None) -> Table:
    """The learned variance beside the two fixed ones: the bound, and distances of DDPM."""
    rows, names = [], {"beta": "β", "posterior": "posterior β̃", "learned": "learned"}
    for model, variances in VARIANCES.items():
        for variance in variances:
            request = replace(ANCESTRAL, variance=variance)
            bound = Measurement(model, replace(request, n=SAMPLES.n), kind="bound", take=bits)
            # Over all steps the two fixed variances are nearly the same.
            few = ANCESTRAL_STEPS[: 2 if variance == "posterior" else 3]
            cells = [Measurement(model, replace(request, steps=steps)) for steps in few]
            cells += [None] * (len(ANCESTRAL_STEPS) - len(few))
            rows.append(Row(f"{model}, {names[variance]}", measured=(bound, *cells)))
    return Table(
        f"The bound of n\u00a0=\u00a0{SAMPLES.n:,} test images (eq. 8, 9) in bits per dimension, "
        f"and the judge distance of DDPM in so many steps, n\u00a0=\u00a0{ANCESTRAL.n:,}, against "
        "the test set. Both have the same network (but for its last layer), schedule, data and "
        "number of training steps.",
        ("bits per dimension", *(f"{steps:,} steps" for steps in ANCESTRAL_STEPS)),
        tuple(rows),
    ).stored_in(home)


def costs(home: Home = None) -> Table:
    """What each of the report's errors costs where it acts at sampling (``faults``)."""
    return Table(
        f"{SAMPLERS[COST.sampler]}, {COST.steps}\u00a0steps, n\u00a0=\u00a0{COST.n:,}, where the "
        "report takes 1,000 steps. The networks were trained without the errors; each acts at "
        f"sampling alone. The report's code ({REPORT_CODE}) never clips the predicted image "
        "(src/diffusion_model.py) and has a product ᾱ_t that leaves out step t (src/schedule.py); "
        "its first β is 1e-3 (src/main.py) where its text says 1e-4. σ without its root is "
        "its text's (section 1.4: σ = β): of the noise's variance it leaves the share β, which is "
        "less in more and shorter steps, so that all 1,000 of them suffer more.",
        COST_MODELS,
        tuple(_with_errors(ERRORS, COST)),
    ).stored_in(home)


def own_way(home: Home = None) -> Table:
    """The report's second finding by the report's own measure, see ``as_reported``."""
    reported = tuple(
        (TABLE_1 if dataset == "mnist" else TABLE_2)["test"][ABLATIONS.index(ablation)]
        for dataset, _, ablation in (model.partition("-") for model in COST_MODELS)
    )
    ways = {name: ERRORS[name] for name in IN_ITS_WAY}
    return Table(
        f"{SAMPLERS[OWN_WAY.sampler]}, {OWN_WAY.steps:,}\u00a0steps, n\u00a0=\u00a0{OWN_WAY.n:,}. "
        "The report's FID is of the ten logits of a classifier of digits, to which it shows "
        "photographs too, in grey (src/metrics.py of "
        f"{REPORT_CODE}), and is the mean over minibatches (src/postprocessing.py). Logits have no "
        "scale that two classifiers share: what compares with the report is how much one model's "
        "figure is above another's, and above the floor, which its protocol tells.",
        COST_MODELS,
        (Row("Test-FID, report", reported), *_with_errors(ways, OWN_WAY, own_way=True)),
    ).stored_in(home)


def of_models(home: Home = None) -> Table:
    """Each model's share of wanted classes, of samples near a training image, and its bound."""
    rows = []
    for model in MODELS:
        by_class = model in (*FEW_MODELS, FLOW_MODEL, REPORTS_OWN)  # those that know classes
        request = replace(SAMPLES, label="all" if by_class else "none")
        if model == LEARNED_MODEL:
            request = replace(request, variance="learned")
        figures = [("classes", share) if by_class else None, ("neighbours", near), ("bound", bits)]
        figures += [("bound", loss(k)) for k in range(len(QUARTERS))]
        cells = (f and Measurement(model, request, kind=f[0], take=f[1]) for f in figures)
        rows.append(Row(model, measured=tuple(cells)))
    return Table(
        f"Of n\u00a0=\u00a0{SAMPLES.n:,} samples (DDIM, {SAMPLES.steps} steps): the share that the "
        f"judge takes for the wanted class, and the share nearer to a training image than all but "
        f"{QUANTILE:.0%} of test images are (copies would be; bad pictures are far from all). "
        "Of as many test images: the bound (eq. 8, 9) in bits per dimension, with "
        "variance β unless the model learned its own, and the loss (eq. 10) of eps by quarter "
        "of t, least noise first, whatever the model predicts.",
        ("wanted class", "near a training image", "bits per dimension")
        + tuple(f"loss, {quarter} quarter" for quarter in QUARTERS),
        tuple(rows),
    ).stored_in(home)


def over_scale(home: Home = None) -> Table:
    """Classifier-free guidance: shares and distances over its scale."""
    rows = []
    for model in FEW_MODELS:
        for title, take in (("wanted class", share), ("distance", apart)):
            requests = [replace(GUIDED, guidance_scale=scale) for scale in SCALES]
            cells = (Measurement(model, request, kind="classes", take=take) for request in requests)
            rows.append(Row(f"{model}, {title}", measured=tuple(cells)))
    return Table(
        f"Classifier-free, DPM-Solver++, {GUIDED.steps} steps, n\u00a0=\u00a0{GUIDED.n:,}: the "
        "share that the judge takes for the wanted class, and the mean distance between two "
        "images of a class, pixels from 0 to 1. s = 0 is the model that is told no class, s = 1 "
        "the conditional model alone.",
        tuple(f"{scale:g}" for scale in SCALES),
        tuple(rows),
    ).stored_in(home)


# By name, in the order in which they are shown.
TABLES: dict[str, Callable[..., Table]] = {
    "table-1": table_1,
    "table-2": table_2,
    "costs": costs,
    "own-way": own_way,
    "few-steps": few_steps,
    "few-steps-cifar10": partial(few_steps, model=FEW_MODELS[1]),
    "flow": flow,
    "variance": learned_variance,
    "beside": of_models,
    "guidance": over_scale,
}


def _rows(
    dataset: str, requests: Sequence[Request], reported: dict, again: dict[str, str] | None = None
) -> tuple[Row, ...]:
    rows, models = [], [f"{dataset}-{ablation}" for ablation in ABLATIONS]

    def row(title: str, request: Request, reference: str, chosen: Sequence[str]) -> None:
        cells = [Measurement(model, request, reference) for model in chosen]
        rows.append(Row(title, measured=(*cells, *[None] * (len(models) - len(chosen)))))

    for reference, title in REFERENCES.items():
        rows.append(Row(f"{title}-FID, report", reported[reference]))
        for request in requests:
            words = _words(f"{title} distance", request)
            row(words, request, reference, models)
            if request is requests[0]:
                for suffix, model in (again or {}).items():
                    row(words + suffix, request, reference, [model])
                resampled = replace(request, seed=ANOTHER_SEED)
                row(words + RESAMPLED, resampled, reference, models[:1])
    return tuple(rows)


def _with_errors(errors: dict, base: Request, **options) -> Iterator[Row]:
    for title, changes in errors.items():
        request = replace(base, **changes)
        cells = (
            Measurement(model, request, **options)
            if changes.get("fault") != "first-beta" or "linear" in model
            else None
            for model in COST_MODELS
        )
        yield Row(title, measured=tuple(cells))


def _words(title: str, request: Request) -> str:
    clip = "" if request.clip else ", x̂0 not clipped"
    steps = f"{request.steps:,}\u00a0steps, n\u00a0=\u00a0{request.n:,}"
    return f"{title}, {SAMPLERS[request.sampler]}, {steps}{clip}"
