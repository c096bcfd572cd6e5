"""A finished run."""

import pytest

from ddpm_core import trainer as trainer_module
from tests.support.tiny_run import trainer


@pytest.fixture(scope="session")
def finished_run(mnist_root, tmp_path_factory):
    """The folder of a run never stopped, to be read only."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module, "SAMPLE_TILES", 4)
        trainer(folder, mnist_root).run()
    return folder


@pytest.fixture
def no_sample_grids(monkeypatch):
    """Grids, and 1,024 images to validate with, would take most of the time."""
    monkeypatch.setattr(trainer_module.Trainer, "_show", lambda self: None)
    monkeypatch.setattr(trainer_module.Trainer, "validated_on", 64)
