"""FID while a model trains."""

import json

import pytest
import torch

from ddpm_core import checkpoints, data
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.measure import fid, watch
from lab.measure.features import Features, classifier_features
from lab.measure.watch import fid_watch
from tests.support.toys import save_tiny_checkpoint, tiny_classifier


def test_the_fid_of_training_is_that_of_its_samples_against_images_held_out(
    model, root, monkeypatch
):
    monkeypatch.setattr(watch, "SAMPLES", 64)
    net = classifier_features(tiny_classifier("conv"))
    found = fid_watch("mnist", root, net, real=400)(model)
    pictures = sample(model, Request(n=64, steps=20))
    held_out = data.load("mnist", "validation", root).pixels[:400].permute(0, 2, 3, 1).numpy()
    ours, real = (fid.Moments.of(net.features(it)) for it in (pictures, held_out))
    by = f"tiny-conv ({net.mark[:8]})"
    assert found == {"fid": pytest.approx(fid.frechet(ours, real), abs=1e-4), "fid_by": by}
    assert by in watch.words([{"images": 3}, found, found], {})


def test_it_has_more_samples_than_features_and_no_more_steps_than_there_are(
    tmp_path, root, monkeypatch
):
    monkeypatch.setattr(watch, "SAMPLES", 32)

    def take(images):
        """40 functions of the image."""
        pixels = images.double().flatten(1)[:, :10] / 255
        return (pixels[:, :, None] * torch.arange(4)).sin().flatten(1)

    folder = save_tiny_checkpoint(tmp_path / "short")
    config = json.loads((folder / "config.json").read_text())
    schedule = {"kind": "linear", "num_timesteps": 10}
    (folder / "config.json").write_text(json.dumps(config | {"schedule": schedule}))
    net = Features("pixels", "the image", "0123456789", take)
    found = fid_watch("mnist", root, net)(checkpoints.load(folder))
    assert found["fid"] > 0 and found["fid_n"] == 64
