"""Judges: their networks; what is learned how fast, by which answers, and what is kept."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ddpm_core import checkpoints, data
from ddpm_core.classifier_trainer import test
from ddpm_core.errors import InvalidInput
from ddpm_core.muon import orthogonal
from lab.measure.features import Features, classifier_features
from lab.measure.judge_trainer import ITERATIONS, Muon
from lab.measure.judges import WhitenedNet
from lab.measure.results import fingerprint
from lab.publish.ship import ship
from tests.support.classifier_runs import JUDGE, SIDE_BY_SIDE, trainer
from tests.support.tiny_run import assert_identical, state_of, stopping, without_the_clock
from tests.support.toys import tiny_classifier

test.__test__ = False


def test_an_ensemble_answers_with_the_mean_of_its_members_and_has_the_features_of_all():
    ensemble, x = tiny_classifier("whitened-ensemble"), torch.randn(3, 1, 8, 8)
    first, second = ensemble.net.members
    assert (first(x) - second(x)).abs().max() > 1e-3
    torch.testing.assert_close(ensemble.net(x), (first(x) + second(x)) / 2)
    features = torch.cat([first.features(x), second.features(x)], dim=1)
    assert torch.equal(ensemble.features(x), features)


def test_whitened_patches_have_no_correlations_and_one_variance():
    torch.manual_seed(0)
    noise = torch.randn(200, 3, 9, 9)
    x = 0.3 * (noise + noise.roll(1, 3) + noise.sum(1, keepdim=True))  # neighbours are alike
    net = WhitenedNet(image_size=9, in_channels=3, num_classes=2, channels=(4,))
    before = net.patches(x).transpose(0, 1).flatten(1).cov()
    net.whiten(x)
    outputs = net.patches(x).transpose(0, 1).flatten(1)
    positive, negative = outputs.chunk(2)
    torch.testing.assert_close(positive.cov(), torch.eye(12), rtol=0, atol=0.05)
    assert not torch.allclose(before[:12, :12], torch.eye(12), atol=0.05)
    bias = net.patches.bias[:, None]
    torch.testing.assert_close(negative - bias[12:], bias[:12] - positive, rtol=1e-4, atol=1e-4)


def test_a_mirror_image_is_judged_like_the_image_and_both_count_the_same():
    torch.manual_seed(0)
    sizes = {"image_size": 16, "in_channels": 1, "num_classes": 3, "channels": (16,)}
    net = WhitenedNet(**sizes, mirror=True).eval()
    plain = WhitenedNet(**sizes).eval()
    plain.load_state_dict(net.state_dict())
    x = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(net(x), (plain(x) + plain(x.flip(-1))) / 2)
    torch.testing.assert_close(net.features(x), net.features(x.flip(-1)))
    assert not torch.allclose(plain(x), plain(x.flip(-1)), atol=1e-4)
    # In training the images come mirrored or not already.
    torch.testing.assert_close(net.train()(x), plain.train()(x))


def test_the_features_of_a_judge_are_what_its_last_layer_sees():
    pictures = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
    judge = checkpoints.load_classifier("mnist-judge")
    net = classifier_features(judge)
    features = net.features(pictures)
    assert (features.shape, features.dtype) == ((6, 128), torch.float64)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    log_probs = judge.net.head(features.float()).log_softmax(1)
    torch.testing.assert_close(log_probs, judge.log_probs(x), rtol=1e-4, atol=1e-4)
    assert (net.name, net.mark) == ("mnist-judge", fingerprint(judge.net))
    ensemble = classifier_features(tiny_classifier("whitened-ensemble"))
    assert ensemble.layer == "the penultimate layers of 2 networks"
    broken = Features("it", "x", "0", lambda images: images.flatten(1) * torch.nan)
    with pytest.raises(InvalidInput, match="not finite"):
        broken.features(pictures)


def test_a_stopped_and_resumed_judge_ends_with_the_same_bits_and_says_what_it_is(
    mnist_root, tmp_path
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trainer(whole, mnist_root, JUDGE).run()
    stopping(trainer(parts, mnist_root, JUDGE), 4).run()
    trainer(parts, mnist_root, JUDGE).run()
    assert_identical(*(without_the_clock(state_of(folder)) for folder in (parts, whole)))
    judge = checkpoints.load_classifier(whole / "checkpoint")
    augmentation = {"shift": 2, "rotate": 10, "zoom": 0.1, "cutout": 3}
    assert judge.config.preprocessing == {"range": [-1, 1]} | augmentation
    card = (whole / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "with shortcuts, each answer the mean over an image and its mirror image" in card
    assert "the mean of 3 networks: convolutions" in card


def test_a_judge_learns_all_but_its_first_layer_which_is_made_of_the_images(mnist_root, tmp_path):
    run = trainer(tmp_path, mnist_root, JUDGE)
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    for _ in range(3):
        run._train_step()
    after = run.model.state_dict()
    same = [key for key in before if torch.equal(before[key], after[key])]
    assert same == [f"members.{k}.patches.weight" for k in range(3)]
    x, _ = run.images.batch(torch.arange(len(run.images)))
    layer = run.config.build()[0].members[0].patches
    layer.load_state_dict({k: before[f"members.0.patches.{k}"] for k in ("weight", "bias")})
    variances = layer(x).transpose(0, 1).flatten(1)[:4].cov().diagonal()
    torch.testing.assert_close(variances, torch.ones(4), rtol=0, atol=0.1)


def test_the_members_of_an_ensemble_learn_each_by_its_own_answers(mnist_root, tmp_path):
    """The gradient of one is that of its own loss, as if it were alone, but for their number."""
    changes = {"shift": 0, "rotate": 0, "zoom": 0, "cutout": 0, "label_smoothing": 0.1}
    changes |= {"classifier": SIDE_BY_SIDE | {"dropout": 0}}
    run = trainer(tmp_path, mnist_root, JUDGE | changes)
    x, labels = run.images.batch(run._indices())
    second = run.model.members[1]
    together = torch.autograd.grad(run._batch_loss(), second.head.weight)[0]
    loss = F.cross_entropy(second(x), labels, label_smoothing=0.1)
    alone = torch.autograd.grad(loss, second.head.weight)[0]
    torch.testing.assert_close(3 * together, alone)


def test_what_is_kept_in_half_precision_is_what_was_tested(mnist_root, tmp_path):
    trainer(tmp_path / "run", mnist_root, JUDGE, half=True).run()
    trainer(tmp_path / "as it was", mnist_root, JUDGE).run()
    shipped = ship(tmp_path / "run", home=tmp_path / "shipped")
    whole, half, shipped_size = (
        (folder / checkpoints.WEIGHTS).stat().st_size
        for folder in (tmp_path / "as it was/checkpoint", tmp_path / "run/checkpoint", shipped)
    )
    assert half == shipped_size < 0.6 * whole
    judge, images = checkpoints.load_classifier(shipped), data.load("mnist", "test", mnist_root)
    exact = state_of(tmp_path / "run")["ema"]
    assert_identical(dict(judge.net.state_dict()), {k: v.half().float() for k, v in exact.items()})
    torch.rand(7)
    assert test(judge, images) == judge.training["test"]


def test_a_kernel_moves_by_a_share_of_itself_whatever_the_scale_of_it_and_of_its_gradients():
    def step(weight, *gradients):
        weight = torch.nn.Parameter(weight.clone())
        group = {"params": [weight], "orthogonal": True}
        muon = Muon([group], 0.1, momentum=0.85, dtype=torch.float32)
        for weight.grad in gradients:
            muon.step()
        return weight.detach()

    weight, *gradients = torch.randn(3, 16, 8, 3, 3)
    expected, past = weight, 0
    for gradient in gradients:
        past = 0.85 * past + gradient
        ahead = (gradient + 0.85 * past).flatten(1)
        scaled = expected * 16**0.5 / expected.norm()
        expected = scaled - 0.1 * orthogonal(ahead, ITERATIONS).view_as(weight)
    result = step(weight, *gradients)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(step(9 * weight, *(1e-4 * g for g in gradients)), result)
