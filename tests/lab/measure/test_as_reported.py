"""The FID as the report takes it."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import data
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from lab.measure import as_reported, evaluation
from lab.measure.as_reported import in_grey, mean_distance
from lab.measure.evaluation import measure_fid
from lab.measure.features import Features
from lab.measure.fid import Moments, frechet
from lab.measure.protocol import words
from lab.progress import last
from lab.report import tables
from tests.support.figures import store
from tests.support.toys import result_of


@pytest.fixture(scope="module")
def net():
    """Three numbers of an image."""
    weights = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    extract = lambda images: images.float().flatten(1) @ weights / 255  # noqa: E731
    return Features("a net", as_reported.LAYER, "mark", extract)


def test_colours_turn_into_the_grey_that_everybody_means_and_sizes_keep_the_brightness():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    grey = in_grey(torch.from_numpy(pixels).permute(0, 3, 1, 2), 28)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pixels])
    assert grey.shape == (4, 1, 28, 28)
    assert np.abs((grey[:, 0].numpy() + 1) * 127.5 - expected).max() < 1
    flat = torch.full((2, 3, 32, 32), 100, dtype=torch.uint8)
    assert torch.allclose(in_grey(flat, 28), torch.tensor(100 / 127.5 - 1), atol=1e-6)
    digit = torch.arange(784, dtype=torch.uint8).view(1, 1, 28, 28)
    assert torch.equal(in_grey(digit, 28), digit.float() / 127.5 - 1)


def test_the_figure_is_the_mean_of_the_minibatches_with_its_standard_error():
    generator = torch.Generator().manual_seed(1)
    ours, real = (
        [Moments.of(torch.randn(40, 3, generator=generator) * scale) for _ in range(5)]
        for scale in (1.0, 1.5)
    )
    distances = np.array([frechet(a, b) for a, b in zip(ours, real, strict=True)])
    result = mean_distance(ours, real)
    assert result.value == pytest.approx(distances.mean())
    assert result.spread == pytest.approx(distances.std(ddof=1) / np.sqrt(5))
    assert result.parts[2] == pytest.approx(np.delete(distances, 2).mean())


def test_samples_are_held_against_as_many_real_images_in_pairs_of_minibatches(
    model, mnist_root, net, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation, "logits_in_grey", lambda: net)
    options = {"as_reported": True, "root": mnist_root, "home": tmp_path}
    options["reference"] = "validation"
    with pytest.raises(InvalidInput, match="minibatches of 128"):
        last(measure_fid(model, Request(n=200), **options))
    request = Request(n=256, steps=2, label="none", dtype="float32")
    result = last(measure_fid(model, request, **options))
    samples = np.concatenate([np.load(path) for path in sorted(tmp_path.glob("*/*.npy"))])
    real = data.load("mnist", "validation", mnist_root).pixels.permute(0, 2, 3, 1).numpy()
    order = np.random.RandomState(0).permutation(5_000)
    distances = [
        frechet(
            Moments.of(net.features(samples[start : start + 128])),
            Moments.of(net.features(real[order[start : start + 128]])),
        )
        for start in (0, 128)
    ]
    assert result["fid"] == pytest.approx(np.mean(distances))
    assert 0 < result["floor"] < result["fid"]
    assert "mean over minibatches of 128" in words(result)


def test_a_result_stands_in_its_own_table_alone(tmp_path):
    reported = tables.own_way(tmp_path).rows[1].measured[0]
    assert "--as-reported" in reported.command.split()
    usual = tables.Measurement(reported.model, reported.request, "test")
    assert "--as-reported" not in usual.command
    for m, other in ((reported, usual), (usual, reported)):
        assert m.matches(result_of(m, 1.0))
        assert not other.matches(result_of(m, 1.0))
    store(tmp_path, reported, 3.5)
    assert tables.own_way(tmp_path).rows[1].measured[0].figure.value == 3.5
