"""The card of a checkpoint, written from its config, its training record and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from .classifier import ClassifierConfig
from .classifier_nets import NETS
from .data import DATASETS
from .errors import CheckpointError

TEMPLATE = """\
---
{metadata}
---

# {name}

{what} of {parameters:,} parameters, trained from scratch on {dataset}: {channels} x {size} x {size}
pixels in [-1, 1]. It predicts {prediction} and was trained with the {kind} schedule,
T = {timesteps}.{classes}{meant}{picture}

```bash
python -m ddpm_core sample --model {name} --n 64 --sampler dpm_solver_pp --steps {steps} \\
    --out {file}.png
```

{provenance}{source}| loss | training {train}, validation {validation} |

The validation loss is that of the EMA weights on {images_held_out} images held out of training,
with fixed noise and timesteps spread evenly over T, the squared error of {prediction}; by quarter
of t, least noise first: {quarters}. The whole curve is in `training.json`.
{measured}"""

PICTURE = """

![64 samples: DPM-Solver++, {steps} steps, seed 0, x̂0 clipped](samples.png)"""

CLASSIFIER_TEMPLATE = """\
---
{metadata}
---

# {name}

A classifier of {parameters:,} parameters ({kind}), trained from scratch
on {dataset}: {channels} x {size} x {size} pixels in [-1, 1].{knows}

Classes: {classes}.

```python
from ddpm_core import load_classifier
{network}
classifier = load_classifier("{name}")
log_probs = classifier.log_probs(x{abar})  # (B, {count}), differentiable in x
```

## Accuracy

{accuracy}

{provenance}{source}| loss | training {train}, validation {validation} |

{meanwhile}. The test set took
no part in training; the figures above and the whole curve are in `training.json`.
Augmentation: {augmentation}.
"""

PROVENANCE = """\
## Provenance

| | |
| --- | --- |
| command | `{command}`{broken_off} |
| commit | {commit} |
| images seen | {images:,} ({epochs:.1f} passes over {training_set:,}; {steps:,} steps{batch}) |
| weights | {weights} |
| precision | {precision} |
| hardware | {hardware} |
| time | {hours} h |
"""


MEASURED = """
## Measured
{definition}
{lines}

