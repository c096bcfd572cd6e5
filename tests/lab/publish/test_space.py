"""The Space on its way to the Hub: to one of the tests' own, by the real client."""

from __future__ import annotations

import pytest
import yaml
from huggingface_hub import constants

from ddpm_core import checkpoints, publish
from lab.publish import space
from tests.support.fake_hub import FakeHub, plain_client
from tests.support.hub import command

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def served(monkeypatch):
    """A running Hub, for a client without xet, telemetry and a stored token."""
    plain_client(monkeypatch)
    with FakeHub() as hub:
        yield hub


def test_the_space_is_the_project_with_its_front_matter(tmp_path):
    told = command(["push-space", "--repo-id", "user/space", "--dry-run", "space"], tmp_path, "lab")
    assert told.returncode == 0, told.stderr
    folder = tmp_path / "space"
    root = checkpoints.HOME.parent
    page = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(page.split("---\n")[1])
    assert front == yaml.safe_load((root / "space.yaml").read_text(encoding="utf-8"))
    assert page == (root / "README.md").read_text(encoding="utf-8")
    assert {"app.py", "ddpm_core", "lab", "ui", "checkpoints", "requirements.txt"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(folder.rglob("__pycache__"))


def test_the_space_is_uploaded_whole(served, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    folder = space.space_folder("user/space", tmp_path / "space")
    publish.push(folder, "user/space", "space", endpoint=served.url)
    sent = served.uploads["spaces/user/space"]
    written = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert sent.keys() == written.keys()
    for name in ("app.py", "README.md", "checkpoints/mnist-judge/model.safetensors"):
        assert sent[name] == written[name].read_bytes()
