"""The Space is published by the real client, to a Hub of the tests' own."""

from ddpm_core import checkpoints, publish
from lab.__main__ import main
from tests.support.hub import uploads


def test_the_space_is_the_project_with_its_front_matter(tmp_path, monkeypatch):
    folder, root = tmp_path / "space", checkpoints.HOME.parent
    assert main(["push-space", "--repo-id", "user/space", "--dry-run", str(folder)]) == 0
    assert (folder / "README.md").read_text() == (root / "README.md").read_text()
    assert {"app.py", "ddpm_core", "lab", "ui", "checkpoints", "requirements.txt"} <= {
        path.name for path in folder.iterdir()
    }
    assert not list(folder.rglob("__pycache__"))
    client = uploads(monkeypatch)
    publish.push(folder, "user/space", "space")
    assert client.create_repo.call_args.kwargs["space_sdk"] == "gradio"
    client.upload_folder.assert_called_once_with(
        repo_id="user/space", repo_type="space", folder_path=folder
    )
