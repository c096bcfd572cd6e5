"""``python -m ddpm_core train`` and ``train-classifier``."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import fields
from ..checkpoints import load
from ..classifier_trainer import ClassifierRecipe, ClassifierTrainer
from ..diffusion import PREDICTION_TYPES
from ..errors import InvalidInput
from ..recipes import CLASSIFIERS, RECIPES, classifier_recipe_from, recipe_from
from ..schedules import SCHEDULES
from ..trainer import Recipe, Trainer
from . import options

# Options of what a fine-tuning takes from its model.
OF_NETWORK = (
    "schedule timesteps prediction channels blocks attention scale_shift dropout learn_variance"
).split()
INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def add(commands) -> None:
    p = commands.add_parser(
        "train",
        help="train a model, or go on with a run that was stopped",
        description="Train a model (Algorithm 1 of the DDPM paper). The run folder keeps the "
        "state, the losses and sample grids, and is a model that 'sample' and the app load. "
        "Stop with Ctrl-C at any time; the same command goes on where it stopped.",
    )
    p.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        help="a shipped checkpoint's settings (its card tells where it was trained otherwise), or "
        "exportable: a network that diffusers has too; other options change them",
    )
    p.add_argument("--schedule", choices=sorted(SCHEDULES), help="noise schedule")
    p.add_argument("--timesteps", type=int, metavar="T", help="steps of the forward process (1000)")
    p.add_argument("--prediction", choices=PREDICTION_TYPES, help="what the model predicts")
    p.add_argument("--channels", type=int, nargs="+", help="width of each level, finest first")
    p.add_argument(
        "--blocks", type=int, nargs="+", help="residual blocks of each level, or one for all"
    )
    p.add_argument(
        "--attention",
        type=int,
        nargs="*",
        metavar="LEVEL",
        help="levels with attention, 0 the finest; none: --attention with nothing after it",
    )
    p.add_argument(
        "--scale-shift",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="time and class scale and shift features, where otherwise they are added",
    )
    p.add_argument("--dropout", type=float, help="within the residual blocks")
    begin = p.add_mutually_exclusive_group()
    begin.add_argument(
        "--init",
        metavar="CHECKPOINT",
        help="begin a new run with the weights of a checkpoint of the same model and images",
    )
    begin.add_argument(
        "--finetune",
        metavar="NAME",
        help="begin a new run with the weights of any model, on other images and classes; network, "
        "schedule and prediction are its own",
    )
    _add_recipe(p, Recipe, skip=["prediction_type"])
    p.set_defaults(run=run)

    p = commands.add_parser(
        "train-classifier",
        help="train a classifier, or go on with a run that was stopped",
        description="Train a classifier, for guidance or as a judge. The run folder keeps the "
        "state, the losses and a checkpoint folder. Stop with Ctrl-C at any time; the same "
        "command goes on where it stopped. The test set is used once, at the end.",
    )
    p.add_argument(
        "--recipe",
        choices=sorted(CLASSIFIERS),
        required=True,
        help="a shipped classifier's own settings; other options change them",
    )
    _add_recipe(p, ClassifierRecipe)
    p.set_defaults(run=run_classifier)


def _add_recipe(p: argparse.ArgumentParser, cls: type, skip=()) -> None:
    """Add an option for every field of a recipe, and where and on what to run."""
    p.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE, else runs/DATASET)")
    fields.add_options(p, cls, skip=skip)
    options.add_data_root(p)
    options.add_device(p)
    options.add_threads(p)
    p.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="bfloat16 autocast (default: where the hardware has it)",
    )


def run(a, watch=None) -> int:
    """Train a diffusion model.

    Args:
        watch: from the recipe to the ``watch`` of a ``Trainer``; None for none.

    Returns:
        The exit status: 0, or that of an interrupted command.
    """
    given = _given(a)
    recipe = recipe_from(a.recipe, given)
    begin = load(a.init, device=a.device) if a.init else None
    finetune = load(a.finetune, device=a.device) if a.finetune else None
    if finetune:
        for name in ("recipe", *OF_NETWORK):
            if name in given:
                option = f"--{name.replace('_', '-')}"
                raise InvalidInput(f"{option} is that of {a.finetune}, which --finetune keeps")
        recipe = recipe.like(finetune)
    watch = watch and watch(recipe)
    return _train(a, Trainer, recipe, begin=begin, finetune=finetune, watch=watch)


def run_classifier(a, trainer=ClassifierTrainer) -> int:
    """Train a classifier by a trainer of this class; returns as ``run`` does."""
    return _train(a, trainer, classifier_recipe_from(a.recipe, _given(a)))


def _given(a: argparse.Namespace) -> dict:
    return {k: v for k, v in vars(a).items() if v is not None}


def _train(a: argparse.Namespace, kind: type, recipe, **more) -> int:
    """Say what begins, train until the end or Ctrl-C, and say what there is."""
    folder = a.out or Path("runs") / (a.recipe or Path(recipe.dataset).resolve().name)
    trainer = kind(recipe, folder, data_root=a.data_root, device=a.device, bf16=a.bf16, **more)
    parameters, total = sum(p.numel() for p in trainer.model.parameters()), trainer.total_steps
    say = print if trainer.leads else lambda *_: None
    say(
        f"{folder}: {parameters:,} parameters, {total:,} steps of {recipe.batch_size}, "
        f"from step {trainer.step:,}; Ctrl-C stops and saves"
    )
    trainer.run()
    say(f"step {trainer.step:,} of {total:,}; the model: {folder}")
    return 0 if trainer.step == total else INTERRUPTED
