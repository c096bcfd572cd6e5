"""The checkpoints that ship, their stored figures, and what cards and docs say of them."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddpm_core import Request, available, load
from ddpm_core.checkpoints import available_classifiers, read_config
from ddpm_core.data import DIGITS, THINGS, Images
from ddpm_core.recipes import CLASSIFIERS, RECIPES
from lab.measure import results
from lab.measure.results import fingerprint
from lab.publish import cards
from lab.report import measurements, tables

ROOT = Path(__file__).parents[2]
SHIPPED = {*available(), *available_classifiers()}
every_model = pytest.mark.parametrize("name", available())


@pytest.mark.parametrize("path", sorted((ROOT / "checkpoints").glob("*/training.json")))
def test_what_the_list_of_models_says_of_a_training_is_what_its_record_says(path):
    """A classifier's accuracy; for how long a model of photographs was trained; and whether the
    pictures were lossy copies."""
    models = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| \[`{path.parent.name}`\].*$", models, re.M)
    record = json.loads(path.read_text(encoding="utf-8"))
    passes, accuracies = set(), set()
    if "test" in record:
        accuracies = {round(100 * record["test"]["accuracy"], 2)}
    elif record["recipe"]["dataset"] == "cifar10":
        passes = {round(record["images"] / record["training_set"], 1)}
    assert {float(text) for text in re.findall(r"([\d.]+) passes", row)} == passes
    assert {float(text) for text in re.findall(r"([\d.]+) %", row)} == accuracies
    assert ("JPEG" in row) == ("JPEG" in record.get("source", ""))


def test_the_list_of_models_leads_to_the_checkpoints_that_ship_and_to_no_other():
    models = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[`([^`]+)`\]\(\.\./checkpoints/([^/]+)/README\.md\)", models, re.M)
    assert all(name == folder for name, folder in rows)
    shipped = [path.parent.name for path in (ROOT / "checkpoints").glob("*/config.json")]
    assert sorted(name for name, _ in rows) == sorted(shipped)


@pytest.mark.parametrize("name", [name for name in RECIPES | CLASSIFIERS if name in SHIPPED])
def test_a_recipe_builds_the_network_that_ships(name):
    shape, classes = ((3, 32, 32), THINGS) if name.startswith("cifar10") else ((1, 28, 28), DIGITS)
    images = Images(torch.zeros(1, *shape, dtype=torch.uint8), torch.zeros(1).long(), classes)
    built = (RECIPES | CLASSIFIERS)[name].config(images).complete()
    shipped = read_config(ROOT / "checkpoints" / name, type(built)).complete()
    for part in ("model", "classifier", "schedule", "prediction_type", "classes", "preprocessing"):
        assert getattr(built, part, None) == getattr(shipped, part, None)


@every_model
def test_shipped_weights_are_small_and_shown(name):
    folder = ROOT / "checkpoints" / name
    assert all(path.stat().st_size < 10 * 2**20 for path in folder.iterdir())
    with Image.open(folder / "samples.png") as picture:
        assert json.loads(picture.info["Description"])["model"] == name


@every_model
def test_shipped_figures_are_of_the_shipped_weights_and_on_the_card(name):
    folder = ROOT / "checkpoints" / name
    assert results.mark_of(folder) == fingerprint(load(name).unet)
    titles = [figure.title for figure in cards.figures(folder) if figure.value is not None]
    assert len(set(titles)) == len(titles)  # figures of one name are compared
    assert cards.text(folder) == (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("model", "longest"),
    [("mnist-conditional", ("ddpm", 1000)), ("cifar10-conditional", ("ddim", 100))],
)
def test_the_default_is_as_good_as_the_longest_run(model, longest):
    """As docs/speed.md says: within what chance does."""
    measured = {
        (m.request.sampler, m.request.steps): m.result
        for row in tables.few_steps(model=model).rows
        for m in filter(None, row.measured)
    }
    default = measured[Request().sampler, Request().steps]
    difference = measurements.difference(default, measured[longest])
    assert difference.gap < 2 * difference.error
