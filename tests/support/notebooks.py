"""Notebooks run in this process: a kernel would add nothing but its start."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import nbformat


def run(path, patch, **parameters) -> list:
    """Run a notebook of ``docs/`` top to bottom, in its folder; returns what it displays.

    Args:
        patch: pytest's ``monkeypatch``.
        parameters: take the place of those that the cell tagged so sets.
    """
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)
    shown = []
    line = SimpleNamespace(update=lambda it: None)
    display = SimpleNamespace(HTML=str, display=lambda it, **_: shown.append(it) or line)
    for name in ("IPython", "IPython.display"):
        patch.setitem(sys.modules, name, display)
    patch.chdir(path.parent)
    patch.setattr(sys, "path", [*sys.path])
    names = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            assert names.keys() > parameters.keys()
            names |= parameters
    return shown
