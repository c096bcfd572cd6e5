"""Writing files so that a crash, a kill or a full disk never costs what was there."""

from __future__ import annotations

import glob
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write(path: Path, content: bytes | str) -> None:
    """Write a whole file at once; what was there stays until the new one is safely on disk.

    Raises:
        OSError: if it cannot be written, a full disk included.
    """
    with replacing(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


# Seconds since a part was last written to, after which whoever wrote it is taken to be gone.
STALE = 3600


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of ``path`` that takes its place once it is safely on disk."""
    # Another of each writer, be it a process or a thread: two may write the same file at once.
    _remove_stale(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove what writers of this file left that were killed."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):  # another writer may remove it at the same time
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
