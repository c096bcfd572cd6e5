"""``python -m ddpm_core train``."""

from __future__ import annotations

from pathlib import Path

from . import options, training


def add(commands) -> None:
    from ..diffusion import PREDICTION_TYPES
    from ..recipes import RECIPES
    from ..schedules import SCHEDULES
    from ..trainer import Recipe

    p = commands.add_parser(
        "train",
        help="train a model, or go on with a run that was stopped",
        description="Train a model (Algorithm 1 of the DDPM paper). The run folder keeps the "
        "state, the losses, sample grids and a checkpoint folder that 'sample' and the app load. "
        "Stop with Ctrl-C at any time; the same command goes on where it stopped.",
    )
    p.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        help="a shipped checkpoint's settings (its card tells where it was trained otherwise); "
        "other options change them",
    )
    p.add_argument("--schedule", choices=sorted(SCHEDULES), help="noise schedule")
    p.add_argument("--timesteps", type=int, metavar="T", help="steps of the forward process (1000)")
    p.add_argument("--prediction", choices=PREDICTION_TYPES, help="what the model predicts")
    p.add_argument("--channels", type=int, nargs="+", help="width of each level, finest first")
    p.add_argument("--blocks", type=int, help="residual blocks per level")
    p.add_argument(
        "--attention",
        type=int,
        nargs="*",
        metavar="LEVEL",
        help="levels with attention, 0 the finest; none: --attention with nothing after it",
    )
    p.add_argument("--dropout", type=float, help="within the residual blocks")
    p.add_argument(
        "--init",
        metavar="CHECKPOINT",
        help="begin with the weights of a checkpoint of the same recipe, and carry its record on",
    )
    training.add_recipe(p, Recipe, skip=["prediction_type"])
    p.set_defaults(run=run)


def run(a, watch=None) -> None:
    """Train.

    Args:
        watch: from the recipe's dataset to the ``watch`` of a ``Trainer``; None for none.
    """
    from ..checkpoints import load
    from ..recipes import recipe_from
    from ..trainer import Trainer

    options.use_threads(a)
    recipe = recipe_from(a.recipe, training.given(a))
    folder = a.out or Path("runs") / (a.recipe or recipe.dataset)
    begin = load(a.init) if a.init else None
    trainer = Trainer(
        recipe,
        folder,
        data_root=a.data_root,
        device=a.device,
        bf16=a.bf16,
        begin=begin,
        watch=None if watch is None else watch(recipe.dataset),
    )
    training.to_the_end(trainer)
