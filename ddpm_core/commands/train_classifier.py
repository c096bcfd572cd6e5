"""``python -m ddpm_core train-classifier``."""

from __future__ import annotations

from pathlib import Path

from . import options, training


def add(commands) -> None:
    from ..classifier_trainer import ClassifierRecipe
    from ..recipes import CLASSIFIERS

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
    training.add_recipe(p, ClassifierRecipe)
    p.set_defaults(run=run)


def run(a, trainer=None) -> None:
    """Train.

    Args:
        trainer: the class that trains; ``ClassifierTrainer`` unless given.
    """
    from ..classifier_trainer import ClassifierTrainer
    from ..recipes import classifier_recipe_from

    options.use_threads(a)
    recipe = classifier_recipe_from(a.recipe, training.given(a))
    where = {"data_root": a.data_root, "device": a.device, "bf16": a.bf16}
    trainer = trainer or ClassifierTrainer
    training.to_the_end(trainer(recipe, a.out or Path("runs") / a.recipe, **where))
