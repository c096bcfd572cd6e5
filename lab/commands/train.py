"""``python -m lab train`` and ``train-classifier``: with the judge distance, and the judges."""

from __future__ import annotations

from ddpm_core import fields
from ddpm_core.classifier_trainer import ClassifierRecipe, ClassifierTrainer
from ddpm_core.commands import train
from ddpm_core.errors import InvalidInput
from ddpm_core.recipes import CLASSIFIERS

from ..measure import watch
from ..measure.judge_trainer import JudgeRecipe, JudgeTrainer


def add(commands) -> None:
    train.add(commands)
    p = commands.choices["train"]
    p.add_argument(
        "--fid",
        action="store_true",
        help="measure the judge distance (see 'evaluate --help') at every validation, 512 samples "
        "against 1,000 held out images",
    )
    p.set_defaults(run=run)
    p = commands.choices["train-classifier"]
    fields.add_options(p, JudgeRecipe, skip=ClassifierRecipe.__dataclass_fields__)
    p.set_defaults(run=run_classifier)


def run(a) -> int:
    return train.run(a, _watch_for(a.data_root) if a.fid else None)


def _watch_for(root):
    return lambda recipe: watch.fid_watch(recipe.dataset, root, size=recipe.size)


def run_classifier(a) -> int:
    is_judge = isinstance(CLASSIFIERS[a.recipe], JudgeRecipe)
    options = JudgeRecipe.__dataclass_fields__.keys() - ClassifierRecipe.__dataclass_fields__.keys()
    given = sorted(name for name in options if getattr(a, name) is not None)
    if given and not is_judge:
        judges = " and ".join(k for k, v in CLASSIFIERS.items() if isinstance(v, JudgeRecipe))
        raise InvalidInput(f"{a.recipe} has no {', '.join(given)}: only {judges} has")
    return train.run_classifier(a, JudgeTrainer if is_judge else ClassifierTrainer)
