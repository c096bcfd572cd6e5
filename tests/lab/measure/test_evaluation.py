"""What ``evaluate`` measures: each figure with its protocol, as files, and by the command."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import Model, data
from ddpm_core.animation import read_note
from ddpm_core.classifier import Classifier
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from ddpm_core.variational import step_bits
from lab.__main__ import main
from lab.measure import evaluation, fid, results, shards, watch
from lab.measure.bound import prior_bits
from lab.measure.evaluation import (
    measure_bound,
    measure_classes,
    measure_fid,
    measure_neighbours,
    measure_recognition,
)
from lab.measure.features import batches, classifier_features, stand_in
from lab.measure.metrics import measuring
from lab.measure.neighbours import nearest
from lab.measure.protocol import words
from lab.process.recognise import recognising
from lab.progress import last
from tests.support.toys import tiny_classifier, write_mnist

ask = partial(Request, n=60, steps=3, dtype="float32", seed=4)


# --- the distance ---


@pytest.fixture
def fid_result(classifiers, model, mnist_root, tmp_path):
    return last(measure_fid(model, ask(), root=mnist_root, home=tmp_path))


@pytest.mark.parametrize(
    ("split", "images", "floor", "draws"),
    [("test", 60, "train", 5), ("train", 1_000, "test", 1), ("validation", 5_000, "train", 5)],
)
def test_the_figure_is_that_of_the_samples_and_the_real_images(
    classifiers, model, mnist_root, tmp_path, split, images, floor, draws
):
    options = {"root": mnist_root, "home": tmp_path, "reference": split}
    result = last(measure_fid(model, ask(), **options))
    net = classifier_features(classifiers["mnist-judge"])
    (real,) = last(fid.gather(net, batches(data.load("mnist", split, mnist_root)), images))
    direct = fid.score(last(fid.gather(net, [sample(model, ask())], 60, fid.BLOCKS)), real)
    # The samples of a request may differ by a level of grey, by their batches.
    assert result["fid"] == pytest.approx(direct.value, rel=0.05)
    assert result["spread"] == pytest.approx(direct.spread, rel=0.1)
    others = data.load("mnist", floor, mnist_root)
    expected = fid.mean_of_draws(last(fid.floor(net, others, real, 60)))
    assert (result["floor"], result["floor_spread"]) == (expected.value, expected.spread)
    protocol = json.loads(json.dumps(result))["protocol"]
    reference = {"dataset": "mnist", "split": split, "images": images, "source": ""}
    assert (protocol["reference"], protocol["features"]["count"]) == (reference, 8)
    assert (protocol["floor"]["split"], protocol["floor"]["draws"]) == (floor, draws)
    assert protocol["n"] == 60 and protocol["request"]["seed"] == 4
    assert f"{images:,} images of mnist {split}" in words(result)
    assert "spread not known" in words(result | {"spread": None})
    if draws == 1:
        many = last(measure_fid(model, ask(n=101), **options))
        assert many["floor"] is None and "floor not measured" in words(many)


def test_it_is_the_same_measured_again_and_quicker(fid_result, model, mnist_root, tmp_path):
    """Samples are kept on disk, and what is measured of real images in the process."""

    def measure_again(**changes):
        options = {"root": mnist_root, "home": tmp_path} | changes
        *steps, result = measure_fid(model, ask(n=options.pop("n", 60)), **options)
        return result | {"seconds": fid_result["seconds"]}, {step.what for step in steps}

    assert measure_again() == (fid_result, {"samples", "features"})
    evaluation._REAL.clear()
    assert measure_again() == (fid_result, {"samples", "features", "reference", "floor"})
    # Another reference or another n has a floor of its own.
    for changes in ({"reference": "train"}, {"n": 61}):
        result, phases = measure_again(**changes)
        assert "floor" in phases and result["floor"] != fid_result["floor"]


def test_what_cannot_be_measured_is_refused_before_anything_is_sampled(
    classifiers, model, mnist_root, tmp_path, monkeypatch
):
    monkeypatch.setattr(shards, "Run", None)
    with pytest.raises(InvalidInput, match="8 samples are too few for 8"):
        last(measure_fid(model, ask(n=8), root=mnist_root, home=tmp_path))
    for stem in ("train", "t10k"):
        write_mnist(tmp_path, stem, np.zeros((5_010, 9, 9)), np.zeros(5_010))
    with pytest.raises(InvalidInput, match=r"makes images of \(1, 8, 8\), mnist has \(1, 9, 9\)"):
        last(measure_fid(model, ask(), root=tmp_path, home=tmp_path))


def test_the_fid_of_training_is_that_of_its_samples_against_images_held_out(
    model, mnist_root, monkeypatch
):
    judge = tiny_classifier("conv")
    monkeypatch.setattr(watch.checkpoints, "load_classifier", lambda _: judge)
    for name, value in {"SAMPLES": 64, "REAL": 400}.items():
        monkeypatch.setattr(watch, name, value)
    net = classifier_features(judge)
    result = watch.fid_watch("mnist", mnist_root)(model)
    pictures = sample(model, Request(n=64, steps=20))
    held_out = data.load("mnist", "validation", mnist_root).pixels[:400].permute(0, 2, 3, 1).numpy()
    ours, real = (fid.Moments.of(net.features(images)) for images in (pictures, held_out))
    name = f"tiny-conv ({net.mark[:8]})"
    assert result == {"fid": pytest.approx(fid.frechet(ours, real), abs=1e-4), "fid_by": name}
    assert name in watch.words([{"images": 3}, result, result], {})


# --- beside it ---


def test_samples_are_held_against_their_class(classifiers, model, tmp_path):
    request = ask(n=12)
    result = last(measure_classes(model, request, home=tmp_path))
    expected = last(measuring(model, request))
    figures = (result["accuracy"], result["error"], result["distance"])
    assert figures == (expected.accuracy, expected.error, expected.distance)
    assert f"{expected.accuracy:.2%} ± {expected.error:.2%} of 12 samples" in words(result)
    result = last(measure_classes(model, ask(n=2, label="none"), home=tmp_path))
    assert result["accuracy"] is result["distance"] is None
    assert words(result).startswith(f"2 samples by {result['protocol']['space']} (")


def test_the_bound_is_that_of_the_first_test_images(model, mnist_root):
    result = last(measure_bound(model, n=7, evaluations=1000, seed=3, root=mnist_root))
    # Term by term, from the file itself.
    raw = (mnist_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    x0 = torch.tensor(list(raw[: 7 * 64])).view(7, 1, 8, 8) / 127.5 - 1
    labels = (mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()[8:15]
    predict, noise = model.denoiser(list(labels), "float32"), model.noise(3, range(7))
    bits, losses = prior_bits(model.schedule, x0), []
    for t in range(50):
        x = q_sample(model.schedule, x0, t, noise(51 + t))
        eps = predict(x, t).eps
        bits = bits + step_bits(model.schedule, x0.double(), x.double(), t, eps.double())
        losses.append(float((eps - noise(51 + t)).square().mean()))
    assert result["bits"] == pytest.approx(float(bits.mean()), rel=1e-5)
    assert result["error"] == pytest.approx(float(bits.std()) / 7**0.5, rel=1e-4)
    assert result["losses"][0] == pytest.approx(np.mean(losses[:12]), rel=1e-4)
    assert result["bits"] == pytest.approx(result["prior"] + sum(result["quarters"]))
    assert result["protocol"]["evaluations"] == 50 and result["protocol"]["n"] == 7
    assert "± " in words(result) and "were drawn" not in words(result)
    with pytest.raises(InvalidInput, match="n must be between 1 and 60"):
        last(measure_bound(model, n=101, root=mnist_root))


def test_the_neighbours_are_the_nearest_training_images(model, mnist_root, tmp_path, monkeypatch):
    options = {"space": "pixels", "root": mnist_root, "home": tmp_path}
    result, pairs = last(measure_neighbours(model, ask(n=5), **options))
    train, test = (data.load("mnist", split, mnist_root) for split in ("train", "test"))
    pictures, held_out = sample(model, ask(n=5)), test.pixels.permute(0, 2, 3, 1).numpy()
    ours, usual = (last(nearest(x, train))[1][:, 0].numpy() for x in (pictures, held_out))
    assert result["least"] == pytest.approx(ours.min(), abs=0.02)
    assert result["median"] == pytest.approx(np.median(ours), abs=0.02)
    assert pairs.shape == (5, 6, 8, 8, 1)
    assert result["memorised"] == np.mean(ours < np.quantile(usual, 0.01))
    assert result["least_of_test_images"] == pytest.approx(usual.min())
    assert result["median_of_test_images"] == pytest.approx(np.sort(usual)[(len(usual) - 1) // 2])
    # A model that gives training images back is caught.
    copies = train.pixels[:40].permute(0, 2, 3, 1).numpy()
    monkeypatch.setattr(evaluation.Shards, "sampling", lambda self: iter([copies]))
    result, pairs = last(measure_neighbours(model, ask(n=40), **options))
    assert result["memorised"] == 1 and result["median"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])


# --- results as files ---


def test_a_result_replaces_its_predecessor_and_no_other(tmp_path):
    result = {"kind": "fid", "fid": 1.0, "protocol": {"n": 60}}
    first = results.save(tmp_path, result)
    assert results.save(tmp_path, result | {"fid": 2.0, "protocol": {"n": 61}}) != first
    assert results.save(tmp_path, result | {"fid": 9.0}) == first
    stored = results.read(tmp_path)
    assert sorted((r["fid"], r["protocol"]["n"]) for r in stored) == [(2.0, 61), (9.0, 60)]
    assert results.read(tmp_path / "nowhere") == []
    for text, message in (("{}", f"{first.name} holds no result"), ("{", "not valid JSON")):
        first.write_text(text)
        with pytest.raises(CheckpointError, match=message):
            results.read(tmp_path)


# --- the command ---


@pytest.fixture
def evaluate(classifiers, checkpoint, mnist_root, tmp_path):
    def call(*options, model=checkpoint, n=60):
        arguments = ["--model", model, "--n", n, "--data-root", mnist_root, "--cache", tmp_path]
        return main(["evaluate", *map(str, [*arguments, *options])])

    return call


RUN = ["--steps", 3, "--dtype", "float32", "--seed", 4]


def test_it_prints_each_figure_with_its_protocol_and_puts_it_on_the_card(
    evaluate, fid_result, checkpoint, tmp_path, capsys
):
    folder = shutil.copytree(checkpoint, tmp_path / "tiny")
    assert evaluate("--fid", *RUN) == 0
    figure, path = capsys.readouterr().out.splitlines()
    assert figure == f"tiny: {words(fid_result)}"
    assert json.loads(Path(path).read_text()) | {"seconds": 0} == fid_result | {"seconds": 0}
    options = ["--guidance", "cfg", "--scales", 1, 2.5, "--label", 5, "--save"]
    assert evaluate(*RUN, *options, model=folder, n=6) == 0
    printed = capsys.readouterr().out
    stored = {row["protocol"]["request"]["guidance_scale"]: row for row in results.current(folder)}
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(stored) == [1, 2.5]
    for scale, result in stored.items():
        assert f"tiny: {words(result)}\n" in printed and f"- {words(result)}" in card
        assert f"s = {scale:g}" in words(result)


def test_it_prints_the_bound_and_keeps_it_with_nothing_made_up(evaluate, capsys):
    def refuse(constant):
        raise AssertionError(constant)

    for n, timesteps in ((6, 5), (1, 2)):
        assert evaluate("--bound", "--timesteps", timesteps, n=n) == 0
        line, path = capsys.readouterr().out.splitlines()
        with open(path) as file:
            result = json.load(file, parse_constant=refuse)
        assert result["kind"] == "bound" and words(result) in line
    # Nothing is made up for one image, or for timesteps that were not evaluated.
    assert "nan" not in line and result["error"] is None and None in result["losses"]


def test_it_counts_the_test_images_that_a_model_recognises(evaluate, model, mnist_root, capsys):
    assert evaluate("--recognise", "--rounds", 3, "--seed", 2, "--batch", 20, n=7) == 0
    line, path = capsys.readouterr().out.splitlines()
    result = results.read_file(Path(path))
    assert words(result) in line and result["calls"] == 30
    images, correct = data.load("mnist", "test", mnist_root), 0
    for i in range(7):
        x0, labels = images.batch([i])
        *_, errors = recognising(model, x0, range(10), 3, 2, [i])
        correct += int(errors.argmin() == int(labels[0]))
    assert result["accuracy"] == correct / 7 and len(result["protocol"]["times"]) == 3


def test_it_counts_them_where_there_is_no_judge_too(model, mnist_root, monkeypatch):
    monkeypatch.setattr(evaluation, "roles_for", lambda model: [])
    result = last(measure_recognition(model, n=3, rounds=2, root=mnist_root))
    assert result["judge"] is None and f"{result['accuracy']:.2%}" in words(result)


def test_it_shows_the_closest_pairs(evaluate, tmp_path, capsys):
    out = tmp_path / "near.png"
    assert evaluate("--neighbours", "--steps", 2, "--out", out, n=4) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "in tiny-residual" in printed[0]  # what stands for the judge
    assert printed[0] == f"tiny: {read_note(out)}"


def test_what_could_not_be_kept_is_not_measured(
    evaluate, checkpoint, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(shards, "Run", None)
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    (folder / "results").mkdir()
    (folder / "results" / "fid-0.json").write_text("{")
    assert evaluate("--fid", "--save", model=folder) == 2
    assert "not valid JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--rounds 3", "--rounds goes with --recognise"),
        ("--scales 1 2", "choose one with --guidance"),
        ("--bound --steps 3", "--steps has no meaning for --bound"),
    ],
)
def test_what_nothing_would_come_of_is_refused_before_it_prints(evaluate, capsys, options, message):
    assert evaluate(*options.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and message in printed.err and printed.out == ""


def test_the_directions_never_change():
    """Figures would cease to be comparable."""
    pictures = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)
    first, second = (stand_in().features(pictures) for _ in range(2))
    assert torch.equal(first, second) and first.shape == (2, 64)
    in_colour = stand_in().features(pictures.repeat(3, axis=3))
    torch.testing.assert_close(first, in_colour)


def test_without_a_judge_the_network_sees_pictures_as_it_learned_them(monkeypatch):
    seen = []
    monkeypatch.setattr(Classifier, "features", spied(Classifier.features, seen))
    pictures = np.array([0, 255], np.uint8).repeat(3 * 64).reshape(2, 8, 8, 3)
    stand_in().features(pictures)
    assert (seen[-1].min(), seen[-1].max()) == (-1, 1)


def spied(method, seen: list):
    def call(self, x, *more):
        seen.append(x)
        return method(self, x, *more)

    return call


def test_pictures_of_ones_own_are_measured_in_their_size_and_by_a_network_that_is_named(
    classifiers, model, tmp_path
):
    generator = np.random.default_rng(0)
    for number in range(200):
        pixels = generator.integers(0, 256, (9 + number % 3, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    changes = {"dataset": tmp_path.name, "preprocessing": {"range": [-1, 1], "size": 8}}
    own_model = Model("own", replace(model.config, **changes), model.unet, model.schedule, {})
    options = {"root": tmp_path.parent, "home": tmp_path / "samples", "reference": "train"}
    result = last(measure_fid(own_model, ask(n=80), **options))
    assert result["protocol"]["reference"]["images"] == 160
    # No judge is for these pictures.
    features = result["protocol"]["features"]
    assert (features["name"], features["count"]) == ("cifar10-judge-64", 64)
    assert words(result).startswith("Fréchet distance ")
    assert "resized and cropped to 8 x 8" in words(result)
    assert "of pictures brought to 32 x 32, in 64 random directions, 64 numbers" in words(result)
