"""Any shape: the notebook that trains a small network on points in the plane."""

import re
from pathlib import Path

from ddpm_core import SAMPLERS
from tests.support import notebooks

NOTEBOOK = Path(__file__).parents[2] / "docs" / "plane.ipynb"


def test_the_notebook_runs_top_to_bottom_and_carries_no_outputs(monkeypatch, capsys):
    shown = notebooks.run(NOTEBOOK, monkeypatch, training_steps=20, points=150)
    assert [html.count("<svg") for html in shown] == [5, len(SAMPLERS), len(SAMPLERS), 5, 5]
    assert all(html.count("<circle") == html.count("<svg") * 150 for html in shown[:4])
    told = capsys.readouterr().out
    exactly = [float(share) for share in re.findall(r"exact ([\d.]+)%", told)]
    # The exact prediction leads to the spiral, by every sampler; after 20 steps the network's not.
    assert len(exactly) == len(SAMPLERS) and max(exactly) < 5
    assert min(float(share) for share in re.findall(r"learned ([\d.]+)%", told)) > 20
