"""Samples kept on disk as they are made, so that a measurement goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ddpm_core import processes
from ddpm_core.data import to_pictures
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.files import replacing
from ddpm_core.guidance import GUIDANCE
from ddpm_core.guides import classifier_for
from ddpm_core.model import Model
from ddpm_core.request import Request
from ddpm_core.sampling import BATCH, Run

from ..progress import Progress
from .results import fingerprint

HOME = Path("runs") / "samples"
SHARD = 200
# These say which images are made, not what they look like.
NOT_IN_KEY = ("n", "first")


class Shards:
    """The samples of a request, in files of 200, uint8.

    Image k of a request is the same however many are asked for, so a larger n, or another first
    image, adds to what is there. The folder's name ends in a digest of all that the pictures
    depend on: the weights, the request, the dtype, and a guiding classifier's weights.

    Args:
        home: the folder that holds such folders.
        batch: images sampled at a time; it changes rounding only.
    """

    def __init__(self, model: Model, request: Request, home: Path = HOME, batch: int = BATCH):
        self.model, self.request, self.batch = model, request.for_model(model), batch
        if self.request.toward is not None:
            raise InvalidInput("images on the way to another seed are no samples to measure")
        self.about = _about(model, self.request)
        if self.request.fault == "batch-scale":  # its λ depends on the number of images
            self.about |= {"n": request.n}
        digest = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()
        name = model.name.replace("/", "--").replace("@", "--")
        self.folder = Path(home) / f"{name}-{digest[:16]}"

    def protocol(self) -> dict:
        """What a figure of these samples depends on besides the model, ready for JSON."""
        # "auto" or a dtype by name: the same measurement. The dtype that was used stands below.
        request = replace(self.request, dtype="auto")
        protocol = {
            "n": request.n,
            "first": request.first,
            "request": {k: v for k, v in asdict(request).items() if k not in NOT_IN_KEY},
            "dtype": self.about["dtype"],
        }
        if "guide" in self.about:
            protocol["guide"] = {"name": self.about["guide"], "mark": self.about["guide_weights"]}
        return protocol

    def sampling(self) -> Iterator[Progress | np.ndarray]:
        """All images of the request, in order; what is not on disk is sampled and put there.

        Yields:
            ``Progress``, counted in images, after every denoising step, and arrays (n, H, W, C),
            uint8, of up to ``SHARD`` images.

        Raises:
            CheckpointError: if a file in the folder is damaged.
        """
        for start in self._starts():
            yield (yield from self._shard_images(start))

    def share(self) -> Iterator[Progress]:
        """Put this process's part of the images on disk, and wait until all have put theirs."""
        for start in self._starts()[processes.rank() :: processes.count()]:
            yield from self._shard_images(start)
        processes.wait()

    def _starts(self) -> range:
        first = self.request.first
        return range(first - first % SHARD, self.request.images.stop, SHARD)

    def _shard_images(self, start: int):
        """Yields ``Progress`` and returns the images of the request in one file."""
        images, total = self.request.images, self.request.n
        stop, shard = min(start + SHARD, images.stop), self._read(start)
        while len(shard) < stop - start:
            # From the shard's beginning, not the request's: a shard has no holes.
            chosen = range(start + len(shard), min(start + len(shard) + self.batch, stop))
            run = Run(self.model, self.request, chosen)
            for step in run.steps():
                part = int(len(chosen) * step.index / len(run.timesteps))
                reached = max(0, start + len(shard) + part - images.start)
                yield Progress("samples", min(reached, total), total)
            shard = np.concatenate([shard, to_pictures(step.x)])
            self._write(start, shard)
        yield Progress("samples", stop - images.start, total)
        return shard[max(0, images.start - start) : stop - start]

    def whole(self) -> Iterator[Progress]:
        """``sampling`` that yields ``Progress`` alone and returns all images in one array."""
        parts = []
        for item in self.sampling():
            if isinstance(item, Progress):
                yield item
            else:
                parts.append(item)
        return np.concatenate(parts)

    def _read(self, start: int) -> np.ndarray:
        path = self.folder / f"{start:010d}.npy"
        channels, height, width = self.model.shape
        if not path.exists():
            return np.empty((0, height, width, channels), np.uint8)
        try:
            return np.load(path, allow_pickle=False)[:SHARD]
        except (ValueError, OSError, EOFError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); delete it and retry") from error

    def _write(self, start: int, shard: np.ndarray) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / f"{start:010d}.npy") as part, part.open("wb") as file:
            np.save(file, shard)


def _about(model: Model, request: Request) -> dict:
    # Raise the version whenever the same request comes to mean other pictures.
    version = 3 if request.sampler == "dpm_solver_pp" else 2 if request.rescale else 1
    about = {"version": version, "model": model.name, "weights": fingerprint(model.unet)}
    about |= {"schedule": model.config.schedule, "prediction": model.config.prediction_type}
    about |= {k: v for k, v in asdict(request).items() if k not in NOT_IN_KEY}
    about |= {"dtype": model.resolve_dtype(request.dtype)}
    if GUIDANCE[request.guidance].classifier:
        guide = classifier_for(model, request.guidance)
        about |= {"guide": guide.name, "guide_weights": fingerprint(guide.net)}
    return about
