"""The frozen copies that sample: fast, equal to their network, and never older than it."""

import copy

import pytest
import torch

from ddpm_core import prepared as prepared_module
from ddpm_core import unet as unet_module
from ddpm_core.checkpoints import Model
from ddpm_core.prepared import Prepared
from ddpm_core.unet import UNet
from tests.support.toys import tiny_config


def network(**options):
    torch.manual_seed(0)
    options = {"image_size": 8, "channels": (8, 12), "groups": 4, "num_classes": 3} | options
    return UNet(attention=(False, True), **options)


def inputs(size=8):
    return torch.randn(2, 1, size, size), torch.tensor([3, 70])


@pytest.mark.parametrize("options", [{}, {"flip_sin_to_cos": True, "freq_shift": 1}])
@pytest.mark.parametrize("table", [0, 2**22])
def test_a_copy_answers_as_its_network(monkeypatch, options, table):
    monkeypatch.setattr(prepared_module, "LARGEST_TABLE", table)
    plain = network(**options)
    ready = Prepared(plain, 100).network()
    assert (ready.times is None) == (table == 0)
    x, t = inputs()
    for labels in (None, torch.tensor([0, 2]), torch.rand(2, 4)):
        torch.testing.assert_close(ready(x, t, labels), plain(x, t, labels), rtol=1e-5, atol=1e-6)
    between = t.float() + 0.5
    torch.testing.assert_close(ready(x, between), plain(x, between), rtol=1e-5, atol=1e-6)


def test_what_is_prepared_is_no_weight():
    plain = network()
    copies = Prepared(plain, 100)
    assert copies.network().state_dict().keys() == plain.state_dict().keys()
    x, t = inputs()
    got = copies.network(reduced=True)(x.bfloat16(), t).float()
    torch.testing.assert_close(got, plain(x, t), rtol=0.1, atol=0.1)


def test_the_time_is_embedded_once_for_all_steps(monkeypatch):
    plain = network()
    ready = Prepared(plain, 100).network()
    monkeypatch.setattr(unet_module, "sinusoidal_embedding", lambda *a, **k: 1 / 0)
    ready(*inputs())
    with pytest.raises(ZeroDivisionError):
        plain(*inputs())


def test_weights_are_laid_out_for_their_use_and_stay_what_they_are():
    plain = network(image_size=32)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    ready, (x, t) = Prepared(plain, 100).network(), inputs(32)
    torch.testing.assert_close(ready(x, t), plain(x, t), rtol=1e-4, atol=1e-5)
    weight = ready.up[0].blocks[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


def test_hooks_of_the_network_see_what_is_sampled():
    plain, seen = network(), []
    ready = Prepared(plain, 100).network()
    plain.mid.blocks[0].register_forward_hook(lambda *_: seen.append("mid"))
    ready(*inputs())
    assert seen == ["mid"]


# --- never older than the network ---


def train(net, optimizer, steps=10):
    """Every weight gets a gradient and moves."""
    net.train()
    for _ in range(steps):
        x, t = torch.randn(8, 1, *[net.image_size] * 2), torch.randint(0, 50, (8,))
        labels = torch.randint(0, 4, (8,))
        optimizer.zero_grad()
        (net(x, t, labels) - x).square().mean().backward()
        optimizer.step()
    net.eval()


def by(kind, **options):
    return lambda net: train(net, kind(net.parameters(), lr=1e-2, **options))


def load_others(net):
    net.load_state_dict(copy.deepcopy(net).apply(_redraw).state_dict())


def assign_others(net):
    net.load_state_dict(copy.deepcopy(net).apply(_redraw).state_dict(), assign=True)


def copy_average(net):
    """As several libraries put averaged weights in the place of a network's own."""
    for parameter in net.parameters():
        parameter.data.copy_(torch.randn_like(parameter))


def silence_one(net):
    net.up[0].resample.conv.weight.data.zero_()


def _redraw(module):
    for parameter in module.parameters(recurse=False):
        torch.nn.init.normal_(parameter, std=0.3)


CHANGES = {
    "fused": by(torch.optim.Adam, fused=True),
    "foreach": by(torch.optim.Adam, foreach=True),
    "one by one": by(torch.optim.SGD, foreach=False),
    "loaded": load_others,
    "assigned": assign_others,
    "averaged": copy_average,
    "one alone": silence_one,
}


def model_of(net, size=8) -> Model:
    config = tiny_config(3)
    schedule = config.build()[1]
    return Model("it", config, net, schedule, {})


def noises(model, size):
    x = torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(1))
    return [model.denoiser([0, None], dtype)(x, 30).eps for dtype in ("float32", "bfloat16")]


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_sampled_is_of_the_weights_of_that_moment(change, size):
    net = network(image_size=size)
    model = model_of(net)
    before = noises(model, size)
    CHANGES[change](net)
    fresh = network(image_size=size)
    fresh.load_state_dict(net.state_dict())
    now = noises(model, size)
    for mine, wanted, then in zip(now, noises(model_of(fresh), size), before, strict=True):
        assert torch.equal(mine, wanted) and not torch.equal(mine, then)


@pytest.mark.parametrize("change", ["fused", "foreach", "loaded", "averaged"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_denoiser_that_was_made_before_follows_as_well(change, dtype):
    net, x = network(), torch.randn(2, 1, 8, 8)
    model = model_of(net)
    held = model.denoiser([0, 1], dtype)
    held(x, 30)
    CHANGES[change](net)
    assert torch.equal(held(x, 30).eps, model.denoiser([0, 1], dtype)(x, 30).eps)


def test_a_model_leaves_its_network_as_it_is():
    net = network(dropout=0.1)
    noises(model_of(net), 8)
    assert net.training and all(p.requires_grad for p in net.parameters())
    net(*inputs(), torch.tensor([0, 3])).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_the_same_copy_serves_until_something_changes():
    """Whoever samples at the same time shares its batches, which are of one network."""
    model = model_of(network())
    noises(model, 8)
    first = model.prepared.network()
    noises(model, 8)
    assert model.prepared.network() is first
    own = {p.data_ptr() for p in model.unet.parameters()}
    assert {p.data_ptr() for p in first.parameters()} == own


def test_a_model_used_in_inference_mode_first_can_guide_afterwards():
    model, x = model_of(network()), torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        model.denoiser([0, 1], "float32")(x, 30)
    model.denoiser([0, 1], "float32")(x.requires_grad_(), 30).eps.sum().backward()
    assert x.grad.any()
