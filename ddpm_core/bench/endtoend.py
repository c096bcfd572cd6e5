"""What a visitor waits for: pictures, a long film, and the application's start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..checkpoints import Model
from ..errors import InvalidInput
from ..recorder import save_film
from ..request import Request
from ..sampling import film, sample

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


def start(command: list[str] | None = None, api_name: str = "/film") -> tuple[float, float]:
    """Start the application in a process of its own, and ask its API for a film.

    Args:
        command: what serves it; ``{port}`` stands for a free port. ``app.py`` unless given.

    Returns:
        Seconds from the start until it answers, and until the first film has arrived.

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
        Client(url, verbose=False).predict(api_name=api_name)
        return answered, time.perf_counter() - begun
    finally:
        server.terminate()
        server.wait(30)


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
