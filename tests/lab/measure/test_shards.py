"""Samples that are kept on disk: which they are, and that none is sampled twice."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from ddpm_core import checkpoints
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import Run, sample
from lab.measure import shards
from lab.measure.shards import Shards
from lab.progress import Progress
from tests.support.toys import tiny_classifier

ask = partial(Request, n=21, steps=3, dtype="float32", seed=4)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 8)


def pixels(source: Shards) -> np.ndarray:
    return np.concatenate([part for part in source.sampling() if isinstance(part, np.ndarray)])


@pytest.fixture
def computed(monkeypatch):
    """The numbers of the images that are sampled, not read."""
    numbers = []

    class Counting(Run):
        def __init__(self, model, request, images):
            numbers.extend(images)
            super().__init__(model, request, images)

    monkeypatch.setattr(shards, "Run", Counting)
    return numbers


def test_what_is_on_disk_is_not_sampled_again(model, tmp_path, computed):
    first = pixels(Shards(model, ask(), tmp_path, 3))
    assert np.abs(first.astype(int) - sample(model, ask())).max() <= 1
    assert computed == list(range(21))
    assert np.array_equal(pixels(Shards(model, ask(), tmp_path, 5)), first)
    more = pixels(Shards(model, ask(n=30), tmp_path))
    assert computed == list(range(30))
    assert np.array_equal(more[:21], first)
    assert np.array_equal(pixels(Shards(model, ask(n=5, first=6), tmp_path)), more[6:11])
    assert computed == list(range(30))


def test_a_stopped_run_goes_on_where_it_was(model, tmp_path, computed):
    steps = Shards(model, ask(), tmp_path, 4).sampling()
    for step in steps:
        if isinstance(step, Progress) and step.done >= 13:
            steps.close()
            break
    assert computed == list(range(16))
    computed.clear()
    pixels(Shards(model, ask(), tmp_path, 4))
    # Only the batch in hand was lost.
    assert computed == list(range(12, 21))


@pytest.mark.parametrize(
    "changes",
    [{"steps": 4}, {"seed": 5}, {"sampler": "ddpm"}, {"label": 3}, {"dtype": "bfloat16"}],
    ids=str,
)
def test_another_request_has_another_folder_and_another_spelling_has_not(model, tmp_path, changes):
    assert Shards(model, ask(), tmp_path).folder != Shards(model, ask(**changes), tmp_path).folder
    assert Shards(model, ask(), tmp_path).folder == Shards(model, ask(n=3), tmp_path).folder
    default = model.resolve_dtype("auto")
    named, auto = (Shards(model, ask(dtype=dtype), tmp_path) for dtype in (default, "auto"))
    assert named.protocol() == auto.protocol()
    other = {"float32": "bfloat16", "bfloat16": "float32"}[default]
    protocol = Shards(model, ask(dtype=other), tmp_path).protocol()
    assert protocol == auto.protocol() | {"dtype": other}


def test_weights_and_guides_are_part_of_what_samples_depend_on(classifiers, checkpoint, tmp_path):
    model, request = checkpoints.load(checkpoint), ask(guidance="classifier")
    guided, unguided = (Shards(model, r, tmp_path) for r in (request, ask()))
    classifiers["mnist-classifier"] = tiny_classifier("conv")
    with torch.no_grad():
        classifiers["mnist-classifier"].net.head.bias[0] += 1e-6
    assert Shards(model, request, tmp_path).folder != guided.folder
    assert Shards(model, ask(), tmp_path).folder == unguided.folder  # which nothing guides
    with torch.no_grad():
        model.unet.conv_in.bias[0] += 1e-6
    assert Shards(model, ask(), tmp_path).folder != unguided.folder


def test_where_lambda_is_divided_by_n_the_pictures_depend_on_n(classifiers, model, tmp_path):
    request = ask(n=5, guidance="classifier", fault="batch-scale", guidance_scale=40)
    larger = replace(request, n=9)
    assert Shards(model, request, tmp_path).folder != Shards(model, larger, tmp_path).folder
    gap = np.abs(pixels(Shards(model, request, tmp_path, 2)).astype(int) - sample(model, request))
    assert gap.max() <= 1


def test_what_lies_between_two_seeds_is_no_sample(model, tmp_path):
    with pytest.raises(InvalidInput, match="another seed"):
        Shards(model, ask(toward=8), tmp_path)


def test_a_damaged_shard_is_named(model, tmp_path):
    samples = Shards(model, ask(), tmp_path)
    pixels(samples)
    (samples.folder / "0000000008.npy").write_bytes(b"no array")
    with pytest.raises(CheckpointError, match="0000000008.npy .*delete it and retry"):
        pixels(samples)
