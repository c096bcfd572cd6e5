"""The Space on its way to the Hub: to one of the tests' own, by the real client."""

from __future__ import annotations

import pytest
import yaml
from huggingface_hub import constants

from ddpm_core import checkpoints, publish
from lab.__main__ import main
from lab.publish import space

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_the_space_is_the_project_with_its_front_matter(tmp_path):
    folder, root = tmp_path / "space", checkpoints.HOME.parent
    assert main(["push-space", "--repo-id", "user/space", "--dry-run", str(folder)]) == 0
    page = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(page.split("---\n")[1])
    assert front == yaml.safe_load((root / "space.yaml").read_text(encoding="utf-8"))
    assert page == (root / "README.md").read_text(encoding="utf-8")
    assert {"app.py", "ddpm_core", "lab", "ui", "checkpoints", "requirements.txt"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(folder.rglob("__pycache__"))


def test_a_space_is_uploaded_whole(served, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    project = tmp_path / "project"
    for number, name in enumerate(space.SPACE_FILES):
        path = project / name if "." in name or name.isupper() else project / name / "a.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    folder = space.space_folder("user/space", tmp_path / "space", project)
    publish.push(folder, "user/space", "space", endpoint=served.url)
    written = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    sent = served.uploads["spaces/user/space"]
    assert sent == {name: path.read_bytes() for name, path in written.items()}
    assert len(sent) == len(space.SPACE_FILES)
