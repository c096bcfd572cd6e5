"""Notebooks run in this process: a kernel would add nothing but its start."""

import sys
from types import SimpleNamespace

import nbformat


def run(path, patch, **parameters) -> list:
    """Run a notebook of ``docs/`` top to bottom, in its folder; returns what it displays.

    Args:
        patch: pytest's ``monkeypatch``.
        parameters: replace those of the cell with that tag.
    """
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    outputs = []
    line = SimpleNamespace(update=lambda output: None)
    display = SimpleNamespace(HTML=str, display=lambda output, **_: outputs.append(output) or line)
    for name in ("IPython", "IPython.display"):
        patch.setitem(sys.modules, name, display)
    patch.chdir(path.parent)
    patch.setattr(sys, "path", [*sys.path])
    names = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            assert names.keys() > parameters.keys()
            names |= parameters
    return outputs
