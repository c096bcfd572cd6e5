"""A report of tiny models that is made in a moment."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_core.request import Request
from ddpm_core.sampling import Run
from lab.report import reproduce, tables
from lab.report.parts import Budget
from lab.report.reproduce import Report, Settings
from tests.support.toys import save_tiny_checkpoint

ROOT = Path(__file__).parents[3]
TINY = Budget(
    walk={"sampler": "dpm_solver_pp", "steps": 2},
    ancestral={"sampler": "ddpm", "steps": 2},
    images=2,
    race=3,
    measure=False,
)
HISTORY = [
    {"images": 1000 * k, "train": 0.1 / k, "validation": 0.12 / k, "fid": 30 / k} for k in (1, 2, 4)
]


@pytest.fixture
def home(tmp_path):
    """A folder of tiny checkpoints of MNIST, and none of CIFAR-10."""
    home = tmp_path / "checkpoints"
    ours = (*(f"mnist-{a}" for a in tables.ABLATIONS), *tables.AGAIN.values())
    for name in (*ours, "mnist-conditional"):
        folder = save_tiny_checkpoint(home / name, classes=10 if "cond" in name else 0)
        record = json.loads((folder / "training.json").read_text())
        record["recipe"]["lr"] = 1e-4
        record["history"] = HISTORY
        (folder / "training.json").write_text(json.dumps(record))
    return home


@pytest.fixture
def quick_tables(monkeypatch):
    """Tables that ask for what tiny models give in a moment."""
    monkeypatch.setattr(tables, "FAST", Request(n=20, label="none", sampler="ddim", steps=2))
    monkeypatch.setattr(tables, "ANCESTRAL", Request(n=30, label="none", sampler="ddpm", steps=2))


@pytest.fixture
def settings(home, mnist_root, tmp_path, classifiers):
    classifiers["mnist-judge"].name = "mnist-judge"
    out, cache = tmp_path / "out", tmp_path / "samples"
    return Settings(out=out, budget=TINY, root=mnist_root, cache=cache, home=home)


@pytest.fixture
def denoised(monkeypatch):
    """Denoisings that are computed, image by image."""
    numbers, steps = [], Run.steps

    def counting(run, *args, **options):
        for step in steps(run, *args, **options):
            numbers.extend(run.images)
            yield step

    monkeypatch.setattr(Run, "steps", counting)
    return numbers


def make(settings, *names) -> Report:
    *_, report = reproduce.reproduce(replace(settings, parts=names))
    assert isinstance(report, Report)
    return report


def page_of(report: Report) -> ET.Element:
    """The page, read by a parser that forgives nothing."""
    text = report.page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(text.partition("\n")[2])


def words_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())
