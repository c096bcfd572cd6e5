"""What holds the project together: its front matter, its bounds, its shape."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib.metadata import distributions
from pathlib import Path
from pkgutil import resolve_name

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from ddpm_core import Request, available, load
from lab.measure import results
from lab.publish import cards
from lab.report import beside, report
from lab.weights import fingerprint
from tests.support.toys import result_of

ROOT = Path(__file__).parent.parent


def imports_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_the_readme_carries_the_front_matter_of_the_space():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(readme.split("---\n")[1])
    assert front == yaml.safe_load((ROOT / "space.yaml").read_text(encoding="utf-8"))
    assert len(front["short_description"]) <= 60


@pytest.mark.parametrize("path", sorted((ROOT / "checkpoints").glob("*/training.json")))
def test_what_the_readme_says_of_a_training_is_what_its_record_says(path):
    """Of a classifier its accuracy; of a model of photographs for how long it was trained; and
    whether the pictures were copies that lost something."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| \[`{path.parent.name}`\].*$", readme, re.M)
    record = json.loads(path.read_text(encoding="utf-8"))
    passes, accuracies = set(), set()
    if "test" in record:
        accuracies = {round(100 * record["test"]["accuracy"], 2)}
    elif record["recipe"]["dataset"] == "cifar10":
        passes = {round(record["images"] / record["training_set"], 1)}
    assert {float(it) for it in re.findall(r"([\d.]+) passes", row)} == passes
    assert {float(it) for it in re.findall(r"([\d.]+) %", row)} == accuracies
    assert ("JPEG" in row) == ("JPEG" in record.get("source", ""))


