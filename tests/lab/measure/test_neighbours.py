"""Nearest training images: by hand, and a copy that is found."""

import numpy as np
import pytest
import torch

from ddpm_core.data import Images
from ddpm_core.errors import InvalidInput
from lab.measure.features import classifier_features
from lab.measure.neighbours import memorised, nearest
from lab.progress import Progress, last
from tests.support.toys import tiny_classifier


def random_images(n, seed, channels=1):
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (n, channels, 8, 8), dtype=np.uint8)
    return Images(torch.from_numpy(pixels), torch.zeros(n, dtype=torch.int64), ())


def as_pictures(images):
    return images.pixels.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("channels", [1, 3])
def test_they_are_those_of_all_distances(channels):
    mine, train = random_images(9, 1, channels), random_images(600, 2, channels)
    found = last(nearest(as_pictures(mine), train, 4))
    flat = [images.pixels.flatten(1).double() / 255 for images in (mine, train)]
    distances, order = torch.cdist(*flat, compute_mode="donot_use_mm_for_euclid_dist").sort(1)
    assert torch.equal(found.indices, order[:, :4])
    torch.testing.assert_close(found.distances, distances[:, :4], rtol=1e-9, atol=1e-9)
    assert found.space == "pixels"


def test_in_features_they_are_those_of_the_features():
    net = classifier_features(tiny_classifier("residual"))
    mine, train = random_images(5, 1), random_images(300, 2)
    found = last(nearest(as_pictures(mine), train, 2, net))
    own, others = (net.features(as_pictures(images)) for images in (mine, train))
    distances, order = torch.cdist(own, others).sort(1)
    assert torch.equal(found.indices, order[:, :2])
    assert found.space == net.name


def test_a_copy_is_found_in_whatever_batch_it_lies():
    train = random_images(700, 3)
    places = torch.tensor([0, 249, 250, 699])
    found = last(nearest(as_pictures(train.subset(places)), train, 1))
    assert torch.equal(found.indices[:, 0], places)
    assert found.distances.max() < 1e-6


def test_a_model_that_gives_back_what_it_saw_is_found_out():
    train, unseen, fresh = (random_images(n, s) for n, s in ((400, 1), (400, 2), (400, 3)))
    real = last(nearest(as_pictures(unseen), train, 1))
    honest = last(nearest(as_pictures(fresh), train, 1))
    assert memorised(honest, real) < 0.05
    half = np.concatenate([as_pictures(train)[:200], as_pictures(fresh)[:200]])
    assert memorised(last(nearest(half, train, 1)), real) == pytest.approx(0.5, abs=0.05)


def test_progress_and_refusals():
    mine, train = as_pictures(random_images(2, 1)), random_images(600, 2)
    steps = list(nearest(mine, train))
    assert steps[:-1] == [Progress("neighbours", n, 600) for n in (250, 500, 600)]
    with pytest.raises(InvalidInput, match="k must be"):
        last(nearest(mine, train, 601))
    with pytest.raises(InvalidInput, match="cannot be compared"):
        last(nearest(mine[:, :4], train))
    other = last(nearest(mine, train, 1, classifier_features(tiny_classifier("residual"))))
    with pytest.raises(InvalidInput, match="do not compare"):
        memorised(steps[-1], other)
