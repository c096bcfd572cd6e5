"""``python -m lab train-classifier``: that of ``ddpm_core``, and the judges."""

from __future__ import annotations

from ddpm_core import fields
from ddpm_core.commands import train_classifier
from ddpm_core.errors import InvalidInput
from ddpm_core.recipes import CLASSIFIERS


def add(commands) -> None:
    from ..measure.judge_trainer import ClassifierRecipe, JudgeRecipe

    train_classifier.add(commands)
    p = commands.choices["train-classifier"]
    fields.add_options(p, JudgeRecipe, skip=ClassifierRecipe.__dataclass_fields__)
    p.set_defaults(run=run)


def run(a) -> None:
    from ..measure.judge_trainer import ClassifierRecipe, JudgeRecipe, JudgeTrainer

    is_judge = isinstance(CLASSIFIERS[a.recipe], JudgeRecipe)
    own = JudgeRecipe.__dataclass_fields__.keys() - ClassifierRecipe.__dataclass_fields__.keys()
    given = sorted(name for name in own if getattr(a, name) is not None)
    if given and not is_judge:
        raise InvalidInput(f"{a.recipe} has no {', '.join(given)}: that is of a judge's recipe")
    train_classifier.run(a, JudgeTrainer if is_judge else None)