The figures with all that they depend on are in `results/`.
"""

JUDGE_DISTANCE = (
    "The judge distance is the Fréchet distance between the features that our own judge network "
    "finds in samples and in real images; it does not compare with Inception's FID."
)


@dataclass(frozen=True)
class Figure:
    """Something measured.

    Attributes:
        kind: as the Hub calls the metric, such as ``"accuracy"``.
        title: of the metric, with what tells it from its like.
        value: the figure; None for one that is told, but kept out of the metadata.
        split: of the dataset it was measured on or against; None for one of samples alone.
        line: figure and protocol in words.
    """

    kind: str
    title: str
    value: float | None
    split: str | None
    line: str = ""


def render(
    name: str,
    config,
    tensors: dict[str, Tensor],
    training: dict,
    measured: Sequence[Figure] = (),
    pictured: bool = False,
) -> str:
    """Fill the card.

    Args:
        config: a ``checkpoints.Config`` or a ``ClassifierConfig``.
        tensors: the weights, to be counted.
        training: as ``training.Loop`` writes it.
        measured: of a diffusion model, after its training.
        pictured: of a diffusion model, whether its samples lie beside the card.

    Raises:
        CheckpointError: if the record lacks what the card must tell.
    """
    missing = [key for key in ("recipe", "history", *CARRIED) if key not in training]
    if missing:
        raise CheckpointError(f"the training record lacks {', '.join(missing)}: no card without")
    last = (training["history"] or [{}])[-1]
    if isinstance(config, ClassifierConfig):
        fill, more, held_out = _classifier, {}, 5000
    else:
        fill, held_out = _diffusion_model, 1024
        more = {"measured": measured, "pictured": pictured}
    return fill(
        config,
        training,
        last,
        **more,
        name=name,
        dataset=config.dataset,
        # Older records do not tell: they are of datasets of which so many are held out.
        images_held_out=f"{training.get('held_out', held_out):,}",
        # The means and variances of batch normalisation are measured, not learned.
        parameters=sum(v.numel() for k, v in tensors.items() if ".running_" not in k),
        train=last.get("train", "not measured yet"),
        validation=f"{last.get('validation', 'not measured yet')}{_when(last, training)}",
        provenance=PROVENANCE.format(
            epochs=training["images"] / training["training_set"],
            broken_off=broken_off(training),
            batch="" if training.get("earlier") else f" of {training['recipe']['batch_size']}",
            **{k: training[k] for k in CARRIED},
        ),
        source=(f"| data | {training['source']} |\n" if training.get("source") else "")
        + _earlier(training),
    )


def _meant(sampling: Mapping) -> str:
    """How the model is sampled unless something else is asked for, where it is not as usual."""
    told = ", ".join(f"{name} = {value}" for name, value in sampling.items())
    return f"\n\nSampled with {told} unless something else is asked for." if told else ""


def _when(last: dict, training: dict) -> str:
    """Of a run that was stopped between two looks at its losses: when the last one was."""
    step = last.get("step", training["steps"])
    return "" if step == training["steps"] else f" (both at step {step:,})"


def broken_off(run: Mapping) -> str:
    """What its command does not tell of a run: that it was not gone through to its end."""
    told = (f"at step {at:,} of {meant:,}" for at, meant in run.get("broken_off", []))
    words = ", then ".join(told)
    return f" (broken off {words}, and gone on with at another length)" if words else ""


def _earlier(training: dict) -> str:
    """Rows for the runs that this one carried on, the last of them first."""
    return "".join(
        f"| before that | `{run['command']}`{broken_off(run)}, "
        f"{run['images']:,} images in {run['steps']:,} steps, "
        f"commit {run['commit']}, {run['hours']} h, {run['precision']}, {run['hardware']}; what "
        f"followed began with its weights ({run['weights']}) |\n"
        for run in reversed(training.get("earlier", []))
    )


def _diffusion_model(config, training, last, measured, pictured, **common) -> str:
    recipe, steps = training["recipe"], min(20, config.schedule["num_timesteps"])
    conditional = bool(config.classes)
    classes = f"\n\nClasses: {', '.join(config.classes)}." if conditional else ""
    if conditional and recipe["p_uncond"]:
        classes += f" Labels were dropped with p_uncond = {recipe['p_uncond']}, image by image."
    figures = [Figure("loss", "validation loss", last.get("validation"), "validation"), *measured]
    lines = "\n".join(f"- {figure.line}" for figure in measured)
    definition = f"\n{JUDGE_DISTANCE}\n" if "judge distance" in lines else ""
    return TEMPLATE.format(
        metadata=_metadata(
            config,
            common["name"],
            # The Hub has no task of its own for images of a class.
            "image-generation" if conditional else "unconditional-image-generation",
            ["diffusion", "ddpm"],
            figures,
            training.get("source"),
        ),
        measured=MEASURED.format(definition=definition, lines=lines) if measured else "",
        file=common["name"].rpartition("/")[2],
        what="A class-conditional UNet" if conditional else "An unconditional UNet",
        channels=config.model["in_channels"],
        size=config.model["image_size"],
        prediction={"epsilon": "the noise", "v_prediction": "v"}[config.prediction_type],
        kind=config.schedule["kind"],
        timesteps=config.schedule["num_timesteps"],
        steps=steps,
        picture=PICTURE.format(steps=steps) if pictured else "",
        classes=classes,
        meant=_meant(config.sampling),
        quarters=", ".join(str(last[f"t{i}"]) for i in range(1, 5) if f"t{i}" in last)
        or "none yet",
        **common,
    )


def _classifier(config, training, last, **common) -> str:
    aware = config.schedule is not None
    net = config.classifier
    knows = " It knows clean images only."
    if aware:
        knows = (
            "\nIt is told how noisy an image is, by `abar`, and was trained evenly over t of the "
            f"{config.schedule['kind']}\nschedule, T = {config.schedule['num_timesteps']}."
        )
    test = training.get("test") or {}
    augmentation = [f"{k} {v}" for k, v in config.preprocessing.items() if k != "range"]
    figures = [Figure("accuracy", "test accuracy", test.get("accuracy"), "test")]
    return CLASSIFIER_TEMPLATE.format(
        metadata=_metadata(
            config,
            common["name"],
            "image-classification",
            ["classifier"],
            figures,
            training.get("source"),
        ),
        kind=_kind(net),
        network=_network(net),
        channels=net["in_channels"],
        size=net["image_size"],
        knows=knows,
        classes=", ".join(config.classes),
        count=len(config.classes),
        abar=", abar" if aware else "",
        accuracy=_accuracy(training.get("test")),
        meanwhile=_meanwhile(training, last, aware, common.pop("images_held_out")),
        augmentation=", ".join(augmentation) or "none",
        **common,
    )


def _meanwhile(training: dict, last: dict, aware: bool, held_out: str) -> str:
    """What the validation loss is of."""
    accuracy = _percent(last["accuracy"]) if "accuracy" in last else "not measured yet"
    noise = "with fixed noise and timesteps spread evenly over T, " if aware else ""
    if training.get("held_out") == 0:
        return (
            "No image was held out of training: the validation loss is that of the EMA weights on\n"
            f"images that it learned from, {noise}where the accuracy is {accuracy}"
        )
    return (
        f"The validation loss is that of the EMA weights on {held_out} images held out of training,"
        f"\n{noise}where the accuracy is {accuracy}"
    )


def _kind(net: dict) -> str:
    besides = [told for name, told in BESIDES.items() if net.get(name)]
    return ", ".join([NETS[net["kind"]].about.format(**net), *besides])


def _network(net: dict) -> str:
    """The line of code without which a network from another package is not known."""
    module = NETS[net["kind"]].__module__
    return "" if module.startswith(f"{__package__}.") else f"import {module}  # its network\n"


def _metadata(
    config, name: str, task: str, tags: list[str], figures: Sequence[Figure], source: str | None
) -> str:
    """The front matter, with the figures as the Hub's model-index reads them.

    Args:
        source: what the data came from, if not from what the Hub has under their name.
    """
    from huggingface_hub import EvalResult, ModelCardData

    known = DATASETS.get(config.dataset)
    dataset = known.hub if known else config.dataset
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset,
            dataset_name=config.dataset,
            dataset_split=figure.split,
            metric_type=figure.kind,
            metric_name=figure.title + (f", data: {source}" if source else ""),
            metric_value=figure.value,
        )
        for figure in figures
        if figure.value is not None
    ]
    data = ModelCardData(
        license="mit",
        library_name="ddpm_core",
        pipeline_tag=task if task != "image-generation" else None,
        tags=tags,
        datasets=[dataset],
        metrics=["accuracy"] if task == "image-classification" else None,
        model_name=name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _accuracy(test: dict | None) -> str:
    if not test:
        return "Not measured yet: the run is not complete."
    text = f"On the {test['images']:,} test images: {_percent(test['accuracy'])}."
    if "curve" in test:
        text += " With noise (the same for every t):\n\n| t | accuracy |\n| --- | --- |\n"
        rows = (f"| {row['t']} | {_percent(row['accuracy'])} |" for row in test["curve"])
        text += "\n".join(rows)
    return text


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


# What a network may have besides, by its argument.
BESIDES = {
    "residual": "with shortcuts",
    "mirror": "each answer the mean over an image and its mirror image",
}


CARRIED = [
    "command",
    "commit",
    "images",
    "training_set",
    "steps",
    "weights",
    "precision",
    "hardware",
    "hours",
]
