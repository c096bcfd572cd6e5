"""What is measured: by hand, and whatever the size of a batch."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_core.data import to_unit
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.measure.metrics import mean_pairwise_distance, measure, measuring, wanted


def ask(**changes) -> Request:
    return Request(**{"n": 7, "steps": 3, "dtype": "float32"} | changes)


class Judge:
    """Takes every image for one of ten classes, by its mean brightness."""

    classes = [str(i) for i in range(10)]

    def __init__(self):
        self.seen = []

    def log_probs(self, x, abar):
        assert abar == 1.0
        self.seen.append(x)
        return torch.eye(10)[self.verdict(x)].clamp_min(1e-9).log()

    def verdict(self, x):
        return ((x.mean((1, 2, 3)) + 1) * 5).long().clamp(0, 9)


@pytest.fixture
def judge(monkeypatch):
    it = Judge()
    monkeypatch.setattr("lab.measure.metrics.classifier_for", lambda model, role: it)
    return it


# --- distance ---


def test_the_distance_by_hand():
    images = np.zeros((5, 2, 2, 1), np.uint8)
    images[1, 0, 0] = images[1, 1, 1] = 255  # sqrt(2) from the first
    images[3, 0, 1] = 51  # 0.2 from the one after it
    # Class 4: one pair, sqrt(2); class 7: one pair, 0.2; class 1: no pair.
    distance = mean_pairwise_distance(images, [4, 4, 7, 7, 1])
    assert distance == pytest.approx((math.sqrt(2) + 0.2) / 2)
    # All of one class: of ten pairs, by their distance.
    pairs = [math.sqrt(2)] * 3 + [0.2] * 3 + [math.sqrt(2.04)] + [0] * 3
    assert mean_pairwise_distance(images, [0] * 5) == pytest.approx(sum(pairs) / 10)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_neither_order_nor_kind_of_array_matters(n, seed):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n, 1, 3, 3), dtype=np.uint8)
    classes, order = generator.integers(0, 3, n), generator.permutation(n)
    distance = mean_pairwise_distance(images, classes)
    again = mean_pairwise_distance(torch.from_numpy(images[order]), classes[order].tolist())
    assert again == pytest.approx(distance, nan_ok=True)
    assert math.isnan(distance) == (len(set(classes.tolist())) == n)


# --- what is wanted ---


@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ({"label": "all", "n": 12}, [*range(10), 0, 1]),
        ({"label": 3}, [3] * 7),
        ({"label": "none", "n": 11}, [*range(10), 0]),
        ({"label": "none", "first": 8, "n": 4}, [8, 9, 0, 1]),
        ({"label": 3, "mix": 8, "share": 0.6}, [8] * 7),
        ({"label": 3, "mix": 8, "share": 0.4}, [3] * 7),
        ({"label": 3, "mix": 8, "share": 0.0}, [3] * 7),
        ({"label": "all", "mix": 2, "share": 1.0, "n": 3}, [2, 2, 2]),
    ],
    ids=str,
)
def test_the_class_an_image_is_measured_against(classifiers, model, changes, classes):
    assert wanted(model, ask(**changes)) == classes


# --- measuring ---


@pytest.mark.parametrize("label", ["all", "none", 5])
def test_the_figures_are_those_of_the_pictures(judge, model, label):
    request = ask(label=label)
    pictures, classes = sample(model, request), wanted(model, request)
    x = to_unit(torch.from_numpy(pictures)).permute(0, 3, 1, 2)
    found = measure(model, request)
    assert found.n == 7
    hits = judge.verdict(x) == torch.tensor(classes)
    assert found.accuracy == pytest.approx(hits.float().mean().item())
    assert found.distance == pytest.approx(mean_pairwise_distance(pictures, classes), nan_ok=True)
    # As they are looked at: 8 bits.
    torch.testing.assert_close(torch.cat(judge.seen), x)


@pytest.mark.parametrize("guidance", ["none", "cfg", "classifier"])
def test_the_size_of_a_batch_changes_nothing(classifiers, model, guidance):
    request = ask(n=24, guidance=guidance)
    whole, parts = measure(model, request), measure(model, request, batch=5)
    assert parts.n == whole.n == 24
    # One image in 24 may stand on the edge between two classes.
    assert parts.accuracy == pytest.approx(whole.accuracy, abs=1.01 / 24)
    assert parts.distance == pytest.approx(whole.distance, rel=1e-2)


def test_measuring_gives_way_after_every_step_and_figures_after_every_batch(classifiers, model):
    request, ticks = ask(label=5), []
    found = list(measuring(model, request, batch=3))
    assert [m and m.n for m in found] == [None] * 3 + [3] + [None] * 3 + [6] + [None] * 3 + [7]
    assert found[-1] == measure(model, request, batch=3, progress=ticks.append)
    assert ticks == [1] * 9
    assert found[3] == measure(model, ask(label=5, n=3))


def test_an_unconditional_model_is_measured_too_but_nothing_without_a_judge(classifiers, plain):
    request = ask(label="all", n=12)
    assert wanted(plain, request) == [*range(10), 0, 1]
    for guidance in ("none", "classifier"):
        assert measure(plain, ask(label="all", guidance=guidance)).n == 7
    with pytest.raises(InvalidInput, match="2 images but 3 classes"):
        mean_pairwise_distance(np.zeros((2, 1, 1, 1), np.uint8), [0, 1, 2])
    del classifiers["mnist-judge"]
    with pytest.raises(InvalidInput, match="no judge"):
        measure(plain, request)
