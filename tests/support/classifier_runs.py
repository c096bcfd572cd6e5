"""Short trainings of tiny classifiers and judges."""

from ddpm_core import data
from ddpm_core.classifier_trainer import ClassifierRecipe, ClassifierTrainer
from ddpm_core.training import Validation
from lab.measure.judge_trainer import JudgeRecipe, JudgeTrainer
from tests.support.toys import TINY_NETS

STEPS = 10
CLEAN = {
    "classifier": {"kind": "conv"} | TINY_NETS["conv"] | {"dropout": 0.3},
    "epochs": STEPS / 50,
    "batch_size": 20,
    "warmup": 5,
    "seed": 3,
}
NOISY = CLEAN | {
    "classifier": {"kind": "encoder"} | TINY_NETS["encoder"] | {"dropout": 0.3},
    "schedule": {"kind": "linear", "num_timesteps": 40},
}
SIDE_BY_SIDE = {"kind": "whitened-ensemble", "members": 3, "dropout": 0.3}
SIDE_BY_SIDE |= {"residual": True, "mirror": True} | TINY_NETS["whitened-ensemble"]
JUDGE = CLEAN | {"classifier": SIDE_BY_SIDE, "bias_rate": 4, "cutout": 3}


def trainer(folder, data_root, base=NOISY, **changes):
    """The run, with changes to its recipe; it validates with 64 of the 5,000 images held out."""
    extra = JudgeRecipe.__dataclass_fields__.keys() - ClassifierRecipe.__dataclass_fields__.keys()
    is_judge = bool(extra.intersection(base | changes))
    recipe = (JudgeRecipe if is_judge else ClassifierRecipe)(**base | changes)
    kind = JudgeTrainer if is_judge else ClassifierTrainer
    run = kind(recipe, folder, data_root=data_root, bf16=False, quiet=True)
    if not getattr(recipe, "all_images", False):
        held_out = data.load(recipe.dataset, "validation", data_root).subset(range(64))
        run.validation = Validation(held_out, recipe.seed)
    return run
