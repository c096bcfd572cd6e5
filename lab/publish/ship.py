"""From a run folder to a checkpoint that ships: weights, a card and a grid of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ddpm_core import checkpoints
from ddpm_core.animation import save_png
from ddpm_core.errors import InvalidInput
from ddpm_core.recorder import grid
from ddpm_core.request import Request
from ddpm_core.sampling import Run, sample

from . import cards

PICTURE = Request(n=64, sampler="dpm_solver_pp", steps=20)


def ship(
    run: Path, name: str | None = None, home: Path | None = None, device: str = "auto"
) -> Path:
    """Copy a run's EMA weights to ``checkpoints/NAME``, with a card; for a diffusion model also
    ``samples.png``.

    Args:
        run: a run folder (its ``checkpoint/`` is taken) or a checkpoint folder.
        name: of the checkpoint; that of the run folder unless given.
        device: for sampling.

    Returns:
        The new folder.
    """
    source = checkpoints.find(run)
    name = name or checkpoints.name_of(run)
    if Path(name).name != name or name == "..":
        raise InvalidInput(f"the name of a checkpoint is that of a folder, not {name!r}")
    target = (home or checkpoints.HOME) / name
    if (target / checkpoints.CONFIG).is_file():
        kinds = checkpoints.holds_classifier(source), checkpoints.holds_classifier(target)
        if kinds[0] != kinds[1]:
            raise InvalidInput(f"{name} is a checkpoint of another kind: choose another --name")
    licensed = {"license": "mit"}  # the license of this repository, which then holds the checkpoint
    if checkpoints.holds_classifier(source):
        classifier = checkpoints.load_classifier(source, device="cpu")
        training = licensed | classifier.training
        checkpoints.write_folder(target, classifier.config, classifier.net.state_dict(), training)
        return target
    model = checkpoints.load(source, device="cpu")
    config, training = model.config, licensed | model.training
    if (target / checkpoints.CONFIG).is_file():
        before = checkpoints.read_config(target)
        if before.dataset != config.dataset:
            raise InvalidInput(
                f"{name} is a model of {before.dataset} and this one of {config.dataset}: choose "
                "another --name, or move it away"
            )
        # These settings come from measurements. A training does not know them.
        config = replace(config, sampling=before.sampling)
        with checkpoints.without_memory():
            config.build()  # before anything is written: they may be of another network
    checkpoints.write_folder(target, config, model.unet.state_dict(), training)
    model = checkpoints.load(target, device=device)  # by the name that the picture's note has
    steps = min(PICTURE.steps, model.schedule.num_timesteps)
    request = replace(PICTURE, steps=steps).for_model(model)
    note = Run(model, request, images=[]).describe()
    save_png(grid(sample(model, request)), target / checkpoints.PICTURE, scale=2, note=note)
    cards.rewrite(target)  # the card shows the picture
    return target
