"""Noise is a function of (seed, image, t) alone, and standard normal."""

import math

import numpy as np
import pytest
import torch

from ddpm_core.errors import InvalidInput
from ddpm_core.noise import MAX_SEED, Noise, great_circle

SHAPE = (1, 8, 8)

# Written down once. Should these change, every published seed shows another picture.
GOLDEN = {
    (0, 0, 0): [2.9162033, -1.2855403, -1.3901572, 0.6468853, -1.0902983, 1.5672443],
    (3, 7, 1000): [0.0849066, -1.4072317, -0.6515591, -1.4490396, 0.2526754, -1.4529706],
    (2**40, 123_456, 50): [-0.488023, 0.195152, 1.0929431, 0.8123519, 1.4251498, -1.8797837],
}


@pytest.mark.parametrize("address", GOLDEN)
def test_noise_is_the_same_as_on_the_day_it_was_written_down(address):
    seed, image, t = address
    noise = Noise(seed, [image], (1, 2, 3))
    noise(t + 1)  # what was asked before changes nothing
    assert (noise(t).shape, noise(t).dtype) == ((1, 1, 2, 3), torch.float32)
    np.testing.assert_allclose(noise(t).flatten(), GOLDEN[address], atol=1e-6)


def test_an_image_has_the_same_noise_alone_in_a_batch_and_in_any_order():
    batch = Noise(3, range(6), SHAPE)(40)
    for images in ([4, 0, 5, 2, 1, 3], [4]):
        assert torch.equal(Noise(3, images, SHAPE)(40), batch[images])
    a, b = (Noise(seed, [0], SHAPE)(0) for seed in (MAX_SEED - 1, MAX_SEED))
    assert not torch.equal(a, b)


def test_distribution_is_normal_by_kolmogorov_and_smirnov():
    x = Noise(5, range(50), (1, 40, 50))(9).double().flatten().sort()[0]
    n = len(x)
    cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    distance = (cdf - (torch.arange(n) + 0.5) / n).abs().max()
    # P(sqrt(n) D > 2.2) is about 2 exp(-2 * 2.2²) = 1e-4, and the seed is fixed.
    assert distance < 2.2 / n**0.5


@pytest.mark.parametrize("neighbour", [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_neighbouring_streams_and_pixels_are_uncorrelated(neighbour):
    seed, image, t = neighbour
    a = Noise(20, [30], (1, 200, 200))(40).flatten()
    b = Noise(20 + seed, [30 + image], (1, 200, 200))(40 + t).flatten()
    half = len(a) // 2
    for one, other in ((a, b), (a[:-1], a[1:]), (a[:half], a[half:])):
        assert abs((one * other).mean()) < 5 / len(one) ** 0.5
    # The squares too: Box-Muller pairs share a radius, which only squares would show.
    assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 5 * 2 / len(a) ** 0.5


def test_a_seed_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match="seed"):
        Noise(MAX_SEED + 1, [0], SHAPE)


def test_the_great_circle_leads_from_one_noise_to_another_and_stays_as_long_as_noise():
    first, last = Noise(1, [0], (3, 40, 40))(7), Noise(2, [0], (3, 40, 40))(7)
    way = great_circle(first, last, torch.linspace(0, 1, 9))
    assert way.shape == (9, 3, 40, 40) and way.dtype == torch.float32
    assert torch.equal(way[:1], first) and torch.equal(way[-1:], last)
    lengths = way.flatten(1).norm(dim=1) / 4800**0.5
    assert lengths.tolist() == pytest.approx([1.0] * 9, abs=0.04)
    assert float(((first + last) / 2).norm()) / 4800**0.5 < 0.75  # a plain mean
    # Even steps, each as long as the next.
    steps = (way[1:] - way[:-1]).flatten(1).norm(dim=1)
    assert float(steps.std() / steps.mean()) < 0.03


def test_a_quarter_turn_in_the_plane_for_each_image_on_its_own():
    first, last = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [0.0, 2.0]])
    half = great_circle(first, last, torch.tensor([0.5, 0.25]))
    torch.testing.assert_close(half, torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 2.0]]))
    # Opposite noises lie on one line: no circle, and no division by 0.
    assert great_circle(first, -first, 0.25).tolist() == (first / 2).tolist()
