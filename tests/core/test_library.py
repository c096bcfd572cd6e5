"""What docs/library.md shows works as it stands."""

import re
from pathlib import Path

import pytest
from PIL import Image

import app
from ddpm_core import Request, load
from ui.runs.runs import Key, Studio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def run_short(mnist_root, tmp_path, monkeypatch, no_sample_grids):
    """Run a script of the page, of three steps, in a folder of its own."""
    monkeypatch.setenv("DDPM_DATA", str(mnist_root))
    monkeypatch.chdir(tmp_path)

    def run(script: str) -> None:
        short = re.sub(r"range\(2000\)|steps=2000", lambda m: m[0].replace("2000", "3"), script)
        assert short != script
        exec(short, {})

    return run


def test_a_few_lines_train_save_sample_and_open_a_network(run_short, monkeypatch):
    script, launched = SCRIPTS[0], []
    monkeypatch.setattr(app, "launch", launched.append)
    for text in (PAGE, (ROOT / "README.md").read_text(encoding="utf-8")):
        promised = int(re.search(r"to the page(?:, takes| in) (\d+) lines", text)[1])
        assert len([line for line in script.splitlines() if line]) == promised
    run_short(script)
    model = load("runs/first")
    with Image.open("mine.png") as picture:
        assert picture.width > 4 * 4 * model.unet.image_size
    assert (model.name, model.schedule.num_timesteps) == ("first", 1000)
    assert "not recorded" in Path("runs/first/README.md").read_text().lower()
    studio = Studio(own=launched[0])
    key = Key("runs/first", Request(n=2, steps=2, label="none"))
    *_, end = studio.stream(studio.arm(("a", "sample")), key)
    assert end.done and end.finished


def test_a_recipe_does_the_same_with_a_record(run_short):
    run_short(SCRIPTS[1])
    model = load("runs/averaged")
    assert model.config.prediction_type == "v_prediction"
    assert (model.training["steps"], model.training["training_set"]) == (3, 1000)
