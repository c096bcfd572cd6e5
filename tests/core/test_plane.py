"""Any shape: the notebook that trains a small network on points in the plane."""

import re
from pathlib import Path

from ddpm_core import SAMPLERS
from tests.support import notebooks

NOTEBOOK = Path(__file__).parents[2] / "docs" / "plane.ipynb"


def test_the_notebook_runs_top_to_bottom_and_carries_no_outputs(monkeypatch, capsys):
    outputs = notebooks.run(NOTEBOOK, monkeypatch, training_steps=20, points=150)
    assert [html.count("<svg") for html in outputs] == [5, len(SAMPLERS), len(SAMPLERS), 5, 5]
    assert all(html.count("<circle") == html.count("<svg") * 150 for html in outputs[:4])
    printed = capsys.readouterr().out
    exact = [float(share) for share in re.findall(r"exact ([\d.]+)%", printed)]
    # The exact prediction leads every sampler to the spiral; the network's after 20 steps does not.
    assert len(exact) == len(SAMPLERS) and max(exact) < 5
    assert min(float(share) for share in re.findall(r"learned ([\d.]+)%", printed)) > 20
