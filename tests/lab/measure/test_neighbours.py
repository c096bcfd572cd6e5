"""Nearest training images: by hand, and a copy that is found."""

import numpy as np
import pytest
import torch

from ddpm_core.data import Images
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


@pytest.mark.parametrize("space", ["grey", "colour", "features"])
def test_they_are_those_of_all_distances(space):
    net = classifier_features(tiny_classifier("residual")) if space == "features" else None
    samples, train = (random_images(n, n, 3 if space == "colour" else 1) for n in (9, 600))
    indices, distances = last(nearest(as_pictures(samples), train, 4, net))
    vectors = [
        net.features(as_pictures(images)) if net else images.pixels.flatten(1).double() / 255
        for images in (samples, train)
    ]
    expected, order = torch.cdist(*vectors, compute_mode="donot_use_mm_for_euclid_dist").sort(1)
    assert torch.equal(indices, order[:, :4])
    torch.testing.assert_close(distances, expected[:, :4], rtol=1e-9, atol=1e-9)


def test_a_copy_is_found_in_whatever_batch_it_lies_and_progress_is_told():
    train, places = random_images(700, 3), torch.tensor([0, 249, 250, 699])
    *steps, (indices, distances) = nearest(as_pictures(train.subset(places)), train, 1)
    assert torch.equal(indices[:, 0], places) and distances.max() < 1e-6
    assert steps == [Progress("neighbours", n, 700) for n in (250, 500, 700)]


def test_copies_count_as_memorised_even_where_test_images_are_copies_too():
    real = torch.cat([torch.zeros(2), torch.ones(98)])
    assert memorised(torch.zeros(100), real) == 1
    assert memorised(torch.ones(100), real) == 0
