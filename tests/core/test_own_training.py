"""Training with one's own tensors, loader, loss or optimizer, or from another's weights."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from ddpm_core import (
    Images,
    InvalidInput,
    Recipe,
    Request,
    Trainer,
    data,
    load,
    read_note,
    sample,
    save,
)
from ddpm_core.__main__ import main
from ddpm_core.diffusion import denoising_loss

pytestmark = pytest.mark.usefixtures("no_sample_grids")
NETWORK = {"channels": [4, 8], "groups": 2, "time_channels": 8}
SHORT = Recipe(
    model=NETWORK,
    schedule={"kind": "linear", "num_timesteps": 20},
    steps=4,
    batch_size=8,
)


def trainer(folder, recipe=SHORT, **more) -> Trainer:
    return Trainer(recipe, folder, bf16=False, quiet=True, **more)


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)


# --- data ---


def test_a_tensor_is_learned_from_and_a_tenth_of_it_held_out(pixels, tmp_path):
    run = trainer(tmp_path / "mine", images=pixels)
    assert (len(run.images), len(run.validation.images)) == (45, 5)
    run.run()
    model = load(tmp_path / "mine")
    assert (model.name, model.shape, model.config.dataset) == ("mine", (3, 8, 8), "")
    assert (model.training["steps"], model.training["training_set"]) == (4, 45)
    assert model.training["command"].startswith("not recorded")  # no command repeats this
    assert sample(model, Request(n=2, steps=2)).shape == (2, 8, 8, 3)
    as_floats = trainer(tmp_path / "floats", images=data.to_unit(pixels).double())
    as_floats.run()
    assert torch.equal(as_floats.ema["conv_in.weight"], run.ema["conv_in.weight"])


def test_a_data_loader_is_taken_batch_by_batch(pixels, tmp_path):
    sizes = []

    def loss(network, schedule, x0, t, noise, labels):
        sizes.append(len(x0))
        return denoising_loss(network, schedule, x0, t, noise)

    dataset = TensorDataset(data.to_unit(pixels), torch.arange(50) % 2)
    loader = DataLoader(dataset, batch_size=16, drop_last=True)
    run = trainer(tmp_path, images=loader, loss=loss)
    assert run.recipe.batch_size == 16 and run.steps_per_epoch == 3
    run.run()
    assert sizes[:4] == [16] * 4  # more than the loader has, so it began anew
    # Nothing was held out: the batch that the loss is measured on was learned from too.
    assert load(tmp_path).training["held_out"] == 0
    assert "on images that it learned from" in (tmp_path / "checkpoint" / "README.md").read_text()


def test_a_loaders_classes_are_those_of_its_dataset(pixels, tmp_path):
    dataset = TensorDataset(pixels, torch.arange(50) // 16)
    loader, recipe = DataLoader(dataset, batch_size=16), replace(SHORT, conditional=True)
    run = trainer(tmp_path / "unnamed", recipe, images=loader)
    with pytest.raises(InvalidInput, match="label 1 of 1 known classes"):
        run.run()
    trainer(tmp_path / "unconditional", images=loader).run()  # labels may be any
    dataset.classes = ["dog", "cat", "owl", "fox"]
    trainer(tmp_path / "named", recipe, images=loader).run()
    assert load(tmp_path / "named").classes == ["dog", "cat", "owl", "fox"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(20, 3, 8, 8), r"go from .* to .*take 2 \* x - 1"),
        (torch.zeros(20, 1, 8, 9, dtype=torch.uint8), r"\(N, C, S, S\)"),
        ((torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.zeros(19)), "as many labels"),
        ((torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.arange(20) - 1), "one of -1"),
        ((torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.rand(20)), "whole numbers"),
        ([], "gives no batches"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_words(images, message, tmp_path):
    with pytest.raises(InvalidInput, match=message):
        trainer(tmp_path, images=images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditional": True}, "give their labels too"),
        ({"model": NETWORK | {"image_size": 28}}, "image_size is 28 in the recipe, 8 in the data"),
        ({"model": NETWORK | {"in_channels": 1}}, "in_channels is 1 in the recipe, 3 in the data"),
    ],
)
def test_a_recipe_that_does_not_fit_its_images_is_refused(pixels, change, message, tmp_path):
    with pytest.raises(InvalidInput, match=message):
        trainer(tmp_path, replace(SHORT, **change), images=pixels)


def test_a_loss_of_one_value_is_refused_before_anything_is_learned(pixels, tmp_path):
    run = trainer(tmp_path, images=pixels, loss=lambda net, *_: net.conv_in.weight.mean())
    with pytest.raises(InvalidInput, match="one value per image"):
        run.run()
    assert run.step == 0


def test_a_folder_keeps_to_its_images_and_to_its_model(pixels, tmp_path):
    trainer(tmp_path / "run", images=pixels).run()
    assert trainer(tmp_path / "run", images=pixels).step == 4
    with pytest.raises(InvalidInput, match="on other images"):
        trainer(tmp_path / "run", images=255 - pixels)
    model = load(tmp_path / "run")
    with pytest.raises(InvalidInput, match="holds a run"):
        save(tmp_path / "run", model.unet, model.schedule, "epsilon")
    saved = save(tmp_path / "saved", model.unet, model.schedule, "epsilon")
    with pytest.raises(InvalidInput, match="holds a checkpoint"):
        trainer(saved, images=pixels)


def test_images_that_lie_class_by_class_are_judged_by_all_classes(tmp_path):
    pixels, labels = torch.zeros(20_000, 1, 8, 8, dtype=torch.uint8), torch.arange(10)
    recipe = replace(SHORT, conditional=True)
    run = trainer(tmp_path, recipe, images=(pixels, labels.repeat_interleave(2000)))
    assert len(run.validation.images.labels.unique()) == 10


def test_the_seed_decides_in_which_order_a_loader_gives_its_images(pixels, tmp_path):
    def weights(name):
        loader = DataLoader(TensorDataset(data.to_unit(pixels)), batch_size=10, shuffle=True)
        run = trainer(tmp_path / name, images=loader)
        run.run()
        return run.ema["conv_in.weight"]

    assert torch.equal(weights("first"), weights("again"))


def test_a_pair_may_be_a_list_of_any_floats(pixels, tmp_path):
    halves = [data.to_unit(pixels).bfloat16(), torch.arange(50) % 2]
    run = trainer(tmp_path, replace(SHORT, conditional=True), images=halves)
    assert run.images.pixels.dtype == torch.float32 and run.config.classes == ["0", "1"]


def test_the_card_of_own_images_names_a_dataset_as_the_hub_wants_it(pixels, tmp_path):
    for name in ("mnist", "my photos"):  # the default names none
        run = trainer(tmp_path / name, replace(SHORT, dataset=name), images=pixels)
        run.run()
        card = ModelCard.load(tmp_path / name / "checkpoint" / "README.md")
        (result,) = card.data.eval_results
        assert re.fullmatch(r"[\w.-]+", result.dataset_type) and result.dataset_name


# --- how it learns ---


def test_whatever_number_a_watch_returns_is_kept_and_read_again(pixels, tmp_path):
    numbers = [{}, {"bright": np.float64(0.5)}, {"bright": torch.tensor(0.25)}, None]
    run = trainer(tmp_path, images=pixels, watch=lambda model: numbers.pop())
    run.validate_every = 1
    run.run()
    again = trainer(tmp_path, images=pixels)
    assert [row.get("bright") for row in again.history] == [None, 0.25, 0.5, None]


def test_loss_optimizer_and_progress_are_the_callers(pixels, tmp_path):
    reports, losses = [], []

    def loss(network, schedule, x0, t, noise, labels):
        values = (network(x0, t, labels) - x0).abs().flatten(1).mean(1)
        losses.append(float(values.detach().mean()))
        return values

    run = trainer(
        tmp_path,
        images=pixels,
        loss=loss,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.9),
        progress=lambda *report: reports.append(report),
    )
    run.run()
    assert [(step, total) for step, total, _ in reports] == [(k, 4) for k in (1, 2, 3, 4)]
    assert [value for *_, value in reports] == pytest.approx(losses[:4])
    assert run.optimizer.param_groups[0]["lr"] == SHORT.lr  # that of the recipe


# --- with the weights of another ---


@pytest.fixture
def folder_of(tmp_path):
    """Write pictures of several sizes, in class folders of these names or in none."""

    def write(name, *classes):
        for number in range(40):
            inner = tmp_path / name / (classes[number % len(classes)] if classes else "")
            inner.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8 + number % 5, 12, 3), 6 * number, np.uint8)
            Image.fromarray(pixels).save(inner / f"{number}.png")
        return tmp_path / name

    return write


def output(model_or_net, labels) -> torch.Tensor:
    with torch.no_grad():
        return model_or_net.eval()(torch.ones(1, 3, 8, 8), torch.tensor([5]), labels)


def test_a_fine_tuning_begins_as_its_model_of_any_classes(pixels, tmp_path, folder_of):
    conditional = replace(SHORT, conditional=True, p_uncond=0.2, lr=0.05, ema=0.0)
    images = Images(pixels, torch.arange(50) % 2, ("dog", "cat"))
    trainer(tmp_path / "first", conditional, images=images).run()
    model = load(tmp_path / "first")
    recipe = Recipe(dataset=str(folder_of("photos", "cat", "owl")), conditional=True, p_uncond=0.2)
    recipe = replace(recipe, steps=2, batch_size=8).like(model)
    run = trainer(tmp_path / "second", recipe, finetune=model)
    assert (run.config.classes, run.config.dataset) == (["cat", "owl"], "photos")
    cat, no_class = output(model.unet, torch.tensor([1])), output(model.unet, None)
    torch.testing.assert_close(output(run.model, torch.tensor([0])), cat)  # known by its name
    for label in (torch.tensor([1]), torch.tensor([2])):  # an owl is new, and so is no class
        torch.testing.assert_close(output(run.model, label), no_class)
    run.run()
    card = (tmp_path / "second" / "checkpoint" / "README.md").read_text()
    assert "trained from the weights of first, on photos" in card
    # Without classes it begins as the model does without a class; and the other way round.
    unconditional = replace(recipe, conditional=False, p_uncond=0.0)
    third = trainer(tmp_path / "third", unconditional, finetune=model)
    torch.testing.assert_close(output(third.model, None), no_class)
    third.run()
    model = load(tmp_path / "third")
    fourth = trainer(tmp_path / "fourth", recipe, finetune=model)
    for label in (None, torch.tensor([0])):
        torch.testing.assert_close(output(fourth.model, label), output(model.unet, None))


def test_a_run_keeps_to_the_weights_and_the_optimizer_that_it_began_with(pixels, tmp_path):
    for name in ("one", "two"):
        trainer(tmp_path / name, images=pixels).run()
    first, second = load(tmp_path / "one"), load(tmp_path / "two")
    recipe = SHORT.like(first)
    trainer(tmp_path / "run", recipe, images=pixels, finetune=first).run()
    trainer(tmp_path / "run", recipe, images=pixels, finetune=first)
    for change, message in (
        ({"finetune": second}, "began with other weights"),
        ({"optimizer": torch.optim.SGD}, "by another optimizer"),
    ):
        with pytest.raises(InvalidInput, match=message):
            trainer(tmp_path / "run", recipe, images=pixels, **change)


def test_another_network_is_not_fine_tuned(pixels, tmp_path):
    trainer(tmp_path / "first", images=pixels).run()
    wider = replace(SHORT, model=NETWORK | {"channels": [8, 8]})
    other = replace(SHORT, schedule={"kind": "cosine"}, prediction_type="v_prediction")
    for recipe, what in ((wider, "network"), (other, "schedule and prediction type")):
        with pytest.raises(InvalidInput, match=f"first has another {what} than this run"):
            trainer(tmp_path / "second", recipe, images=pixels, finetune=load(tmp_path / "first"))
    with pytest.raises(InvalidInput, match="first makes pictures of 3 channels, not of 1"):
        trainer(tmp_path / "second", images=pixels[:, :1], finetune=load(tmp_path / "first"))


def test_the_command_trains_fine_tunes_and_samples_a_folder_by_its_path(
    folder_of, tmp_path, capsys, monkeypatch
):
    photos, out = folder_of("my photos"), tmp_path / "runs" / "first"
    base = ["--no-bf16", "--threads", "1", "--batch-size", "8", "--steps", "3"]
    network = ["--channels", "4", "8", "--timesteps", "20"]
    train = ["train", "--dataset", str(photos), *base]
    assert main([*train, *network, "--out", str(out)]) == 2
    assert "no square; --size 32" in capsys.readouterr().err
    assert main([*train, *network, "--size", "8", "--out", str(out)]) == 0
    assert f"the model: {out}" in capsys.readouterr().out
    model, card = load(out), (out / "checkpoint" / "README.md").read_text()
    assert model.config.preprocessing["size"] == 8
    assert f"| data | {model.training['source']} |" in card and "(PNG)" in card
    assert str(tmp_path) not in (out / "checkpoint" / "training.json").read_text()
    monkeypatch.chdir(tmp_path)
    assert main([*train, "--finetune", str(out)]) == 0  # in its size, named after its pictures
    assert load("runs/my photos").training["finetuned"] == "first"
    card = Path("runs/my photos/checkpoint/README.md").read_text()
    assert "sample --model 'runs/my photos' --n" in card  # as it stands it can be run
    assert main(["sample", "runs/my photos", "--n", "2", "--steps", "2", "--out", "a.png"]) == 0
    assert main([*train, "--finetune", str(out), "--schedule", "cosine"]) == 2
    assert "--schedule is that of" in capsys.readouterr().err
    assert main([*train, "--finetune", str(out), "--conditional", "--out", "x"]) == 2
    assert "my photos has no classes" in capsys.readouterr().err


def test_a_class_is_asked_for_by_its_name(model, tmp_path, capsys):
    names, out = ["Dog", "sea horse", *map(str, range(2, 10))], tmp_path / "a.npz"
    folder = save(tmp_path / "named", model.unet, model.schedule, "epsilon", classes=names)
    command = ["sample", str(folder), "--n", "1", "--steps", "2", "--out", str(out)]
    for label, number in (("dog", 0), ("Sea Horse", 1), ("9", 9)):
        assert main([*command, "--label", label]) == 0
        assert np.load(out)["labels"].tolist() == [number]
    assert main([*command, "--label", "wolf"]) == 2
    assert "'wolf'" in capsys.readouterr().err
    beside = ["--beside", "label=sea horse"]
    assert main([*command[:-1], str(tmp_path / "a.png"), "--label", "dog", *beside]) == 0
    note = json.loads(read_note(tmp_path / "a.png"))
    assert (note["label"], note["beside"]) == (0, [{"label": 1}])
