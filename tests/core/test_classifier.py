"""Classifiers: what they answer, its gradient, and noise levels of any schedule."""

import copy
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ddpm_core import Request, available_classifiers, data, load, load_classifier, sample
from ddpm_core.classifier_nets import NETS
from ddpm_core.diffusion import q_sample
from ddpm_core.errors import InvalidInput
from ddpm_core.schedules import NoiseSchedule
from tests.support.toys import TINY_NETS, tiny_classifier, tiny_classifier_config

KINDS = sorted(NETS)
SHIPPED = available_classifiers()
CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture(params=KINDS)
def classifier(request):
    return tiny_classifier(request.param)


@pytest.fixture(scope="module")
def aware():
    return tiny_classifier("encoder")


# --- what they answer ---


def test_every_kind_of_network_has_a_toy():
    assert set(TINY_NETS) == set(NETS)


def test_probabilities_sum_to_one(classifier):
    log_probs = classifier.log_probs(torch.randn(3, 1, 8, 8), 0.5)
    assert log_probs.shape == (3, 10)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(3))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "whitened-ensemble"])
def test_features_are_what_the_last_layer_sees(kind):
    classifier = tiny_classifier(kind)
    x = torch.randn(3, 1, 8, 8)
    features = classifier.features(x, 0.5)
    assert features.shape == (3, classifier.net.head.in_features)
    answer = classifier.net.head(features).log_softmax(1)
    torch.testing.assert_close(answer, classifier.log_probs(x, 0.5))


def test_an_ensemble_answers_with_the_mean_of_its_members_and_has_the_features_of_all():
    it, x = tiny_classifier("whitened-ensemble"), torch.randn(3, 1, 8, 8)
    first, second = it.net.members
    assert (first(x) - second(x)).abs().max() > 1e-3
    torch.testing.assert_close(it.net(x), (first(x) + second(x)) / 2)
    both = torch.cat([first.features(x), second.features(x)], dim=1)
    assert torch.equal(it.features(x), both)


def test_an_image_is_answered_alike_alone_and_in_a_batch(classifier):
    x = torch.randn(4, 1, 8, 8)
    alone = torch.cat([classifier.log_probs(image[None], 0.7) for image in x])
    torch.testing.assert_close(alone, classifier.log_probs(x, 0.7))


def test_half_precision_images_are_answered_in_float32(classifier):
    x = torch.randn(2, 1, 8, 8).bfloat16()
    assert torch.equal(classifier.log_probs(x), classifier.log_probs(x.float()))


