"""Checkpoints: a round trip without loss, and every kind of damage by name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from ddpm_core import NoiseSchedule, Request, UNet, checkpoints, sample, save
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.schedules import Schedule
from tests.support.toys import (
    TRAINING,
    save_tiny_checkpoint,
    save_tiny_classifier,
    tiny_classifier,
    tiny_config,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(checkpoint, tmp_path):
    """A copy of the checkpoint, to be damaged."""
    return shutil.copytree(checkpoint, tmp_path / "copy")


# --- the way there and back ---


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("classes", "null_class"), [(0, False), (3, True), (3, False)])
def test_a_saved_model_comes_back_with_the_same_outputs(tmp_path, prediction, classes, null_class):
    config = tiny_config(classes, null_class=null_class, prediction=prediction)
    unet, schedule = config.build()
    checkpoints.write_folder(tmp_path / "it", config, unet.state_dict(), TRAINING)
    model = checkpoints.load(tmp_path / "it")
    assert (model.name, model.shape) == ("it", (1, 8, 8))
    assert model.config == config.complete()
    assert model.schedule.betas.tolist() == schedule.betas.tolist()
    assert model.training == TRAINING
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([3, 40])
    labels = torch.tensor([0, 2]) if classes else None
    unet.eval()
    with torch.no_grad():
        assert torch.equal(model.unet(x, t, labels), unet(x, t, labels))
    checkpoints.write_folder(tmp_path / "it", config, unet.bfloat16().state_dict())
    tensors = load_file(tmp_path / "it" / "model.safetensors").values()
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_a_network_of_ones_own_is_saved_in_one_call(tmp_path):
    """A record is optional: the card says what is not known, and it grants no licence."""
    unet = UNet(image_size=8, channels=[4, 8], groups=2, num_classes=2)
    schedule = NoiseSchedule.make("cosine", 30)
    folder = save(tmp_path / "mine", unet, schedule, "v_prediction")
    model = checkpoints.load(folder)
    assert (model.name, model.classes) == ("mine", ["0", "1"])
    assert model.config.prediction_type == "v_prediction" and model.training == {}
    assert model.schedule.betas.tolist() == schedule.betas.tolist()
    assert torch.equal(model.unet.conv_in.weight, unet.conv_in.weight)
    card = (folder / "README.md").read_text()
    assert "trained on data that are not recorded" in card and "Not recorded." in card
    assert ModelCard(card).data.license is None and ModelCard(card).data.datasets is None
    options = {"classes": ["dog", "cat"], "dataset": "my photos", "license": "mit"}
    options |= {"training": {"commit": "abcdef0"}}
    card = (save(folder, unet, schedule, "epsilon", **options) / "README.md").read_text()
    assert ModelCard(card).data.license == "mit"
    assert "| commit | abcdef0 |" in card and "| hardware | not recorded |" in card
    assert "Classes: dog, cat." in card and "trained on my photos" in card


def test_a_schedule_of_ones_own_comes_back(tmp_path):
    unet = UNet(image_size=8, channels=[4, 8], groups=2)
    schedule = NoiseSchedule(np.linspace(0.01, 0.3, 20) ** 1.5, "mine")
    model = checkpoints.load(save(tmp_path / "mine", unet, schedule, "epsilon"))
    assert model.schedule.betas.tolist() == schedule.betas.tolist()
    sample(model, Request(n=1, steps=2))


def test_what_could_not_be_loaded_again_is_not_saved(tmp_path):
    unet, schedule = UNet(image_size=8, channels=[4, 8], groups=2), NoiseSchedule.make("linear", 20)
    folder, other = tmp_path / "mine", Schedule([0.9, 0.5], [1.0, 2.0])
    with pytest.raises(InvalidInput, match="a Linear cannot be rebuilt"):
        save(folder, torch.nn.Linear(2, 2), schedule, "epsilon")
    with pytest.raises(InvalidInput, match="a Mine cannot be rebuilt"):
        save(folder, type("Mine", (UNet,), {})(**unet.config), schedule, "epsilon")
    with pytest.raises(InvalidInput, match="0 classes but 1 names"):
        save(folder, unet, schedule, "epsilon", classes=["dog"])
    with pytest.raises(InvalidInput, match="only a schedule of betas"):
        save(folder, unet, other, "epsilon")
    for training in ({"recipe": "mine"}, {"steps": "many"}, {"loss": torch.ones(1)}):
        with pytest.raises(InvalidInput, match="of a training"):
            save(folder, unet, schedule, "epsilon", training=training)
    assert not folder.exists()


# --- damage ---


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def with_pickle(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "model.bin")


def with_tensor(name, value):
    def change(folder):
        path = folder / "model.safetensors"
        save_file(load_file(path) | {name: value}, path)

    return change


def with_content(file, content):
    return lambda folder: (folder / file).write_bytes(content)


def with_config(**changes):
    return with_content("config.json", json.dumps(vars(tiny_config()) | changes).encode())


MODEL = ["config.json", "no valid model"]
DAMAGE = [
    (lambda folder: (folder / "config.json").unlink(), ["config.json", "missing"]),
    (cut, ["model.safetensors", "truncated"]),
    (with_pickle, ["model.bin", "pickle", "only safetensors"]),
    (with_tensor("conv_in.weight", torch.zeros(4, 3, 3, 3)), ["[4, 3, 3, 3]", "[4, 1, 3, 3]"]),
    (with_tensor("surplus", torch.zeros(2)), ["surplus", "do not fit"]),
    (with_tensor("conv_out.bias", torch.full((1,), float("nan"))), ["conv_out.bias", "not finite"]),
    (with_tensor("conv_out.bias", torch.zeros(1).to(torch.float8_e4m3fn)), ["float8_e4m3fn"]),
    (with_content("config.json", b'{"model": '), ["config.json", "not valid JSON"]),
    (with_content("training.json", b"[]"), ["training.json"]),
    (with_config(scheduler={}), ["config.json"]),
    (with_config(schedule={"kind": "staircase"}), MODEL),
    (with_config(prediction_type="sample"), MODEL),
    (with_config(classes=["one"]), MODEL),
    (with_config(model=tiny_config().model | {"out_channels": 3}), MODEL),
    (with_config(model=tiny_config().model | {"image_size": None}), [*MODEL, "image_size"]),
    (with_config(sampling={"variance": "learned"}), [*MODEL, "learned none"]),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGE)
def test_damage_is_named(folder, damage, words):
    damage(folder)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(folder)
    for word in (folder.name, *words):
        assert word in str(caught.value)


# --- by name ---


def test_the_folder_of_a_run_is_a_model_under_its_own_name(tmp_path):
    inner = save_tiny_checkpoint(tmp_path / "mine" / "checkpoint")
    assert checkpoints.find(tmp_path / "mine") == inner
    assert {checkpoints.load(path).name for path in (inner.parent, str(inner.parent), inner)} == {
        "mine"
    }


def test_models_of_another_home_load_without_an_algebra_system_and_films(checkpoint):
    """Each of these libraries adds a second to every start."""
    script = "import sys, ddpm_core; ddpm_core.load('tiny')"
    script += "; print(ddpm_core.available(), {'sympy', 'av', 'imageio'} & {*sys.modules})"
    env = os.environ | {"DDPM_CHECKPOINTS": str(checkpoint.parent)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['tiny'] set()"


def test_a_dot_is_the_folder_where_one_stands(folder, checkpoint, monkeypatch):
    monkeypatch.chdir(folder)
    assert checkpoints.find("./", checkpoint.parent).samefile(folder)
    assert checkpoints.find("..", checkpoint.parent).samefile(folder.parent)


@pytest.mark.parametrize("name", ["nobody", "", "x" * 5000], ids=lambda name: name[:6])
def test_an_unknown_name_lists_the_known_ones(checkpoint, name):
    with pytest.raises(CheckpointError, match="shipped: tiny"):
        checkpoints.load(name, checkpoint.parent)
    with pytest.raises(CheckpointError, match=r"none in nowhere/ \(set DDPM_CHECKPOINTS"):
        checkpoints.load(name, Path("nowhere"))


# --- labels and precision ---


def test_what_a_denoiser_cannot_be_of_is_refused(model, plain, tmp_path):
    for label in (10, -1, 0.5):
        with pytest.raises(InvalidInput, match="class must be 0 to 9"):
            model.denoiser([0, label])
    with pytest.raises(InvalidInput, match="add up to 1"):
        model.denoiser([{0: 2.0, 1: 3.0}])
    with pytest.raises(InvalidInput, match="knows no classes"):
        plain.denoiser([3])
    folder = save_tiny_checkpoint(tmp_path / "labelled-only", classes=3, null_class=False)
    with pytest.raises(InvalidInput, match="null class"):
        checkpoints.load(folder).denoiser([1, None])
    with pytest.raises(InvalidInput, match="2 labels for 3 images"):
        model.denoiser([1, 2], "float32")(torch.zeros(3, 1, 8, 8), 40)


def test_no_label_is_the_null_class(model):
    """Each image is predicted for its class; without a class it is unconditional."""
    x, t = torch.randn(3, 1, 8, 8), torch.full((3,), 40)
    for labels, classes in (([4, None, 0], [4, 10, 0]), ([None] * 3, [10] * 3), (None, [10] * 3)):
        expected = model.unet(x, t, torch.tensor(classes))
        torch.testing.assert_close(model.denoiser(labels, "float32")(x, 40).eps, expected)
    assert not model.denoiser(None, "float32")(x, 40).eps.requires_grad


def test_bfloat16_is_close_and_the_last_steps_are_float32(model):
    x = torch.randn(2, 1, 8, 8)
    full, reduced = (model.denoiser([1, 2], dtype) for dtype in ("float32", "bfloat16"))
    assert torch.equal(full(x, 19).eps, reduced(x, 19).eps)
    high, low = full(x, 20).eps, reduced(x, 20).eps
    assert not torch.equal(high, low)
    torch.testing.assert_close(low, high, rtol=0.05, atol=0.05)


# --- classifiers ---


@pytest.mark.parametrize("kind", ["conv", "encoder", "residual", "whitened-ensemble"])
def test_a_saved_classifier_comes_back_with_the_same_answers(tmp_path, kind):
    before = tiny_classifier(kind)
    after = checkpoints.load_classifier(save_tiny_classifier(tmp_path / "it", kind))
    assert after.name == "it"
    assert after.config == before.config
    assert after.training == TRAINING
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(after.log_probs(x, 0.5), before.log_probs(x, 0.5))


def test_models_and_classifiers_are_listed_apart_readable_or_not(checkpoint, tmp_path):
    home = tmp_path
    shutil.copytree(checkpoint, home / "model")
    (home / "half-written").mkdir()
    (home / "half-written" / "config.json").write_text("{}")
    for name in ("guide", "judge"):
        save_tiny_classifier(home / name)
    assert checkpoints.available(home) == ["model"]
    assert checkpoints.load("model", home).name == "model"
    assert checkpoints.available_classifiers(home) == ["guide", "judge"]
    assert checkpoints.available_classifiers(home / "nowhere") == []
    with pytest.raises(CheckpointError, match="'nobody'; shipped: guide, judge"):
        checkpoints.load_classifier("nobody", home)
    # Neither loads as the other.
    with pytest.raises(CheckpointError, match="guide holds a classifier"):
        checkpoints.load("guide", home)
    with pytest.raises(CheckpointError, match="model holds a diffusion model, no classifier"):
        checkpoints.load_classifier("model", home)
    (home / "model" / "config.json").write_text("[1")
    assert checkpoints.available(home) == ["model"]
