"""The FID as the report takes it, and the commands and tables that ask for it."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import checkpoints
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from lab.__main__ import main
from lab.measure import as_reported, evaluation, results, shards
from lab.measure.as_reported import evaluate_as_reported, in_grey, mean_distance
from lab.measure.features import NetFeatures
from lab.measure.fid import Moments, frechet
from lab.progress import last
from lab.publish import cards
from lab.report import report
from tests.support.toys import result_of, small_mnist


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An MNIST of 8 x 8 pixels: 300 to train on beside 5,000 held out; 280 to test with."""
    root = tmp_path_factory.mktemp("small")
    small_mnist(root, 5_300, 280, seed=0)
    return root


@pytest.fixture(scope="module")
def net():
    """Three numbers of an image."""
    weights = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    take = lambda images: images.float().flatten(1) @ weights / 255  # noqa: E731
    return NetFeatures("a net", as_reported.LAYER, torch.nn.Identity(), take, "mark")


def test_colours_turn_into_the_grey_that_everybody_means():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    grey = in_grey(torch.from_numpy(pixels).permute(0, 3, 1, 2), 28)
    wanted = np.stack([np.asarray(Image.fromarray(it).convert("L")) for it in pixels])
    assert grey.shape == (4, 1, 28, 28)
    assert np.abs((grey[:, 0].numpy() + 1) * 127.5 - wanted).max() < 1


def test_a_picture_of_another_size_keeps_its_brightness_and_a_grey_one_is_left_alone():
    plain = torch.full((2, 3, 32, 32), 100, dtype=torch.uint8)
    assert torch.allclose(in_grey(plain, 28), torch.tensor(100 / 127.5 - 1), atol=1e-6)
    digit = torch.arange(784, dtype=torch.uint8).view(1, 1, 28, 28)
    assert torch.equal(in_grey(digit, 28), digit.float() / 127.5 - 1)


def test_the_figure_is_the_mean_of_the_minibatches_with_its_standard_error():
    generator = torch.Generator().manual_seed(1)
    ours, real = (
        [Moments.of(torch.randn(40, 3, generator=generator) * scale) for _ in range(5)]
        for scale in (1.0, 1.5)
    )
    apart = np.array([frechet(a, b) for a, b in zip(ours, real, strict=True)])
    found = mean_distance(ours, real)
    assert found.value == pytest.approx(apart.mean())
    assert found.spread == pytest.approx(apart.std(ddof=1) / np.sqrt(5))
    assert found.left_out[2] == pytest.approx(np.delete(apart, 2).mean())


def test_samples_are_held_against_as_many_real_images_in_pairs_of_minibatches(
    model, root, net, tmp_path
):
    request = Request(n=256, steps=2, label="none", dtype="float32")
    found = last(evaluate_as_reported(model, request, net=net, root=root, home=tmp_path))
    kept = np.concatenate([np.load(path) for path in sorted(tmp_path.glob("*/*.npy"))])
    raw = (root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    test = np.frombuffer(raw, np.uint8).reshape(280, 8, 8, 1)
    order = np.random.RandomState(0).permutation(280)
    apart = [
        frechet(
            Moments.of(net.features(kept[start : start + 128])),
            Moments.of(net.features(test[order[start : start + 128]])),
        )
        for start in (0, 128)
    ]
    assert found.score.value == pytest.approx(np.mean(apart))
    assert found.floor.n == 256
    assert 0 < found.floor.value < found.score.value
    assert "mean over minibatches of 128" in found.words()
    assert "reference: 256, drawn at random, of the 280 images of mnist test" in found.words()
    between = "(256 real images of the train split, 1 draw, standard error between minibatches)"
    assert between in found.words()


@pytest.mark.parametrize("n", [128, 200])
def test_what_makes_no_minibatches_is_refused_before_anything_is_sampled(
    model, root, net, tmp_path, n
):
    with pytest.raises(InvalidInput, match="minibatches of 128"):
        last(evaluate_as_reported(model, Request(n=n), net=net, root=root, home=tmp_path))
    assert not list(tmp_path.iterdir())


def test_more_samples_than_real_images_are_refused(model, root, net, tmp_path):
    with pytest.raises(InvalidInput, match="fewer than n = 384 real images"):
        last(evaluate_as_reported(model, Request(n=384), net=net, root=root, home=tmp_path))


def test_the_logits_are_those_of_the_shipped_classifier_of_clean_digits():
    net = as_reported.logits_in_grey()
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)
    classifier = checkpoints.load_classifier(checkpoints.HOME / as_reported.NET)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        wanted = classifier.log_probs(x)
    found = net.features(pixels)
    assert found.shape == (3, 10)
    assert torch.allclose(found.log_softmax(1).float(), wanted, atol=1e-5)
    assert not classifier.noise_aware


def test_a_result_stands_in_its_own_table_alone_and_by_its_name_on_the_card(tmp_path):
    own = report.own_way(tmp_path).rows[1].measured[0]
    assert "--as-reported" in own.command.split()
    usual = report.Measurement(own.model, own.request, "test")
    assert "--as-reported" not in usual.command
    for m, other in ((own, usual), (usual, own)):
        assert m.matches(result_of(m, 1.0))
        assert not other.matches(result_of(m, 1.0))
    results.save(tmp_path / own.model, result_of(own, 3.5))
    shown = report.own_way(tmp_path).rows[1].measured[0]
    assert shown.result["fid"] == 3.5
    config = checkpoints.read_config(checkpoints.HOME / own.model)
    figure = cards._figure(shown.result, config)
    assert figure.title.startswith("FID (as the report takes it, 512 samples, ddpm, 1000 steps")
    assert figure.value is None
    assert figure.line == evaluation.words(shown.result)


def test_the_command_measures_and_refuses_what_does_not_go_together(
    checkpoint, root, net, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(as_reported, "logits_in_grey", lambda: net)
    monkeypatch.setattr(shards, "SHARD", 128)
    words = ["evaluate", "--model", checkpoint, "--n", 256, "--steps", 2, "--as-reported"]
    words += ["--data-root", root, "--cache", tmp_path]
    assert main([*map(str, words), "--fid"]) == 0
    assert "mean over minibatches of 128, 10 numbers" in capsys.readouterr().out
    assert main([*map(str, words)]) == 2
    assert "--as-reported goes with --fid" in capsys.readouterr().err
    assert main([*map(str, words), "--fid", "--features", "mnist-judge"]) == 2
    assert "leave --features out" in capsys.readouterr().err
