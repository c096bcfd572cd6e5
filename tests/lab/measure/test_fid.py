"""The Fréchet distance: by its formula, by hand, and as it should behave."""

import math
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch

from ddpm_core import data
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from lab.measure import fid
from lab.measure.features import batches, classifier_features
from lab.progress import last
from lab.report.measurements import Measurement, difference
from tests.support.toys import result_of, tiny_classifier


def normal(n, d, seed, scale=1.0, shift=0.0):
    """(n, d) correlated features, float64."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) / math.sqrt(d)
    return torch.from_numpy(generator.normal(size=(n, d)) @ mixing * scale + shift)


@pytest.mark.parametrize("size", [1, 7, 500])
def test_streamed_moments_are_those_of_all_features_at_once(size):
    x = normal(500, 6, 1, shift=3)
    moments = reduce(add, map(fid.Moments.of, x.split(size)))
    assert moments.n == 500
    torch.testing.assert_close(moments.mean, x.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(moments.covariance, torch.cov(x.T), rtol=1e-11, atol=1e-12)
    # The textbook's E[x²] - E[x]² would keep no digit of features far from zero.
    far = reduce(add, map(fid.Moments.of, (x + 1e8).split(size)))
    torch.testing.assert_close(far.covariance, moments.covariance, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1, 0.1), (1.3, 0), (5, 2), (0.01, 0.5)])
def test_it_is_what_the_formula_says(scale, shift):
    real, fake = normal(200, 12, 3), normal(150, 12, 4, scale, shift)
    distance = (real.mean(0) - fake.mean(0)).square().sum()
    first, second = real.T.cov(), fake.T.cov()
    root = torch.linalg.eigvals(first @ second).sqrt().real.sum()  # the trace of the root
    expected = float(distance + first.trace() + second.trace() - 2 * root)
    ours = fid.frechet(fid.Moments.of(real), fid.Moments.of(fake))
    assert ours > 0.01 and ours == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rank", [1, 5, 12])
def test_features_that_depend_on_others_or_are_dead_change_nothing(rank):
    x = normal(100, 12, 5)
    x[:, rank:] = x[:, :1]  # beyond ``rank`` features are copies: the covariance is singular
    assert fid.frechet(fid.Moments.of(x), fid.Moments.of(x)) < 1e-10
    a, b = normal(100, 5, 6), normal(100, 5, 7, 1.2)
    expected = fid.frechet(fid.Moments.of(a), fid.Moments.of(b))
    a, b = (torch.cat([x, torch.zeros(100, 3).double()], 1) for x in (a, b))
    assert fid.frechet(fid.Moments.of(a), fid.Moments.of(b)) == pytest.approx(expected, abs=1e-10)


def test_as_many_images_as_features_are_too_few():
    few, many = fid.Moments.of(normal(12, 12, 1)), fid.Moments.of(normal(13, 12, 2))
    for pair in ((few, many), (many, few)):
        with pytest.raises(InvalidInput, match="12 images are too few for 12 features"):
            fid.frechet(*pair)


@pytest.fixture(scope="module")
def pairs():
    """80 sets of samples, each scored twice: as two models that err alike would make them."""
    reference = fid.Moments.of(normal(20_000, 4, 12))

    def score(samples):
        return fid.score([fid.Moments.of(p) for p in samples.chunk(fid.BLOCKS)], reference)

    sets = (normal(400, 4, 1000 + seed, shift=0.3) for seed in range(80))
    return [(score(x), score(x * 1.05)) for x in sets]


def test_the_spread_is_that_between_seeds(pairs):
    """80 sets of samples: their standard deviation, and the jackknife's mean estimate of it."""
    scores = [first for first, _ in pairs]
    measured = np.std([s.value for s in scores], ddof=1)
    estimated = math.sqrt(np.mean([s.spread**2 for s in scores]))
    assert estimated == pytest.approx(measured, rel=0.2)
    few = [fid.Moments.of(part) for part in normal(13, 12, 2).chunk(10)]
    assert fid.score(few, fid.Moments.of(normal(100, 12, 1))).spread is None


def test_the_error_of_a_difference_is_that_between_seeds_where_the_noises_are_the_same(pairs):
    """Two models that err alike: the difference is known far better than either figure."""
    request = Request(n=400)
    gaps, errors, independent = [], [], []
    for pair in pairs:
        results = []
        for score in pair:
            result = result_of(Measurement("it", request, "test"), score.value, score.spread)
            results.append(result | {"left_out": list(score.parts)})
        gap, error = difference(*results)
        gaps.append(results[0]["fid"] - results[1]["fid"])
        errors.append(error)
        assert gap == abs(gaps[-1])
        results[1]["protocol"]["request"]["seed"] = 1  # noises of its own
        independent.append(difference(*results).error)
        assert independent[-1] == math.hypot(*(r["spread"] for r in results))
    rms = [math.sqrt(np.mean(np.square(values))) for values in (errors, independent)]
    assert rms[0] == pytest.approx(np.std(gaps, ddof=1), rel=0.2)
    assert rms[1] > 5 * rms[0]


@pytest.fixture(scope="module")
def real(mnist_root):
    return [data.load("mnist", split, mnist_root) for split in ("train", "validation")]


def test_a_floor_is_the_mean_over_disjoint_draws_by_seed(real):
    net = classifier_features(tiny_classifier("residual"))
    train, other = real
    (reference,) = last(fid.gather(net, batches(train), len(train)))
    steps = list(fid.floor(net, other, reference, 300, seed=4))
    assert [s.done for s in steps[:-1]] == sorted(s.done for s in steps[:-1])
    floor = fid.mean_of_draws(steps[-1])
    order = np.random.RandomState(4).permutation(5000)[:1500].reshape(5, 300)
    values = [
        fid.frechet(*last(fid.gather(net, batches(other, draw), 300)), reference) for draw in order
    ]
    assert floor.value == pytest.approx(np.mean(values), rel=1e-9)
    assert floor.parts == pytest.approx(values, rel=1e-9)
    assert floor.spread == pytest.approx(np.std(values, ddof=1), rel=1e-6)
    # One draw is all that 3,000 of 5,000 images allow.
    assert fid.mean_of_draws(last(fid.floor(net, other, reference, 3000))).spread is None
