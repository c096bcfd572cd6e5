"""Fast twins: equal to their network; those that sample are never older than it."""

import copy

import pytest
import torch
import torch.nn.functional as F

from ddpm_core import fast
from ddpm_core.checkpoints import Model
from ddpm_core.fast import Prepared, faster
from ddpm_core.unet import UNet
from tests.support.toys import tiny_config


def network(**options):
    torch.manual_seed(0)
    options = {"attention": (False, True), "num_classes": 3} | options
    options = {"image_size": 8, "channels": (8, 12), "groups": 4} | options
    return UNet(**options)


def inputs(size=8):
    return torch.randn(2, 1, size, size), torch.tensor([3, 70])


# --- the twin that trains ---


@pytest.mark.parametrize(("size", "scale_shift"), [(8, False), (8, True), (15, False), (32, False)])
def test_a_twin_computes_and_learns_as_its_network(size, scale_shift):
    options = {"attention": (False, True, True), "scale_shift": scale_shift}
    plain = network(image_size=size, channels=(8, 12, 12), **options)
    twin, (x, t) = faster(plain), inputs(size)
    outputs, gradients = [], []
    for net in (plain.double(), twin):
        y = net(x.double().requires_grad_(), t, torch.tensor([0, 3]))
        outputs.append(y)
        gradients.append(torch.autograd.grad(y.square().sum(), list(plain.parameters())))
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)
    # It is trained in its network's place: the weights are the same ones, not equal ones.
    pairs = zip(plain.named_parameters(), twin.named_parameters(), strict=True)
    assert all(name == other and p is q for (name, p), (other, q) in pairs)


def test_a_twin_leaves_its_network_plain():
    """Whoever exports, compiles or pickles a UNet meets PyTorch's own modules."""
    plain = network(attention=(True, True), in_channels=3)
    faster(plain)
    Prepared(plain, 100).network(reduced=True)
    assert "ddpm_core.fast" not in {type(module).__module__ for module in plain.modules()}


def test_a_twin_answers_the_same_with_and_without_gradients():
    """Without gradients activations are computed in place: they must not overwrite a skip."""
    twin, (x, t) = faster(network()).eval(), inputs()
    before = x.clone()
    with torch.no_grad():
        without_grad = twin(x, t)
    torch.testing.assert_close(without_grad, twin(x, t))
    assert torch.equal(x, before)


# --- its operations ---