def test_the_readme_leads_to_the_checkpoints_that_ship_and_to_no_other():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| \[`([^`]+)`\]\(checkpoints/([^/]+)/README\.md\)", readme, re.M)
    assert all(name == folder for name, folder in told)
    shipped = [path.parent.name for path in (ROOT / "checkpoints").glob("*/config.json")]
    assert sorted(name for name, _ in told) == sorted(shipped)


def requirements(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in (it.partition("#")[0].strip() for it in lines) if line]


def test_nothing_is_required_in_versions_that_nobody_has_seen():
    asked = requirements("requirements.txt")
    assert len(asked) >= 10
    for one in asked:
        assert one.specifier and not one.specifier.contains("99999"), one
    assert Requirement("gradio==6.31.*") in asked  # docs/gradio.md
    front = yaml.safe_load((ROOT / "space.yaml").read_text(encoding="utf-8"))
    (gradio,) = [one for one in asked if one.name == "gradio"]
    assert gradio.specifier.contains(front["sdk_version"])


def test_the_lock_names_one_version_of_all_that_is_required_but_pytorch():
    """For whoever installs with it; PyTorch is left out, whose builds have different versions."""
    pytorch, locked = {"torch", "torchvision"}, {}
    for one in requirements("requirements.lock"):
        (only,) = one.specifier
        assert only.operator == "==" and "*" not in only.version
        locked[canonicalize_name(one.name)] = only.version
    assert not pytorch & set(locked)
    asked = requirements("requirements.txt")
    for package in distributions():
        if locked.get(canonicalize_name(package.name)) == package.version:
            asked += [Requirement(line) for line in package.requires or []]
    for one in asked:
        name = canonicalize_name(one.name)
        if name not in pytorch and (one.marker is None or one.marker.evaluate({"extra": ""})):
            assert one.specifier.contains(locked[name]), one


def test_the_names_of_gradio_that_the_page_rests_on_are_there():
    text = (ROOT / "docs" / "gradio.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| `(gradio\.[\w.]+)`", text, re.M)
    assert len(names) >= 9
    for name in names:
        assert resolve_name(name) is not None
    for path in re.findall(r"`((?:ui|tests)/[\w/.]+|app\.py)`", text):
        assert (ROOT / path).exists(), path


ABOVE = {"ddpm_core": {"lab", "ui", "app"}, "lab": {"ui", "app"}}


@pytest.mark.parametrize("room, above", ABOVE.items())
def test_imports_go_one_way(room, above):
    for path in (ROOT / room).rglob("*.py"):
        assert not imports_of(path) & {"gradio", *above}, path


def test_the_ui_knows_no_tensors():
    for path in (ROOT / "ui").rglob("*.py"):
        assert not imports_of(path) & {"torch", "torchvision", "safetensors"}, path


@pytest.mark.parametrize("room", ["ddpm_core", "lab"])
def test_no_two_modules_import_each_other(room):
    """Nor in a circle of more, be it within functions."""
    paths = {
        ".".join(p.with_suffix("").relative_to(ROOT).parts): p for p in ROOT.glob(f"{room}/**/*.py")
    }
    graph = {}
    for name, path in paths.items():
        graph[name] = found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                above = name.split(".")[: -node.level] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                found |= {
                    module,
                    *(f"{module}.{alias.name}" for alias in node.names),
                } & paths.keys()
    TopologicalSorter(graph).prepare()


UNSEEN = """
import threading

def test_it():
    thread = threading.Thread(target=int, args=("no number",))
    thread.start()
    thread.join()
"""
EMPTY = """
import pytest

@pytest.mark.parametrize("name", [])
def test_it(name):
    assert False
"""


def test_a_thread_that_raises_fails_its_test_and_so_does_one_over_nothing(tmp_path):
    for name, text in (("test_unseen.py", UNSEEN), ("test_empty.py", EMPTY)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = f"{sys.executable} -m pytest -c {ROOT}/pyproject.toml --continue-on-collection-errors"
    found = subprocess.run(
        [*command.split(), f"--rootdir={tmp_path}", tmp_path],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "1 failed" in found.stdout and "1 error" in found.stdout, found.stdout


@pytest.mark.parametrize("name", available())
def test_shipped_weights_are_small_trained_and_documented(name):
    folder = ROOT / "checkpoints" / name
    assert all(path.stat().st_size < 10 * 2**20 for path in folder.iterdir())
    card = (folder / "README.md").read_text(encoding="utf-8")
    model = load(name)
    parameters = sum(p.numel() for p in model.unet.parameters())
    assert f"{parameters:,}" in card
    assert f"{model.training['images']:,}" in card


@pytest.mark.parametrize("name", available())
def test_shipped_figures_are_of_the_shipped_weights_and_on_the_card(name, tmp_path):
    folder = ROOT / "checkpoints" / name
    assert results.mark_of(folder) == fingerprint(load(name).unet)
    assert results.current(folder) == results.read(folder)
    copy = shutil.copytree(folder, tmp_path / name)
    # One of other weights changes nothing.
    asked = report.Measurement(name, Request(n=8192), "test")
    results.save(copy, result_of(asked, 77.0, mark="0" * 16))
    assert results.current(copy) != results.read(copy)
    cards.rewrite(copy)
    assert (copy / "README.md").read_text() == (folder / "README.md").read_text()


@pytest.mark.parametrize("name", available())
def test_no_two_figures_on_a_card_look_alike(name):
    told = cards.figures(ROOT / "checkpoints" / name)
    titles = [figure.title for figure in told if figure.value is not None]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", available())
def test_no_card_calls_the_judge_distance_fid(name):
    """That is Inception's, and figures of one name are compared."""
    card = (ROOT / "checkpoints" / name / "README.md").read_text(encoding="utf-8")
    (index,) = yaml.safe_load(card.split("---\n")[1])["model-index"]
    metrics = [metric for result in index["results"] for metric in result["metrics"]]
    assert "fid" not in {metric["type"] for metric in metrics}
    assert any(metric["name"].startswith("judge distance") for metric in metrics)


@pytest.mark.parametrize("name", available())
def test_the_picture_that_ships_names_the_model_that_draws_it(name):
    with Image.open(ROOT / "checkpoints" / name / "samples.png") as picture:
        assert json.loads(picture.info["Description"])["model"] == name


def test_mnist_conditional_ships():
    assert "mnist-conditional" in available()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("mnist-conditional", "digits {} worse"),
        ("cifar10-conditional", "photographs {} better"),
    ],
)
def test_what_the_readme_says_of_the_default_is_what_is_stored(model, words):
    assert (Request().sampler, Request().steps) == ("ddim", 20)
    found = {
        (m.request.sampler, m.request.steps): m.result
        for row in report.few_steps(model=model).rows
        for m in filter(None, row.measured)
    }
    default, whole = found["ddim", 20], found["ddpm", 1000]
    difference = report.difference(default, whole)
    assert difference.gap < 2 * difference.error
    assert (default["fid"] > whole["fid"]) == words.endswith("worse")
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert words.format(f"{difference.gap:.3f} ± {difference.error:.3f}") in readme


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
@pytest.mark.parametrize("ablation", report.ABLATIONS)
def test_of_the_reports_models_50_steps_are_worse_and_20_not_measured(dataset, ablation):
    """The other half of what the README says."""
    name, table = f"{dataset}-{ablation}", {"mnist": report.table_1, "cifar10": report.table_2}
    cells = [
        cell
        for row in table[dataset]().rows
        for cell in row.measured
        if cell and cell.model == name
    ]
    found = {cell.request: cell.result for cell in cells if cell.reference == "test"}
    fast, whole = found[report.FAST], found[report.ANCESTRAL]
    gap, error = report.difference(fast, whole)
    assert fast["fid"] > whole["fid"] and gap > 2 * error
    kept = results.read(ROOT / "checkpoints" / name, "fid")
    assert 20 not in {it["protocol"]["request"]["steps"] for it in kept}


def test_the_tables_of_guidance_are_those_that_are_stored():
    text = (ROOT / "docs" / "guidance.md").read_text(encoding="utf-8")
    pattern = r"^\| s \|(.*)\|\n.*\n\| wanted class \|(.*)\|\n\| distance \|(.*)\|$"
    told = re.findall(pattern, text, re.M)
    rows = beside.over_scale().rows
    assert len(told) == len(report.FEW_MODELS)
    for k, cells in enumerate(told):
        scales, shares, distances = ([it.strip() for it in row.split("|")] for row in cells)
        assert [float(it) for it in scales] == list(beside.SCALES)
        kept = [it.result for it in rows[2 * k].measured]
        assert shares == [f"{100 * it['accuracy']:.1f} %" for it in kept]
        assert distances == [f"{it['distance']:.2f}" for it in kept]
