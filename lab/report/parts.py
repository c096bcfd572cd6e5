"""What the report shows, and how each part is made again: data only, ``reproduce`` makes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ddpm_core.data import THINGS
from ddpm_core.guidance import GUIDANCE
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH

from ..measure.shards import HOME
from ..process.report_errors import REPORT_CODE
from .tables import MODELS, SAMPLERS, Table

OUT = Path("runs") / "report"
# An absolute path up to its last name, but no address. Readers need no folders of this machine.
FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/:]+/)+")


@dataclass(frozen=True)
class Budget:
    """How much work goes into the report."""

    walk: Mapping  # sampler and steps of the pictures, as ``Request`` names them
    # The same where the noise of ancestral steps matters: if a classifier guides, and to show what
    # the report's errors do.
    ancestral: Mapping
    images: int  # the most for one shot and class
    race: int  # steps of Figure 3
    measure: bool  # True: measure cells without a stored result, as their table asks


FULL = Budget(
    walk={"sampler": "ddpm", "steps": 1000},
    ancestral={"sampler": "ddpm", "steps": 1000},
    images=64,
    race=1000,
    measure=True,
)
# A classifier of clean images needs the noise of ancestral steps, and the report's errors are
# measured in so many of them. Other pictures do without.
QUICK = Budget(
    walk={"sampler": "dpm_solver_pp", "steps": 20},
    ancestral={"sampler": "ddpm", "steps": 100},
    images=36,
    race=200,
    measure=False,
)


@dataclass(frozen=True)
class Settings:
    """What to make, and where."""

    out: Path = OUT  # the page, its pictures, and below ``measured`` what was measured for it
    budget: Budget = FULL
    # Names from ``REPORT``, in the order wanted; all unless some are named.
    parts: tuple[str, ...] = ()
    root: str | Path | None = None  # see ``data.data_root``
    cache: Path = HOME  # where samples are kept
    home: Path | None = None  # the folder of the checkpoints; the shipped ones unless given
    batch: int = BATCH
    device: str = "auto"


@dataclass(frozen=True)
class Shot:
    """A picture of a figure, of samples of one model."""

    model: str  # a checkpoint's name
    words: str  # below the picture
    # A row for each label, all from the same noises; ``"none"`` alone makes a grid.
    labels: tuple[int | str, ...] = ("none",)
    n: int = 16  # images for each label, fewer if the budget says so
    changes: Mapping = field(default_factory=dict)  # of the request
    # Sampled in the budget's ancestral steps, as are all shots that a classifier guides.
    ancestral: bool = False

    def requests(self, budget: Budget) -> list[Request]:
        """One request for each label."""
        by_classifier = GUIDANCE[self.changes.get("guidance", "none")].classifier
        walk = budget.ancestral if by_classifier or self.ancestral else budget.walk
        n = min(self.n, budget.images)
        return [Request(n=n, label=label, **walk, **self.changes) for label in self.labels]


@dataclass(frozen=True)
class Picture:
    """A picture as it lies in the output folder."""

    file: str  # its name there
    words: str  # below it, the protocol among them
    size: tuple[int, int]  # (width, height) in pixels


@dataclass(frozen=True)
class Part:
    """A figure or table of the report, made again."""

    # name, title: such as ``"figure-4"``, and in words.
    name: str
    title: str
    report: str  # what the report shows there, and says of it; empty if nothing
    caption: str = ""  # how ours was made
    # pictures, table: ours; the rows of a table also quote the report's figures.
    pictures: tuple[Picture, ...] = ()
    table: Table | None = None
    charts: tuple[str, ...] = ()  # SVG
    notes: tuple[str, ...] = ()  # what could not be had, and why


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


# By name, in the order of the page: the title, and what the report shows there and says of it.
REPORT = {
    "figure-2": (
        "Figure 2: training of the linear schedule without attention",
        "Training loss, validation loss and an approximated FID (the first five minibatches of the "
        "validation set) of one MNIST model over 30 epochs; Adam, learning rate 0.0001.",
    ),
    "table-1": (
        "Table 1: MNIST",
        "FIDs of four MNIST models. All are decent, the text says; the linear schedule does better "
        "without attention, the cosine schedule with it, and cosine better than linear.",
    ),
    "figure-3": (
        "Figure 3: the reverse process of both schedules",
        "The reverse process with the linear schedule (top) and the cosine schedule (bottom). The "
        "cosine schedule, the text says, “destroys the information in the image more gradually”.",
    ),
    "figure-4": (
        "Figure 4: samples of the report's best MNIST model",
        "Samples of the cosine schedule with attention, the best model by Table 1.",
    ),
    "table-2": (
        "Table 2: CIFAR-10",
        "FIDs of four CIFAR-10 models. Only those of the linear schedule are decent, the text "
        "says, slightly better without attention; longer training or another architecture might "
        "have helped the cosine schedule.",
    ),
    "figure-5": (
        "Figure 5: samples of the CIFAR-10 models",
        "Samples of the linear schedule without attention (left), decent, and of the cosine "
        "schedule with attention (right), significantly worse. Its code never clips the predicted "
        f"image (src/diffusion_model.py of {REPORT_CODE}).",
    ),
    "figure-6": (
        "Figure 6: MNIST, guided by a classifier",
        "Classes 3 and 7 by a classifier of clean images, λ = 200, linear schedule, no attention: "
        "“the generated samples are of the desired class”. Its code takes the gradient of the mean "
        "over a batch of 12, so that each image feels about λ = 17 "
        f"(src/classifier_guidance/diffusion_model_c.py and src/generator.py of {REPORT_CODE}).",
    ),
    "figure-7": (
        "Figure 7: CIFAR-10, guided by a classifier",
        "Classes dog and truck by a classifier of clean images, λ = 200, linear schedule, no "
        "attention.",
    ),
    "figure-8": (
        "Figure 8: MNIST, classifier-free",
        "Class 3 from the conditional model alone (eq. 14), trained for 30 epochs with "
        "p_uncond = 0.01.",
    ),
    "costs": (
        "What the report's errors cost",
        "Nothing of it: these are what its code, or section 1.4, does otherwise than the rest of "
        f"its text or the papers. Its code: {REPORT_CODE}.",
    ),
    "own-way": (
        "By the report's own measure",
        "FID as its code takes it (src/metrics.py and src/postprocessing.py of "
        f"{REPORT_CODE}), of its models: two columns of Table 1 again and three of Table 2.",
    ),
    "few-steps": (
        "Judge distance in few steps, digits: mnist-conditional",
        "Always 1,000 steps of DDPM: it leaves faster samplers to others.",
    ),
    "few-steps-cifar10": (
        "Judge distance in few steps, photographs: cifar10-conditional",
        "Always 1,000 steps of DDPM.",
    ),
}
# Further parts about our models, for the page of all that is stored.
BESIDES = {
    "flow": ("Flow matching in few steps", ""),
    "variance": ("The variance learned or fixed", ""),
    "beside": ("Beside the judge distance", ""),
    "guidance": ("Guidance over its scale", ""),
    **{f"training-{model}": (f"{model}: its training", "") for model in MODELS},
}
# The figures that are made of samples: their captions and their shots.
SHOTS = {
    "figure-4": (
        "The same kind of model, images 0 to n - 1 of seed 0: none was picked.",
        (Shot("mnist-cosine-attn", "Cosine schedule, attention", n=64),),
    ),
    "figure-5": (
        "Both models with x̂0 clipped to [-1, 1] at every step, as everywhere else here; not "
        "clipped, as in the report's code; and with its ᾱ off by one as well. The networks were "
        "trained without the errors. Fewer steps than the report's 1,000 turn out otherwise where "
        "x̂0 is not clipped.",
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
    "figure-6": (
        "λ acts on each image here, so both readings are shown; below them what the report's "
        "conclusion asks for, a classifier that knows the noise level. Both classes start from the "
        "same noises. The judge is a classifier that guides nothing.",
        _by_classifiers("mnist-linear", THREE_AND_SEVEN),
    ),
    "figure-7": (
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
    "figure-8": (
        "The conditional model alone as well (s = 1): the report's, as far as it is told (the "
        "linear schedule without attention is assumed), and ours, trained with p_uncond = 0.1, the "
        "cosine schedule, attention and v in place of the noise. Both from the same noises.",
        (
            Shot("mnist-linear-conditional", "Class 3, s = 1, p_uncond = 0.01", (3,), 16),
            Shot("mnist-conditional", "Class 3, s = 1, p_uncond = 0.1", (3,), 16),
        ),
    ),
}


def part(name: str, **ours) -> Part:
    """The part of that name, with the fields that are ours."""
    return Part(name, *(REPORT | BESIDES)[name], **ours)


def walked(request: Request) -> str:
    """Sampler and steps in words."""
    return f"{SAMPLERS[request.sampler]}, {request.steps:,} steps"


def sentence(error) -> str:
    """An error as a sentence, without the folders of this machine."""
    text = FOLDERS.sub("", " ".join(str(error).split())).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