@pytest.mark.parametrize(("heads", "tokens"), [(1, 49), (2, 49), (1, 256)])
def test_attention_in_bfloat16_is_that_of_its_operands(heads, tokens, monkeypatch):
    """Where fused attention is slow, it is written out, and off by a rounding or two more."""
    q, k, v = (torch.randn(8 // heads, heads, tokens, 16).bfloat16() for _ in range(3))
    exact = ((q.double() @ k.double().mT) / 4).softmax(-1) @ v.double()
    monkeypatch.setattr(F, "scaled_dot_product_attention", None)  # it must not be asked
    result = fast._attend(q.requires_grad_(tokens < 128), k, v)
    assert (result - exact).norm() < 2 * 2**-8 * exact.norm()


@pytest.mark.parametrize("module", ["same", "strided", "doubled"])
def test_convolutions_in_emulated_bfloat16_are_those_of_rounded_numbers(module, monkeypatch):
    """Summed in float32 and rounded once, as a processor does that has bfloat16."""
    monkeypatch.setattr(fast, "bf16_is_native", lambda device: False)
    make = {
        "same": lambda: fast.Conv2d(24, 16, 3, padding=1),
        "strided": lambda: fast.Conv2d(24, 16, 3, stride=2, padding=1),
        "doubled": lambda: fast.Upsample(24),
    }
    short = make[module]().bfloat16().requires_grad_(False)
    exact = copy.deepcopy(short).double()
    if module == "doubled":
        exact.sum_taps = short.sum_taps().double  # the sums are rounded, too
    x = torch.randn(4, 24, 8, 8).bfloat16()
    more = [(16, 16)] if module == "doubled" else []
    result, expected = short(x, *more), exact(x.double(), *more)
    assert result.dtype == torch.bfloat16
    # Half of the last of eight binary digits, and float32's error of a sum of many terms.
    assert ((result - expected).abs() <= 2**-8 * expected.abs() + 1e-5).all()


# --- the twins that sample ---


@pytest.mark.parametrize(("table", "scale_shift"), [(0, False), (2**22, False), (2**22, True)])
def test_a_copy_answers_as_its_network(monkeypatch, table, scale_shift):
    monkeypatch.setattr(fast, "LARGEST_TABLE", table)
    plain = network(flip_sin_to_cos=True, freq_shift=1, scale_shift=scale_shift)
    ready = Prepared(plain, 100).network()
    x, t = inputs()
    for labels in (None, torch.tensor([0, 2]), torch.rand(2, 4)):
        torch.testing.assert_close(ready(x, t, labels), plain(x, t, labels), rtol=1e-5, atol=1e-6)
    between = t.float() + 0.5
    torch.testing.assert_close(ready(x, between), plain(x, between), rtol=1e-5, atol=1e-6)


def test_hooks_of_the_network_see_what_is_sampled():
    plain, calls = network(), []
    ready = Prepared(plain, 100).network()
    plain.mid.blocks[0].register_forward_hook(lambda *_: calls.append("mid"))
    ready(*inputs())
    assert calls == ["mid"]


# --- never older than the network ---


def train(net):
    """Every weight gets a gradient and moves."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, fused=True)
    (x, t), labels = inputs(net.image_size), torch.tensor([0, 3])
    net(x, t, labels).square().mean().backward()
    optimizer.step()


def assign(net):
    net.load_state_dict({k: 2 * v for k, v in net.state_dict().items()}, assign=True)


def zero_one_weight(net):
    net.up[0].resample.conv.weight.data.zero_()


def model_of(net) -> Model:
    config = tiny_config(3)
    return Model("it", config, net, config.build()[1], {})


def noises(model):
    x = torch.linspace(-1, 1, 2 * model.unet.image_size**2).view(2, *model.shape)
    return [model.denoiser([0, None], dtype)(x, 30).eps for dtype in ("float32", "bfloat16")]


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("change", [train, assign, zero_one_weight])
def test_what_is_sampled_is_of_the_weights_of_that_moment(change, size):
    net, fresh = (network(image_size=size).eval() for _ in range(2))
    model = model_of(net)
    before = noises(model)
    change(net)
    fresh.load_state_dict(net.state_dict())
    for now, expected, old in zip(noises(model), noises(model_of(fresh)), before, strict=True):
        assert torch.equal(now, expected) and not torch.equal(now, old)


def test_a_denoiser_made_before_a_training_follows_it():
    model, x = model_of(network()), torch.randn(2, 1, 8, 8)
    denoiser = model.denoiser([0, 1], "bfloat16")
    denoiser(x, 30)
    train(model.unet)
    assert torch.equal(denoiser(x, 30).eps, model.denoiser([0, 1], "bfloat16")(x, 30).eps)


def test_a_model_leaves_its_network_as_it_is():
    net = network(dropout=0.1)
    noises(model_of(net))
    assert net.training and all(p.requires_grad for p in net.parameters())


def test_the_same_copy_serves_until_something_changes():
    """Runs at the same time share batches, and a batch is of one network."""
    model = model_of(network())
    noises(model)
    first = model.prepared.network()
    noises(model)
    assert model.prepared.network() is first
    pointers = {p.data_ptr() for p in model.unet.parameters()}
    assert {p.data_ptr() for p in first.parameters()} == pointers


def test_a_model_used_in_inference_mode_first_can_guide_afterwards():
    model, x = model_of(network()), torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        model.denoiser([0, 1], "float32")(x, 30)
    model.denoiser([0, 1], "float32")(x.requires_grad_(), 30).eps.sum().backward()
    assert x.grad.any()
