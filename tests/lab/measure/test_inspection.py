"""What is measured beside FID: the bound, the loss per quarter, the nearest training images."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from ddpm_core import data
from ddpm_core.animation import read_note
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.__main__ import main
from lab.measure import inspection, results, shards
from lab.measure.bound import prior_bits, step_bits
from lab.measure.metrics import measure
from lab.progress import last


def test_samples_are_held_against_their_class_and_kept(classifiers, model, tmp_path, monkeypatch):
    request = Request(n=12, steps=3, dtype="float32", seed=2)
    found = last(inspection.measure_classes(model, request, home=tmp_path))
    wanted = measure(model, request)
    assert (found["accuracy"], found["error"]) == (wanted.accuracy, wanted.error)
    assert found["distance"] == wanted.distance
    assert f"{wanted.accuracy:.2%} ± {wanted.error:.2%} of 12 samples" in inspection.words(found)
    # What lies on the disk is not sampled again.
    with monkeypatch.context() as patch:
        patch.setattr(shards, "Run", None)
        assert last(inspection.measure_classes(model, request, home=tmp_path)) == found
    free = Request(n=2, steps=3, dtype="float32", label="none")
    found = last(inspection.measure_classes(model, free, home=tmp_path))
    assert found["accuracy"] is found["distance"] is None
    assert inspection.words(found).startswith(f"2 samples by {found['protocol']['space']} (")


def test_the_command_puts_shares_of_classes_on_the_card(classifiers, checkpoint, tmp_path, capsys):
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    words = ["evaluate", "--model", folder, "--n", 4, "--steps", 2, "--cache", tmp_path, "--save"]
    words += ["--guidance", "cfg", "--scale", 1, 2, "--label", 3]
    assert main([*map(str, words)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    kept = results.current(folder, "classes")
    assert [it["protocol"]["request"]["guidance_scale"] for it in kept] in ([1, 2], [2, 1])
    card = (folder / "README.md").read_text(encoding="utf-8")
    for it in kept:
        scale = it["protocol"]["request"]["guidance_scale"]
        row = f"| {scale:g} | {it['accuracy']:.1%} ± {it['error']:.1%} | {it['distance']:.2f} |"
        assert row in rows
        assert f"- {inspection.words(it)}" in card
        assert f"s = {scale:g}" in inspection.words(it)


def test_the_bound_is_that_of_the_first_test_images(model, root):
    found = last(inspection.measure_bound(model, n=7, evaluations=1000, seed=3, root=root))
    # Term by term, from the file itself.
    raw = (root / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    x0 = torch.tensor(list(raw[: 7 * 64])).view(7, 1, 8, 8) / 127.5 - 1
    labels = (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()[8:15]
    predict, noise = model.denoiser(list(labels), "float32"), model.noise(3, range(7))
    bits, losses = prior_bits(model.schedule, x0), []
    for t in range(50):
        x = q_sample(model.schedule, x0, t, noise(51 + t))
        eps = predict(x, t).eps
        bits = bits + step_bits(model.schedule, x0, x, t, eps)
        losses.append(float((eps - noise(51 + t)).square().mean()))
    assert found["bits"] == pytest.approx(float(bits.mean()), rel=1e-5)
    assert found["error"] == pytest.approx(float(bits.std()) / 7**0.5, rel=1e-4)
    assert found["losses"][0] == pytest.approx(np.mean(losses[:12]), rel=1e-4)
    assert found["bits"] == pytest.approx(found["prior"] + sum(found["quarters"]))
    assert found["protocol"]["evaluations"] == 50 and found["protocol"]["n"] == 7
    assert "± " in inspection.words(found) and "were drawn" not in inspection.words(found)
    with pytest.raises(InvalidInput, match="n must be between 1 and 100"):
        last(inspection.measure_bound(model, n=101, root=root))


def test_the_neighbours_are_the_nearest_training_images(model, root, tmp_path):
    request = Request(n=5, steps=3, dtype="float32", seed=2)
    options = {"space": "pixels", "root": root, "home": tmp_path, "k": 2}
    *steps, (found, pairs) = inspection.measure_neighbours(model, request, **options)
    looked = [it.done for it in steps if it.what == "neighbours"]
    assert looked and looked == sorted(set(looked))  # once through the training images
    train = data.load("mnist", "train", root).pixels.permute(0, 2, 3, 1).numpy()
    samples = sample(model, request)

    def apart(a, b):
        return np.sqrt(((a.astype(float) - b) / 255) ** 2).reshape(len(b), -1)

    least = sorted(
        np.sqrt((apart(one, train) ** 2).sum(1)).min() for one in samples.astype(np.int16)
    )
    assert found["least"] == pytest.approx(least[0], abs=0.02)
    assert found["median"] == pytest.approx(least[2], abs=0.02)
    assert pairs.shape == (5, 3, 8, 8, 1)
    distances = np.sqrt((((pairs[:, :1] / 255.0) - pairs[:, 1:] / 255.0) ** 2).sum((2, 3, 4)))
    assert (np.diff(distances[:, 0]) >= -1e-9).all() and (distances[:, 1] >= distances[:, 0]).all()
    test = data.load("mnist", "test", root).pixels.permute(0, 2, 3, 1).numpy()
    usual = [np.sqrt((apart(one, train) ** 2).sum(1)).min() for one in test.astype(np.int16)]
    assert found["memorised"] == np.mean(np.array(least) < np.quantile(usual, 0.01))
    assert found["least_of_test_images"] == pytest.approx(min(usual))
    assert found["median_of_test_images"] == pytest.approx(np.sort(usual)[(len(usual) - 1) // 2])


def test_a_model_that_gives_training_images_back_is_caught(model, root, tmp_path, monkeypatch):
    train = data.load("mnist", "train", root).pixels.permute(0, 2, 3, 1).numpy()
    monkeypatch.setattr(inspection.Shards, "sampling", lambda self: iter([train[:40]]))
    request = Request(n=40, steps=3)
    options = {"space": "pixels", "root": root, "home": tmp_path}
    found, pairs = last(inspection.measure_neighbours(model, request, **options))
    assert found["memorised"] == 1 and found["median"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])


def test_the_command_prints_the_bound_and_keeps_it(checkpoint, root, tmp_path, capsys):
    words = ["evaluate", "--bound", "--model", checkpoint, "--n", 6, "--timesteps", 5]
    assert main([*map(str, [*words, "--data-root", root, "--cache", tmp_path])]) == 0
    line, kept = capsys.readouterr().out.splitlines()
    bits = float(re.search(r"([\d.]+) ± ", line)[1])
    with open(kept) as file:
        written = json.load(file)
    assert written["bits"] == pytest.approx(bits, abs=1e-4) and written["kind"] == "bound"
    assert "the first 6 images of mnist test, 5 of 50 timesteps of each" in line
    assert "between images; which timesteps were drawn is not in it" in line
    (again,) = results.read(tmp_path / kept.split("/results/")[0], "bound")
    assert again == written


def test_what_was_not_evaluated_is_said_and_null(checkpoint, root, tmp_path, capsys):
    words = ["evaluate", "--bound", "--model", checkpoint, "--n", 1, "--timesteps", 2]
    assert main([*map(str, [*words, "--data-root", root, "--cache", tmp_path])]) == 0
    line, kept = capsys.readouterr().out.splitlines()
    assert "nan" not in line and "±" not in line
    assert "of one image: no telling how far off" in line and "not evaluated" in line

    def refuse(constant):
        raise AssertionError(constant)

    with open(kept) as file:
        written = json.load(file, parse_constant=refuse)
    assert written["error"] is None and None in written["losses"]


def test_the_command_shows_the_closest_pairs(classifiers, checkpoint, root, tmp_path, capsys):
    words = ["evaluate", "--neighbours", "--model", checkpoint, "--n", 4, "--steps", 2]
    words += ["--data-root", root, "--cache", tmp_path, "--out", tmp_path / "near.png"]
    assert main([*map(str, words)]) == 0
    printed = capsys.readouterr().out.splitlines()
    # Of those that are closer than the 1 % quantile: than all but 1 % of test images are.
    assert "samples lie closer to a training image than all but 1% of test images do" in printed[1]
    assert "ddim, 2 steps (even in t)" in printed[1]
    assert "in tiny-residual" in printed[1]  # what stands for the judge
    assert read_note(tmp_path / "near.png") == printed[1]
    assert main([*map(str, [*words[:-1], tmp_path / "near.gif"])]) == 2
    assert "ending of --out" in capsys.readouterr().err


def test_only_one_thing_is_measured_at_a_time(checkpoint):
    with pytest.raises(SystemExit):
        main(["evaluate", "--fid", "--bound", "--model", str(checkpoint)])
