"""How samples meet their class and how much they vary: by hand, whatever the size of a batch."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from ddpm_core.data import to_unit
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.measure.metrics import Distances, measuring, wanted
from lab.progress import last

ask = partial(Request, n=7, steps=3, dtype="float32")


def distance_of(images, classes, size=100) -> float:
    distances = Distances()
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        distances.add(torch.as_tensor(images[part]), torch.as_tensor(list(classes))[part])
    return distances.mean


def test_the_distance_by_hand():
    images = np.zeros((5, 2, 2, 1), np.uint8)
    images[1, 0, 0] = images[1, 1, 1] = 255  # sqrt(2) from the first
    images[3, 0, 1] = 51  # 0.2 from the one after it
    # Class 4: one pair, sqrt(2); class 7: one pair, 0.2; class 1: no pair.
    assert distance_of(images, [4, 4, 7, 7, 1]) == pytest.approx((math.sqrt(2) + 0.2) / 2)
    # All of one class: of ten pairs, by their distance.
    pairs = [math.sqrt(2)] * 3 + [0.2] * 3 + [math.sqrt(2.04)] + [0] * 3
    assert distance_of(images, [0] * 5) == pytest.approx(sum(pairs) / 10)


@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ({"label": "all", "n": 12}, [*range(10), 0, 1]),
        ({"label": 3}, [3] * 7),
        ({"label": "none", "first": 8, "n": 4}, [8, 9, 0, 1]),
        ({"label": 3, "mix": 8, "share": 0.6}, [8] * 7),
        ({"label": 3, "mix": 8, "share": 0.4}, [3] * 7),
    ],
    ids=str,
)
def test_the_class_an_image_is_measured_against(classifiers, model, changes, classes):
    assert wanted(model, ask(**changes)) == classes


@pytest.mark.parametrize(
    ("label", "guidance"), [("all", "cfg"), ("none", "none"), (5, "classifier")]
)
def test_the_figures_are_those_of_the_pictures(classifiers, model, label, guidance):
    request = ask(label=label, n=24, guidance=guidance)
    pictures, classes = sample(model, request), wanted(model, request)
    x = to_unit(torch.from_numpy(pictures)).permute(0, 3, 1, 2)
    result = last(measuring(model, request))
    hits = classifiers["mnist-judge"].log_probs(x).argmax(1) == torch.tensor(classes)
    assert (result.n, result.accuracy) == (24, pytest.approx(hits.double().mean().item()))
    assert result.distance == pytest.approx(distance_of(pictures, classes))
    batched = last(measuring(model, request, batch=5))
    # One image in 24 may stand on the edge between two classes.
    assert batched.accuracy == pytest.approx(result.accuracy, abs=1.01 / 24)
    assert batched.distance == pytest.approx(result.distance, rel=1e-2)


def test_an_unconditional_model_is_measured_too_but_nothing_without_a_judge(classifiers, plain):
    request = ask(label="all", n=12)
    assert wanted(plain, request) == [*range(10), 0, 1]
    assert last(measuring(plain, request)).n == 12
    del classifiers["mnist-judge"]
    with pytest.raises(InvalidInput, match="no judge"):
        last(measuring(plain, request))