def test_it_is_frozen_and_beyond_dropout():
    config = tiny_classifier_config("conv")
    config = replace(config, classifier=config.classifier | {"dropout": 0.5})
    net, _ = config.build()
    it = type(tiny_classifier("conv"))("it", config, net, None, {})
    assert not it.net.training
    assert not any(p.requires_grad for p in it.net.parameters())
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(it.log_probs(x), it.log_probs(x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [5, 7, 12])
def test_any_size_of_image_will_do(kind, size):
    it = tiny_classifier(kind, size)
    assert it.shape == (1, size, size)
    assert it.log_probs(torch.randn(2, *it.shape)).shape == (2, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_only_whitened_ones_keep_statistics_and_they_can_be_averaged_with_the_weights(kind):
    buffers = list(tiny_classifier(kind).net.buffers())
    assert bool(buffers) == kind.startswith("whitened")
    assert all(buffer.is_floating_point() for buffer in buffers)


# --- the gradient ---


def slope(function, x, step=1e-6):
    """Central differences of a scalar function of every pixel, float64."""
    found = torch.zeros_like(x)
    for place in range(x.numel()):
        shift = torch.zeros_like(x).view(-1)
        shift[place] = step
        shift = shift.view_as(x)
        found.view(-1)[place] = (function(x + shift) - function(x - shift)) / (2 * step)
    return found


def test_the_gradient_is_that_of_the_log_probability(classifier):
    net = copy.deepcopy(classifier.net).double()
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    t = classifier.timesteps(0.6, 1) if classifier.noise_aware else None
    exact = slope(lambda image: net(image, t).log_softmax(1)[0, 3], x)
    image = x.float().requires_grad_()
    classifier.log_probs(image, 0.6)[0, 3].backward()
    assert exact.abs().max() > 1e-3
    torch.testing.assert_close(image.grad, exact.float(), rtol=1e-3, atol=1e-5)


def test_the_gradient_of_one_image_knows_nothing_of_the_others(classifier):
    x = torch.randn(3, 1, 8, 8, requires_grad=True)
    classifier.log_probs(x, 0.6)[1, 3].backward()
    assert x.grad[1].abs().max() > 0
    assert not x.grad[[0, 2]].any()


# --- noise levels ---


def test_its_own_levels_are_its_own_timesteps(aware):
    t = torch.arange(50)
    abar = torch.from_numpy(aware.schedule.alphas_cumprod.copy())
    assert torch.equal(aware.timesteps(abar, 50).float(), t.float())
    x = torch.randn(50, 1, 8, 8)
    assert torch.equal(aware.log_probs(x, abar), aware.net(x, t).log_softmax(1))


def test_the_level_is_heard(aware):
    x = torch.randn(2, 1, 8, 8)
    assert not torch.allclose(aware.log_probs(x, 0.9), aware.log_probs(x, 0.1))


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_level_of_another_schedule_is_found_at_the_same_log_snr(aware, kind):
    other = NoiseSchedule.make(kind, 1000)
    t = aware.timesteps(torch.from_numpy(other.alphas_cumprod.copy()), 1000).numpy()
    assert (np.diff(t) >= 0).all()
    own = np.interp(t, np.arange(50), aware.schedule.log_snr)
    wanted = other.log_snr.clip(aware.schedule.log_snr[-1], aware.schedule.log_snr[0])
    np.testing.assert_allclose(own, wanted, rtol=1e-9, atol=1e-9)


def test_the_same_level_gives_the_same_answer_whatever_the_schedule(aware):
    abar = aware.schedule.abar(20)
    one_step = NoiseSchedule([1 - abar])
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(
        aware.log_probs(x, one_step.abar(0)), aware.net(x, torch.tensor([20])).log_softmax(1)
    )
    below, above = (aware.timesteps(a, 1).item() for a in (abar * 1.01, abar * 0.99))
    assert 19 < below < 20 < above < 21


@pytest.mark.parametrize(("abar", "t"), [(None, 0), (1, 0), (0.9999, 0), (1e-9, 49), (0, 49)])
def test_beyond_its_schedule_a_level_is_that_of_the_end(aware, abar, t):
    assert aware.timesteps(abar, 3).tolist() == [t] * 3
    x = torch.randn(1, 1, 8, 8)
    answer = aware.net(x, torch.tensor([t])).log_softmax(1)
    assert torch.equal(aware.log_probs(x, abar), answer)


def test_every_image_may_have_its_own_level(aware):
    x = torch.randn(3, 1, 8, 8)
    abar = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
    each = [aware.log_probs(x[i : i + 1], float(abar[i])) for i in range(3)]
    torch.testing.assert_close(aware.log_probs(x, abar), torch.cat(each))


@pytest.mark.parametrize("kind", ["conv", "residual", "whitened", "whitened-ensemble"])
def test_one_that_knows_clean_images_only_ignores_the_level(kind):
    it = tiny_classifier(kind)
    assert not it.noise_aware
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(it.log_probs(x, 0.1), it.log_probs(x))


# --- the first layer that is given, not learned ---


def test_whitened_patches_have_no_correlations_and_one_variance():
    torch.manual_seed(0)
    noise = torch.randn(200, 3, 9, 9)
    x = 0.3 * (noise + noise.roll(1, 3) + noise.sum(1, keepdim=True))  # neighbours are alike
    net = NETS["whitened"](image_size=9, in_channels=3, num_classes=2, channels=(4,))
    before = net.patches(x).transpose(0, 1).flatten(1).cov()
    net.whiten(x)
    seen = net.patches(x).transpose(0, 1).flatten(1)
    positive, negative = seen.chunk(2)
    torch.testing.assert_close(positive.cov(), torch.eye(12), rtol=0, atol=0.05)
    assert not torch.allclose(before[:12, :12], torch.eye(12), atol=0.05)
    bias = net.patches.bias[:, None]
    torch.testing.assert_close(negative - bias[12:], bias[:12] - positive, rtol=1e-4, atol=1e-4)


def test_its_later_layers_begin_as_the_identity_as_far_as_they_can():
    net = NETS["whitened"](image_size=16, in_channels=1, num_classes=2, channels=(16,))
    x = torch.randn(1, 8, 6, 6)
    convolutions = [layer for layer in net.blocks if isinstance(layer, nn.Conv2d)]
    torch.testing.assert_close(convolutions[0](x)[:, :8], x)
    y = torch.randn(1, 16, 6, 6)
    torch.testing.assert_close(convolutions[1](y), y)


def test_with_shortcuts_a_level_begins_as_two_convolutions_over_what_they_shorten():
    sizes = {"image_size": 16, "in_channels": 1, "num_classes": 2, "channels": (16,)}
    net = NETS["whitened"](**sizes, residual=True).eval()
    shortcut = net.blocks[5]
    y = torch.randn(1, 16, 6, 6)
    # A fresh batch normalisation only divides by sqrt(1 + its eps).
    shrunk = F.gelu(y / math.sqrt(1 + 1e-5)) / math.sqrt(1 + 1e-5)
    torch.testing.assert_close(shortcut(y), y + shrunk)
    more = sum(p.numel() for p in net.parameters())
    fewer = sum(p.numel() for p in NETS["whitened"](**sizes).parameters())
    assert more - fewer == 16 * 16 * 9 + 2 * 16


def test_a_mirror_image_is_judged_like_the_image_and_both_count_the_same():
    torch.manual_seed(0)
    sizes = {"image_size": 16, "in_channels": 1, "num_classes": 3, "channels": (16,)}
    net = NETS["whitened"](**sizes, mirror=True).eval()
    plain = NETS["whitened"](**sizes).eval()
    plain.load_state_dict(net.state_dict())
    x = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(net(x), (plain(x) + plain(x.flip(-1))) / 2)
    torch.testing.assert_close(net.features(x), net.features(x.flip(-1)))
    assert not torch.allclose(plain(x), plain(x.flip(-1)), atol=1e-4)
    # In training the images come mirrored or not already.
    torch.testing.assert_close(net.train()(x), plain.train()(x))


def test_a_whitened_network_needs_pixels_for_its_levels():
    with pytest.raises(InvalidInput, match="3 levels halve 8 pixels away"):
        NETS["whitened"](image_size=8, in_channels=1, num_classes=2, channels=(4, 4, 4))


# --- what is refused ---


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 3, 8, 8), (2, 1, 9, 8), (2, 64)])
def test_images_of_another_shape_are_refused_with_the_right_one(classifier, shape):
    for method in (classifier.log_probs, classifier.features):
        with pytest.raises(InvalidInput, match=r"of shape \(B, 1, 8, 8\), not"):
            method(torch.zeros(shape))


