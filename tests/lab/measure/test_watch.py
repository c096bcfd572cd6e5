"""FID while a model trains."""

import pytest

from ddpm_core import data
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.measure import fid, watch
from lab.measure.features import classifier_features
from lab.measure.watch import fid_watch
from tests.support.toys import tiny_classifier


def test_the_fid_of_training_is_that_of_its_samples_against_images_held_out(
    model, root, monkeypatch
):
    net = classifier_features(tiny_classifier("conv"))
    for name, value in {"SAMPLES": 64, "REAL": 400, "classifier_features": lambda _: net}.items():
        monkeypatch.setattr(watch, name, value)
    result = fid_watch("mnist", root)(model)
    pictures = sample(model, Request(n=64, steps=20))
    held_out = data.load("mnist", "validation", root).pixels[:400].permute(0, 2, 3, 1).numpy()
    ours, real = (fid.Moments.of(net.features(images)) for images in (pictures, held_out))
    name = f"tiny-conv ({net.mark[:8]})"
    assert result == {"fid": pytest.approx(fid.frechet(ours, real), abs=1e-4), "fid_by": name}
    assert name in watch.words([{"images": 3}, result, result], {})
