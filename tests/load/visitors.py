"""Visitors by the public API."""

from __future__ import annotations

import base64
import io
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageSequence


@dataclass(frozen=True)
class Kind:
    """Attributes:
    words: what it asks for.
    api: the function that it calls.
    fields: with what; the seed is another each time.
    """

    words: str
    api: str
    fields: dict = field(hash=False)


LONG = {"steps": 1000, "sampler": "ddpm", "stride": 100}
SMALL = {"steps": 20, "scale": 1}
# Films in grey only: a GIF chooses the colours of photographs by what is in them.
KINDS = (
    Kind("films of 4 digits", "/film", LONG | {"model": "mnist-conditional", "n": 4}),
    Kind("a digit", "/sample", SMALL | {"model": "mnist-conditional", "n": 1}),
    Kind(
        "16 digits, guided",
        "/sample",
        SMALL | {"model": "mnist-conditional", "n": 16, "guidance": "cfg", "guidance_scale": 3.0},
    ),
    Kind("films of a digit of another model", "/film", LONG | {"model": "mnist-cosine", "n": 1}),
    Kind("4 photographs", "/sample", SMALL | {"model": "cifar10-conditional", "n": 4}),
    Kind(
        "8 digits, guided by a classifier",
        "/sample",
        SMALL
        | {"model": "mnist-linear", "n": 8, "label": "3"}
        | {"guidance": "classifier-noisy", "guidance_scale": 2.0},
    ),
)


@dataclass(frozen=True)
class Answer:
    """Attributes:
    asked: the fields of the request; ``stride`` among them if it is a film.
    frames: (H, W, 3), uint8, each a grid.
    """

    asked: dict
    frames: list[np.ndarray]


class Visitor(threading.Thread):
    """Asks for one kind again and again until its time is over.

    Attributes:
        took: seconds of each that it got.
        outcome: how many came, how often it was told that the page is full, and errors.
        errors: what else it was told.
        wrong: what was not as it had asked for, in words.
        first: the first answer.
    """

    def __init__(self, url: str, number: int, seconds: float):
        super().__init__(daemon=True)
        self.url, self.number, self.seconds = url, number, seconds
        self.kind = KINDS[number % len(KINDS)]
        self.took: list[float] = []
        self.outcome, self.errors, self.wrong = Counter(), [], []
        self.first: Answer | None = None

    def run(self) -> None:
        client, count = None, 0
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            seed, count = self.number * 10_000 + count, count + 1
            begun = time.monotonic()
            try:
                client = client or self._client()
                found = client.predict(seed=seed, api_name=self.kind.api, **self.kind.fields)
            except Exception as error:
                full = "full" in str(error).lower()
                self.outcome["full" if full else "error"] += 1
                if not full:
                    self.errors.append(f"{type(error).__name__}: {error}"[:200])
                time.sleep(1)
                continue
            self.took.append(time.monotonic() - begun)
            self.outcome["came"] += 1
            self.take(self.kind.fields | {"seed": seed}, found)
            time.sleep(random.uniform(0.5, 1.5))  # nobody asks without a pause to look

    def _client(self):
        from gradio_client import Client

        # As long as it takes; whoever waits in the end is told of.
        return Client(self.url, verbose=False, httpx_kwargs={"timeout": None})

    def take(self, asked: dict, found: dict) -> None:
        """Look whether an answer is of what was asked for, and keep the first."""
        about = found["about"]
        for name, value in asked.items():
            if name in about and str(about[name]) != str(value):
                self.wrong.append(f"asked for {name} {value}, got {name} {about[name]}")
        if self.first is None:
            self.first = Answer(asked, frames(base64.b64decode(found.get("png") or found["gif"])))


def frames(file: bytes) -> list[np.ndarray]:
    """The frames of a picture or film, (H, W, 3) each."""
    with Image.open(io.BytesIO(file)) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
