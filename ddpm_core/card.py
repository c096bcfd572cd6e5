"""The card of a checkpoint, written from its config and its training record alone."""

from __future__ import annotations

from torch import Tensor

from .errors import CheckpointError

TEMPLATE = """\
---
license: mit
library_name: ddpm_core
{task}tags:
- diffusion
- ddpm
datasets:
- {dataset}
---

# {name}

{what} of {parameters:,} parameters, trained from scratch on {dataset}: {channels} x {size} x {size}
pixels in [-1, 1]. It predicts {prediction} and was trained with the {kind} schedule,
T = {timesteps}.{classes}

![64 samples: DPM-Solver++, 20 steps, seed 0, x̂0 clipped](samples.png)

```bash
python -m ddpm_core sample --model {name} --n 64 --steps 20 --out {name}.png
```

## Provenance

| | |
| --- | --- |
| command | `{command}` |
| commit | {commit} |
| images seen | {images:,} ({epochs:.1f} passes over {training_set:,}; {steps:,} steps of {batch}) |
| weights | {weights} |
| precision | {precision} |
| hardware | {hardware} |
| time | {hours} h |
| loss | training {train}, validation {validation} |

The validation loss is that of the EMA weights on 1,024 images held out of the training set,
with fixed noise and timesteps spread evenly over T; by quarter of t, least noise first:
{quarters}. The whole curve is in `training.json`.
"""


def render(name: str, config, tensors: dict[str, Tensor], training: dict) -> str:
    """Fill the card.

    Args:
        config: a ``checkpoints.Config``.
        tensors: the weights, to be counted.
        training: as ``Trainer`` writes it, with at least one row of ``history``.
    """
    missing = [key for key in ("recipe", "history", *CARRIED) if key not in training]
    if missing:
        raise CheckpointError(f"the training record lacks {', '.join(missing)}: no card without")
    recipe, last = training["recipe"], (training["history"] or [{}])[-1]
    conditional = bool(config.classes)
    classes = f"\n\nClasses: {', '.join(config.classes)}." if conditional else ""
    if conditional and recipe["p_uncond"]:
        classes += f" Labels were dropped with p_uncond = {recipe['p_uncond']}, image by image."
    return TEMPLATE.format(
        name=name,
        task="" if conditional else "pipeline_tag: unconditional-image-generation\n",
        dataset=config.dataset,
        what="A class-conditional UNet" if conditional else "An unconditional UNet",
        parameters=sum(value.numel() for value in tensors.values()),
        channels=config.model["in_channels"],
        size=config.model["image_size"],
        prediction={"epsilon": "the noise", "v_prediction": "v"}[config.prediction_type],
        kind=config.schedule["kind"],
        timesteps=config.schedule["num_timesteps"],
        classes=classes,
        epochs=training["images"] / training["training_set"],
        batch=recipe["batch_size"],
        train=last.get("train", "not measured yet"),
        validation=last.get("validation", "not measured yet"),
        quarters=", ".join(str(last[f"t{i}"]) for i in range(1, 5) if f"t{i}" in last)
        or "none yet",
        **{k: training[k] for k in CARRIED},
    )


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
