"""What a visitor waits for: pictures, a long film, and the application's start.

Pictures are timed twice: by the core alone, and asked for over the application's API, which adds
the engine that all visitors share, the grid, its PNG and the way to the client and back.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ddpm_core.checkpoints import Model
from ddpm_core.errors import InvalidInput
from ddpm_core.recorder import save_film
from ddpm_core.request import Request
from ddpm_core.sampling import film, sample

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120


def pictures(model: Model, n: int, steps: int) -> Callable[[], object]:
    """Sampling ``n`` pictures by the application's defaults."""
    request = Request(n=n, steps=steps)
    return lambda: sample(model, request)


def long_film(model: Model, n: int, steps: int) -> tuple[float, float, int]:
    """An ancestral walk that is kept whole, and its GIF with a frame for every step.

    Returns:
        Seconds of the walk, seconds of the GIF, bytes of the GIF.
    """
    begun = time.perf_counter()
    made = film(model, Request(n=n, steps=steps, sampler="ddpm"))
    walked = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.gif"
        save_film(made, path)
        return walked - begun, time.perf_counter() - walked, path.stat().st_size


@dataclass
class Served:
    """The application in a process of its own.

    Attributes:
        answered: seconds from its start until it answered.
        first: seconds from its start until a first picture had arrived.
    """

    client: object
    seeds: Iterator[int]
    answered: float
    first: float

    def pictures(self, n: int, steps: int) -> Callable[[], object]:
        """Asking for ``n`` pictures by its defaults, for others each time: it keeps what it made.

        Raises:
            InvalidInput: when called, if none come.
        """
        return lambda: _asked(self.client, n=n, steps=steps, seed=next(self.seeds))


@contextmanager
def served(command: list[str] | None = None) -> Iterator[Served]:
    """Start the application, and ask its API for the pictures that it would make unasked.

    Args:
        command: what serves it; ``{port}`` stands for a free port. ``app.py`` unless given.

    Raises:
        InvalidInput: if there is no ``app.py``, no client, or no answer within two minutes.
    """
    if command is None:
        if not (ROOT / "app.py").exists():
            raise InvalidInput(f"no app.py in {ROOT.name}: only a clone has the application")
        command = [sys.executable, "app.py", "--no-browser", "--port", "{port}"]
    try:
        from gradio_client import Client
    except ImportError:
        raise InvalidInput("gradio_client is not installed") from None
    port = _free_port()
    url = f"http://127.0.0.1:{port}/"
    words = [word.replace("{port}", str(port)) for word in command]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    begun = time.perf_counter()
    server = subprocess.Popen(words, cwd=ROOT, env=environment, **quiet)
    try:
        _await_answer(url, server)
        answered = time.perf_counter() - begun
        try:
            client = Client(url, verbose=False)
        except Exception as error:
            raise InvalidInput(f"its API cannot be read: {error}") from None
        _asked(client)
        yield Served(client, count(1), answered, time.perf_counter() - begun)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def _asked(client, **fields) -> object:
    try:
        return client.predict(api_name="/sample", **fields)
    except Exception as error:  # of whatever kind, what is measured already shall not be lost
        raise InvalidInput(f"the application sent no pictures: {error}") from None


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _await_answer(url: str, server: subprocess.Popen) -> None:
    # No proxy: what is asked for is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            raise InvalidInput(f"the application ended at once, with status {server.returncode}")
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise InvalidInput(f"the application did not answer within {PATIENCE} s")
