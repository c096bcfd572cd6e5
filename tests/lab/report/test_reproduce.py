"""The report made again: what is missing is measured once; a command and a notebook make it."""

import re
from dataclasses import replace
from pathlib import Path

from ddpm_core import checkpoints
from lab.__main__ import main
from lab.report import parts
from lab.report.reproduce import PARTS
from tests.lab.report.conftest import ROOT, TINY, make
from tests.support import notebooks
from tests.support.toys import save_tiny_checkpoint


def test_what_is_missing_is_measured_once(settings, home, quick_tables, denoised):
    settings = replace(settings, budget=replace(TINY, measure=True))
    report = make(settings, "table-1")
    figures = [m.result["fid"] for m in report.parts[0].table.cells]
    assert len(figures) == 22
    # Train and test share their samples, 20 and 30 of each model in two steps, and thrice 20 once
    # more: of the models trained again, and of the first one sampled again.
    assert len(denoised) == 4 * 2 * (20 + 30) + 3 * 2 * 20
    assert not list(home.glob("*/results"))
    denoised.clear()
    repeated = make(replace(settings, cache=settings.out / "elsewhere"), "table-1")
    assert not denoised
    assert repeated.parts[0].table == report.parts[0].table
    save_tiny_checkpoint(home / "mnist-linear", classes=0, prediction="v_prediction")
    model = checkpoints.load(home / "mnist-linear")
    model.unet.conv_in.bias.data[0] += 1
    checkpoints.write_folder(
        home / "mnist-linear", model.config, model.unet.state_dict(), model.training
    )
    make(settings, "table-1")
    # Other weights: its six cells are measured again, and no other's.
    assert len(denoised) == 2 * (20 + 20 + 30)


def test_the_command_makes_it(settings, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "HOME", settings.home)
    monkeypatch.setattr(parts, "QUICK", TINY)
    out, cache = ["--out", str(settings.out)], ["--cache", str(settings.cache)]
    assert main(["reproduce", "--quick", "--parts", "figure-8", "figure-7", *out, *cache]) == 0
    *notes, page = capsys.readouterr().out.splitlines()
    assert Path(page).is_file()
    assert notes[-1].startswith("figure-7: No checkpoint 'cifar10-conditional'; shipped: mnist-")
    assert main(["reproduce", "--parts", "figure-9", *out]) == 2
    assert "unknown part of the report" in capsys.readouterr().err


NOTEBOOK = ROOT / "docs" / "report.ipynb"


def test_the_notebook_runs_top_to_bottom_and_carries_no_outputs(settings, monkeypatch):
    monkeypatch.setattr(checkpoints, "HOME", settings.home)
    folders = {"out": settings.out, "cache": settings.cache}
    outputs = notebooks.run(NOTEBOOK, monkeypatch, budget=TINY, **folders)
    outputs = [html for html in outputs if "<section" in html]
    assert [re.search(r'<section id="(.*?)">', html)[1] for html in outputs] == list(PARTS)
    assert all("data:image/png" in outputs[k] for k in (2, 3, 6, 8))
    assert (settings.out / "index.html").is_file()
