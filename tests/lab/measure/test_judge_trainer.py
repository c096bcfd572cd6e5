"""Training judges: what is learned how fast, by which answers, and what is kept."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ddpm_core import checkpoints, data
from ddpm_core.classifier_trainer import test
from ddpm_core.errors import InvalidInput
from ddpm_core.training import learning_rate
from lab.measure.judge_trainer import JudgeRecipe
from lab.publish.ship import ship
from tests.support.classifier_runs import CLEAN, MUON, SIDE_BY_SIDE, STEPS, WHITENED, trainer
from tests.support.tiny_run import assert_identical, state_of

test.__test__ = False


def test_a_whitened_network_learns_all_but_its_first_layer_by_momentum(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, WHITENED)
    assert isinstance(run.optimizer, torch.optim.SGD)
    assert run.optimizer.defaults["nesterov"]
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    fresh, _ = run.config.build()
    for _ in range(3):
        run._train_step()
    after = run.model.state_dict()
    same = [key for key in before if torch.equal(before[key], after[key])]
    assert same == ["patches.weight"]
    # It was made of the images, and not at random.
    seen = fresh.patches
    seen.load_state_dict({k: before[f"patches.{k}"] for k in ("weight", "bias")})
    x, _ = run.images.batch(torch.arange(len(run.images)))
    found = seen(x).transpose(0, 1).flatten(1)[:4].cov().diagonal()
    torch.testing.assert_close(found, torch.ones(4), rtol=0, atol=0.1)


def test_biases_of_normalisation_learn_faster_and_nothing_else_does(mnist_root, tmp_path):
    moved = {}
    for rate in (1, 8):
        run = trainer(tmp_path / str(rate), mnist_root, WHITENED, bias_rate=rate, weight_decay=0)
        before = {key: value.clone() for key, value in run.model.named_parameters()}
        run._train_step()
        moved[rate] = {k: v.detach() - before[k] for k, v in run.model.named_parameters()}
    norms = {k for k, m in run.model.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert norms
    for key, step in moved[1].items():
        module, _, kind = key.rpartition(".")
        factor = 8 if module in norms and kind == "bias" else 1
        torch.testing.assert_close(moved[8][key], factor * step, rtol=1e-4, atol=1e-7)
        assert key == "patches.weight" or step.any()


def test_what_learns_faster_decays_as_fast_as_the_rest(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, WHITENED, bias_rate=8, lr=0.1, weight_decay=0.01, warmup=0)
    for _ in range(2):
        run._train_step()
        for group in run.optimizer.param_groups:
            assert group["lr"] * group["weight_decay"] == pytest.approx(
                learning_rate(run.recipe, run.step - 1, run.total_steps) * 0.01
            )
    rates = [group["rate"] for group in run.optimizer.param_groups]
    assert rates == [1, 8]


def test_the_members_of_an_ensemble_learn_each_by_its_own_answers(mnist_root, tmp_path):
    """The gradient of one is that of its own loss, as if it were alone, but for their number."""
    plain = {"shift": 0, "rotate": 0, "zoom": 0, "cutout": 0, "label_smoothing": 0.1}
    plain |= {"classifier": SIDE_BY_SIDE | {"dropout": 0}}
    run = trainer(tmp_path, mnist_root, WHITENED | plain)
    x, labels = run.images.batch(run._indices())
    second = run.model.members[1]
    together = torch.autograd.grad(run._batch_loss(), second.head.weight)[0]
    own = F.cross_entropy(second(x), labels, label_smoothing=0.1)
    alone = torch.autograd.grad(own, second.head.weight)[0]
    torch.testing.assert_close(3 * together, alone)


def test_muon_turns_kernels_and_leaves_the_rest_to_plain_descent(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, MUON, kernel_lr=0.02, lr=0.1)
    kernels = [it for it in run.model.parameters() if it.requires_grad and it.ndim == 4]
    rest, fast, turned = run.optimizer.param_groups
    assert kernels and {id(it) for it in turned["params"]} == {id(it) for it in kernels}
    assert turned["orthogonal"] and turned["weight_decay"] == 0
    assert not (rest["orthogonal"] or fast["orthogonal"])
    run._train_step()
    assert turned["lr"] / rest["lr"] == pytest.approx(0.2)
    assert fast["lr"] / rest["lr"] == pytest.approx(4)


def test_statistics_of_batches_are_averaged_as_weights_are(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, WHITENED)
    name = next(key for key in run.ema if key.endswith("running_mean"))
    average = run.ema[name].clone()
    for step in range(3):
        run._train_step()
        decay = min(run.recipe.ema, (2 + step) / (11 + step))
        average = decay * average + (1 - decay) * run.model.state_dict()[name]
        torch.testing.assert_close(run.ema[name], average)
    assert not torch.equal(average, run.model.state_dict()[name])
    torch.testing.assert_close(run.averaged().net.state_dict()[name], average)


def test_it_can_learn_from_all_images_and_says_that_it_held_none_out(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, CLEAN, all_images=True, epochs=STEPS / 300)
    held_out = data.load("mnist", "validation", mnist_root)
    assert torch.equal(run.images.pixels[-len(held_out) :], held_out.pixels)
    assert torch.equal(run.images.labels[-len(held_out) :], held_out.labels)
    run.run()
    it = checkpoints.load_classifier(tmp_path / "checkpoint")
    assert (it.training["training_set"], it.training["held_out"]) == (len(run.images), 0)
    assert len(run.images) == len(data.load("mnist", "train", mnist_root)) + len(held_out)
    card = (tmp_path / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "for none was held out" in card
    assert "images held out of training" not in card


def test_what_is_kept_in_half_precision_is_what_was_tested(mnist_root, tmp_path):
    trainer(tmp_path / "run", mnist_root, WHITENED, half=True).run()
    trainer(tmp_path / "as it was", mnist_root, WHITENED).run()
    shipped = ship(tmp_path / "run", home=tmp_path / "shipped")
    whole, half, again = (
        (folder / checkpoints.WEIGHTS).stat().st_size
        for folder in (tmp_path / "as it was/checkpoint", tmp_path / "run/checkpoint", shipped)
    )
    assert half == again < 0.6 * whole
    it, images = checkpoints.load_classifier(shipped), data.load("mnist", "test", mnist_root)
    exact = state_of(tmp_path / "run")["ema"]
    assert_identical(dict(it.net.state_dict()), {k: v.half().float() for k, v in exact.items()})
    torch.rand(7)
    assert test(it, images) == it.training["test"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cutout": 0.5}, "cutout"),
        ({"label_smoothing": 1.1}, "label_smoothing"),
        ({"optimizer": "adam"}, "optimizer"),
    ],
)
def test_values_out_of_range_are_refused_by_name(changes, named):
    with pytest.raises(InvalidInput, match=named):
        JudgeRecipe(**changes)