@pytest.mark.parametrize("abar", [-0.1, 1.1, float("nan"), torch.tensor([0.5, 2.0])])
def test_a_level_that_is_none_is_refused(aware, abar):
    with pytest.raises(InvalidInput, match="abar must be between 0 and 1"):
        aware.log_probs(torch.zeros(2, 1, 8, 8), abar)


def test_levels_for_another_number_of_images_are_refused(aware):
    with pytest.raises(InvalidInput, match="noise levels for 2 images"):
        aware.log_probs(torch.zeros(2, 1, 8, 8), torch.full((3,), 0.5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "forest"}, "unknown kind of classifier 'forest'; known: conv"),
        ({"kind": "encoder", "features": None}, "needs a schedule"),
        ({"channels": [-4, 8]}, "channels"),
        ({"channels": []}, "levels"),
        ({"image_size": 0}, "image_size"),
        ({"dropout": 2}, "dropout"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_config_whose_parts_do_not_fit_is_refused(changes, message):
    config = tiny_classifier_config("conv")
    with pytest.raises(InvalidInput, match=message):
        replace(config, classifier=config.classifier | changes).build()


def test_a_schedule_for_clean_images_is_refused():
    with pytest.raises(InvalidInput, match="takes no schedule"):
        replace(tiny_classifier_config("conv"), schedule={"kind": "linear"}).build()


def test_attention_is_switched_for_every_level():
    config = tiny_classifier_config("encoder")
    with pytest.raises(InvalidInput, match="2 levels need as many"):
        replace(config, classifier=config.classifier | {"attention": [True]}).build()


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_config_names_every_argument(kind):
    complete = tiny_classifier_config(kind).complete()
    assert complete == complete.complete()
    arguments = {"kind", "image_size", "in_channels", "channels", "groups", "dropout"}
    without = {"groups"} if kind.startswith("whitened") else set()
    assert arguments - without <= set(complete.classifier)


# --- those that ship ---

ACCURACY = {
    "mnist-classifier": 0.993,
    "mnist-classifier-noisy": 0.99,
    "mnist-judge": 0.995,
    "cifar10-classifier": 0.83,
    "cifar10-classifier-noisy": 0.61,
    "cifar10-judge": 0.92,
}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
CLASSES = {"mnist": data.DIGITS, "cifar10": data.THINGS}


def dataset_of(name):
    return name.partition("-")[0]


@pytest.fixture(scope="module")
def drawn():
    """Of a dataset: four of each class by its shipped model, in [-1, 1], and their labels."""

    @cache
    def draw(dataset):
        guided = {"guidance": "cfg", "guidance_scale": 2.0} if dataset == "cifar10" else {}
        request = Request(n=40, steps=20, dtype="float32", **guided)
        pixels = sample(load(f"{dataset}-conditional"), request)
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
        return x, torch.arange(40) % 10

    return draw


def test_all_of_them_ship():
    assert set(ACCURACY) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_one_is_small_and_good(name):
    it = load_classifier(name)
    assert it.shape == SHAPES[dataset_of(name)]
    assert it.classes == list(CLASSES[dataset_of(name)])
    assert it.noise_aware == name.endswith("-classifier-noisy")
    # What 2,500,000 numbers of four bytes take, or 5,000,000 of two.
    assert (CHECKPOINTS / name / "model.safetensors").stat().st_size < 10_000_000
    assert it.training["test"]["images"] == 10_000
    assert it.training["test"]["accuracy"] >= ACCURACY[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_its_card_says_what_its_record_says(name):
    folder = CHECKPOINTS / name
    assert all(path.stat().st_size < 10 * 2**20 for path in folder.iterdir())
    it, card = load_classifier(name), (folder / "README.md").read_text()
    assert f"{sum(p.numel() for p in it.net.parameters()):,} parameters" in card
    training = it.training
    assert f"{100 * training['test']['accuracy']:.2f} %" in card
    for row in training["test"].get("curve", []):
        assert f"| {row['t']} | {100 * row['accuracy']:.2f} % |" in card
    assert f"{training['images']:,}" in card
    assert f"`{training['command']}`" in card
    assert "--data-root" not in card


@pytest.mark.parametrize("name", SHIPPED)
def test_it_reads_what_the_shipped_model_draws(name, drawn):
    x, labels = drawn(dataset_of(name))
    hit = (load_classifier(name).log_probs(x).argmax(1) == labels).float().mean()
    assert hit >= {"mnist": 0.9, "cifar10": 0.6}[dataset_of(name)]


def test_the_noisy_one_reads_noisy_digits_of_another_schedule(drawn):
    x, labels = drawn("mnist")
    it, cosine = load_classifier("mnist-classifier-noisy"), NoiseSchedule.make("cosine", 1000)
    noisy = q_sample(cosine, x, 500, torch.randn(x.shape))
    told, untold = (
        it.log_probs(noisy, abar)[torch.arange(40), labels].mean()
        for abar in (cosine.abar(500), None)
    )
    assert (it.log_probs(noisy, cosine.abar(500)).argmax(1) == labels).float().mean() >= 0.85
    assert told > untold


@pytest.mark.parametrize("dataset", SHAPES)
def test_guide_and_judge_are_strangers(dataset):
    found = [load_classifier(name) for name in SHIPPED if dataset_of(name) == dataset]
    assert len({it.config.classifier["kind"] for it in found}) == len(found)
    assert len({it.training["recipe"]["seed"] for it in found}) == len(found)
