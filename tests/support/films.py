"""Films made up of noise, and files of films read frame by frame."""

import av
import numpy as np
import torch
from PIL import Image

from ddpm_core.recorder import Film
from ddpm_core.samplers import Step


def make_step(index, x, x0=None) -> Step:
    x0 = torch.zeros_like(x) if x0 is None else x0
    return Step(index, 100 - index, x, x0, torch.zeros_like(x), 99 - index, {})


def make_film(steps=5, n=3, channels=1, size=6, seed=0) -> Film:
    generator = torch.Generator().manual_seed(seed)

    def picture():
        return torch.rand((n, channels, size, size), generator=generator) * 2.4 - 1.2

    film = Film(picture(), steps, 100)
    for index in range(1, steps + 1):
        film.add(make_step(index, picture(), picture()))
    return film


def frames_of(path) -> np.ndarray:
    """All frames of a GIF, WebP or MP4, (F, H, W, 3)."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    frames = []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames)


def durations_of(path) -> list[int]:
    """How long each frame of a GIF or WebP stands, in ms."""
    durations = []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
    return durations
