"""What the report shows, and how each of it is made again: data only, ``reproduce`` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.data import THINGS
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..measure.shards import HOME
from ..process.report_errors import REPORT_CODE
from .tables import SAMPLERS, Measurement, Table

OUT = Path("runs") / "report"


@dataclass(frozen=True)
class Budget:
    """How much is spent on it.

    Attributes:
        walk: sampler and steps of the pictures, as ``Request`` names them.
        ancestral: the same where the noise of ancestral steps matters: where a classifier guides,
            and to show what the report's errors do.
        images: the most of one shot and class.
        race: steps of Figure 3.
        measure: whether cells without a stored result are measured as their table asks.
        fresh: a small measurement of the models of Table 1 beside it, or None.
    """

    walk: Mapping
    ancestral: Mapping
    images: int
    race: int
    measure: bool
    fresh: Request | None = None


FULL = Budget(
    walk={"sampler": "ddpm", "steps": 1000},
    ancestral={"sampler": "ddpm", "steps": 1000},
    images=64,
    race=1000,
    measure=True,
)
# A classifier of clean images wants the noise of ancestral steps, and the report's errors are
# measured in so many of them; the others do without.
QUICK = Budget(
    walk={"sampler": "dpm_solver_pp", "steps": 20},
    ancestral={"sampler": "ddpm", "steps": 100},
    images=36,
    race=200,
    measure=False,
    fresh=Request(n=500, label="none", sampler="ddim", steps=20),
)


@dataclass(frozen=True)
class Settings:
    """What to make, and where.

    Attributes:
        out: the page, its pictures and what was measured for it.
        parts: names from ``reproduce.PARTS``, in the order wanted.
        root: see ``data.data_root``.
        cache: where samples are kept.
        home: the folder of the checkpoints; the shipped ones unless given.
        save: keep what is measured as the tables ask in the checkpoints' folders.
    """

    out: Path = OUT
    budget: Budget = FULL
    parts: tuple[str, ...] = ()
    root: str | Path | None = None
    cache: Path = HOME
    home: Path | None = None
    save: bool = False
    batch: int = BATCH

    @property
    def checkpoints(self) -> Path:
        return self.home or checkpoints.HOME

    @property
    def measured(self) -> Path:
        """For what is measured and not saved with the checkpoints."""
        return self.out / "measured"


@dataclass(frozen=True)
class Shot:
    """A picture of a figure, of samples of one model.

    Attributes:
        model: a checkpoint's name.
        words: below the picture.
        labels: a row for each, all from the same noises; ``"none"`` alone makes a grid.
        n: images for each label, fewer if the budget says so.
        changes: of the request.
        ancestral: sampled in the budget's ancestral steps; where a classifier guides it is in any
            case.
    """

    model: str
    words: str
    labels: tuple[int | str, ...] = ("none",)
    n: int = 16
    changes: Mapping = field(default_factory=dict)
    ancestral: bool = False

    @property
    def guided(self) -> bool:
        """By a classifier."""
        return str(self.changes.get("guidance", "")).startswith("classifier")

    def requests(self, budget: Budget) -> list[Request]:
        """One for each label."""
        walk = budget.ancestral if self.guided or self.ancestral else budget.walk
        n = min(self.n, budget.images)
        return [Request(n=n, label=label, **walk, **self.changes) for label in self.labels]


@dataclass(frozen=True)
class Figure:
    """A figure that is made of samples.

    Attributes:
        title: its number and what it is.
        report: what the report shows there, and says of it.
        caption: how it is made here, beyond what the budget says.
    """

    title: str
    report: str
    caption: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Picture:
    """A picture as it lies in the output folder.

    Attributes:
        file: its name there.
        words: below it, the protocol among them.
        size: (width, height) in pixels.
        about: all that made it, as its file says too.
    """

    file: str
    words: str
    size: tuple[int, int]
    about: dict


@dataclass(frozen=True)
class Part:
    """A figure or table of the report, made again.

    Attributes:
        name, title: such as ``"figure-4"``, and in words.
        report: what the report shows there, and says of it.
        caption: how ours was made.
        pictures, tables: ours; the rows of tables also quote the report's figures.
        missing: by ``Measurement.command``, why a cell is empty.
        charts: SVG.
        history: what the charts show.
        notes: what could not be had, and why.
    """

    name: str
    title: str
    report: str
    caption: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    charts: tuple[str, ...] = ()
    history: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Measurement]:
        """Those of all tables."""
        return [cell for table in self.tables for cell in table.cells]

    def as_json(self) -> dict:
        """Ready for JSON; the charts are not in it, their figures are."""
        about = asdict(self)
        del about["charts"]
        for cell in (c for t in about["tables"] for row in t["rows"] for c in row["measured"] if c):
            del cell["take"]
        return about


PLAIN = {"guidance": "classifier", "form": "plain"}
THREE_AND_SEVEN = (3, 7)
DOG_AND_TRUCK = (THINGS.index("dog"), THINGS.index("truck"))


def _by_classifiers(model: str, labels: tuple[int, int], classes: str = "") -> tuple[Shot, ...]:
    ways = {
        "Clean classifier, eq. 11, λ = 200": PLAIN | {"guidance_scale": 200.0},
        "Clean classifier, eq. 11, λ = 17": PLAIN | {"guidance_scale": 17.0},
        "Noise-aware classifier, scaled by √(1 - ᾱ), λ = 5": {
            "guidance": "classifier-noisy",
            "guidance_scale": 5.0,
        },
    }
    return tuple(Shot(model, words + classes, labels, 8, how) for words, how in ways.items())


FIGURE_2 = {
    "title": "Figure 2: training of the linear schedule without attention",
    "report": "Training loss, validation loss and an approximated FID (the first five minibatches "
    "of the validation set) of one MNIST model over 30 epochs; Adam, learning rate 0.0001.",
}
FIGURE_3 = {
    "title": "Figure 3: the reverse process of both schedules",
    "report": "The reverse process with the linear schedule (top) and the cosine schedule "
    "(bottom). The cosine schedule, the text says, “destroys the information in the image more "
    "gradually”.",
}
TABLES = {
    "table-1": "FIDs of four MNIST models. All are decent, the text says; the linear schedule does "
    "better without attention, the cosine schedule with it, and cosine better than linear.",
    "table-2": "FIDs of four CIFAR-10 models. Only those of the linear schedule are decent, the "
    "text says, slightly better without attention; longer training or another architecture might "
    "have helped the cosine schedule.",
    "costs": "Nothing of it: these are what its code, or section 1.4, does otherwise than the rest "
    f"of its text or the papers. Its code: {REPORT_CODE}.",
    "own-way": "FID as its code takes it (src/metrics.py and src/postprocessing.py of "
    f"{REPORT_CODE}), of its models: two columns of Table 1 again and three of Table 2.",
    "few-steps": "Always 1,000 steps of DDPM: it leaves faster samplers to others.",
    "few-steps-cifar10": "Always 1,000 steps of DDPM.",
}
FIGURES = {
    "figure-4": Figure(
        "Figure 4: samples of the report's best MNIST model",
        "Samples of the cosine schedule with attention, the best model by Table 1.",
        "The same kind of model, images 0 to n - 1 of seed 0: none was picked.",
        (Shot("mnist-cosine-attn", "Cosine schedule, attention", n=64),),
    ),
    "figure-5": Figure(
        "Figure 5: samples of the CIFAR-10 models",
        "Samples of the linear schedule without attention (left), decent, and of the cosine "
        "schedule with attention (right), significantly worse. Its code never clips the predicted "
        f"image (src/diffusion_model.py of {REPORT_CODE}).",
        "Both models with x̂0 clipped to [-1, 1] at every step, as everywhere else here; not "
        "clipped, as in the report's code; and with its ᾱ off by one as well. The networks were "
        "trained without the errors. Fewer steps than the report's 1,000 turn out otherwise where "
        "x̂0 is not clipped: what that costs, the part on its own measure tells for 1,000 and for "
        "100.",
        tuple(
            Shot(model, f"{words}, {how}", n=25, changes=changes, ancestral=True)
            for how, changes in (
                ("x̂0 clipped", {"clip": True}),
                ("x̂0 not clipped", {"clip": False}),
                ("x̂0 not clipped and ᾱ off by one", {"clip": False, "fault": "off-by-one"}),
            )
            for model, words in (
                ("cifar10-linear", "Linear schedule, no attention"),
                ("cifar10-cosine-attn", "Cosine schedule, attention"),
            )
        ),
    ),
    "figure-6": Figure(
        "Figure 6: MNIST, guided by a classifier",
        "Classes 3 and 7 by a classifier of clean images, λ = 200, linear schedule, no attention: "
        "“the generated samples are of the desired class”. Its code takes the gradient of the mean "
        "over a batch of 12, so that each image feels about λ = 17 "
        f"(src/classifier_guidance/diffusion_model_c.py and src/generator.py of {REPORT_CODE}).",
        "λ acts on each image here, so both readings are shown; below them what the report's "
        "conclusion asks for, a classifier that knows the noise level. Both classes start from the "
        "same noises. The judge is a classifier that guides nothing.",
        _by_classifiers("mnist-linear", THREE_AND_SEVEN),
    ),
    "figure-7": Figure(
        "Figure 7: CIFAR-10, guided by a classifier",
        "Classes dog and truck by a classifier of clean images, λ = 200, linear schedule, no "
        "attention.",
        "Both readings of λ and a classifier that knows the noise level, as in Figure 6; at last, "
        "classifier-free guidance. All classes start from the same noises.",
        (
            *_by_classifiers("cifar10-linear", DOG_AND_TRUCK, ": dog, truck"),
            Shot(
                "cifar10-conditional",
                "Classifier-free, s = 2: dog, truck",
                DOG_AND_TRUCK,
                8,
                {"guidance": "cfg", "guidance_scale": 2.0},
            ),
        ),
    ),
    "figure-8": Figure(
        "Figure 8: MNIST, classifier-free",
        "Class 3 from the conditional model alone (eq. 14), trained for 30 epochs with "
        "p_uncond = 0.01.",
        "The conditional model alone as well (s = 1), of a model trained with p_uncond = 0.1, the "
        "cosine schedule and attention.",
        (Shot("mnist-conditional", "Class 3, s = 1", (3,), 16),),
    ),
}


def walked(request: Request | Mapping) -> str:
    """Sampler and steps in words."""
    about = asdict(request) if isinstance(request, Request) else request
    return f"{SAMPLERS[about['sampler']]}, {about['steps']:,} steps"
