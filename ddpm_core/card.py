"""The card of a checkpoint: ``card.md`` filled in from config, training record and figures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .classifier import ClassifierConfig
from .classifier_nets import NETS
from .data import DATASETS
from .diffusion import PREDICTION_TYPES

TEMPLATE = Path(__file__).parent / "card.md"
# What a classifier may have besides, by its argument.
BESIDES = {
    "residual": "with shortcuts",
    "mirror": "each answer the mean over an image and its mirror image",
}
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
        value: the figure; None: ``line`` alone is shown, and the metadata leaves it out.
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
    path: str = "",
) -> str:
    """Fill the card.

    Args:
        config: a ``model.Config`` or a ``ClassifierConfig``.
        tensors: the weights, to be counted.
        training: as ``record.training_record`` returns it; parts may be missing.
        measured: figures of a diffusion model that were measured after its training.
        pictured: whether samples of a diffusion model lie beside the card.
        path: what loads the checkpoint; its name unless given.
    """
    last, test = (training.get("history") or [{}])[-1], training.get("test") or {}
    if isinstance(config, ClassifierConfig):
        net = config.classifier
        task, tags, metrics = "image-classification", ["classifier"], ["accuracy"]
        figures = [Figure("accuracy", "test accuracy", test.get("accuracy"), "test")]
        module = NETS[net["kind"]].__module__
        about = [NETS[net["kind"]].about.format(**net)]
        about += [words for argument, words in BESIDES.items() if net.get(argument)]
        values = {
            "classifier": True,
            "kind": ", ".join(about),
            "module": "" if module.startswith(f"{__package__}.") else module,
        }
    else:
        net = config.model
        # The Hub has no task of its own for images of a class.
        task = "image-generation" if config.classes else "unconditional-image-generation"
        tags, metrics = ["diffusion", "ddpm"], None
        loss = Figure("loss", "validation loss", last.get("validation"), "validation")
        figures = [loss, *measured]
        judged = any("judge distance" in figure.line for figure in measured)
        values = {
            "measured": measured,
            "pictured": pictured,
            "definition": judged * JUDGE_DISTANCE,
            "prediction": PREDICTION_TYPES[config.prediction_type].says,
            "quarters": [last[f"t{i}"] for i in range(1, 5) if f"t{i}" in last],
            "steps": min(20, config.schedule["num_timesteps"]),
        }
    return _template().render(
        **values,
        name=name,
        path=path or name,
        quote=shlex.quote,
        config=config,
        training=training,
        recorded=training.keys() - {"license"},
        last=last,
        test=test,
        recipe=training.get("recipe", {}),
        metadata=_metadata(config, name, task, tags, metrics, figures, training),
        data=config.dataset or "data that are not recorded",
        shape=f"{net['in_channels']} x {net['image_size']} x {net['image_size']}",
        # The means and variances of batch normalisation are measured, not learned.
        parameters=sum(v.numel() for k, v in tensors.items() if ".running_" not in k),
        percent=lambda share: f"{100 * share:.2f} %",
        count=lambda number: f"{number:,}" if number else "not recorded",
        broken_off=broken_off,
    )


def _template():
    from jinja2 import Environment, Undefined

    class _NotRecorded(Undefined):
        def __str__(self) -> str:
            return "not recorded"

    text = TEMPLATE.read_text(encoding="utf-8")
    return Environment(keep_trailing_newline=True, undefined=_NotRecorded).from_string(text)


def broken_off(run: Mapping) -> str:
    """Where a run was broken off and went on at another length, which its command does not say."""
    breaks = (f"at step {at:,} of {meant:,}" for at, meant in run.get("broken_off", []))
    words = ", then ".join(breaks)
    return f" (broken off {words}, and gone on with at another length)" if words else ""


def _metadata(config, name: str, task: str, tags, metrics, figures, training: Mapping) -> str:
    """The front matter, with the figures as the Hub's model-index reads them."""
    from huggingface_hub import EvalResult, ModelCardData

    source, license = training.get("source"), training.get("license")
    known = DATASETS.get(config.dataset)
    # The Hub takes no card whose dataset has another kind of name, or none.
    dataset = known.hub if known else re.sub(r"[^A-Za-z0-9_.-]+", "-", config.dataset or "unnamed")
    results = [
        EvalResult(
            task_type=task,
            dataset_type=dataset,
            dataset_name=config.dataset or "not recorded",
            dataset_split=figure.split,
            metric_type=figure.kind,
            metric_name=figure.title + (f", data: {source}" if source else ""),
            metric_value=figure.value,
        )
        for figure in figures
        if figure.value is not None
    ]
    return ModelCardData(
        license=license,
        library_name="ddpm_core",
        pipeline_tag=task if task != "image-generation" else None,
        tags=tags,
        datasets=[known.hub] if known else None,
        metrics=metrics,
        model_name=name if results else None,
        eval_results=results or None,
    ).to_yaml()
