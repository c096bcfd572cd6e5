"""Files that Gradio serves and clears away."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ddpm_core.files import write


def put(content: bytes, name: str, cache: str) -> str:
    """The path of a file with this content; written once, and whole at once.

    Gradio's own helper writes over a file of the same content, even while a browser is fetching it.
    """
    path = Path(cache) / hashlib.sha256(content).hexdigest() / name
    try:
        os.utime(path)  # files are cleared away by their age: this one is needed anew
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    return str(path.resolve())
