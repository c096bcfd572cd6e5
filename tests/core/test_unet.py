"""The UNet: equal to the reference library's, and true to its own contract."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel

from ddpm_core import unet as unet_module
from ddpm_core.diffusers_format import config_from, convert
from ddpm_core.errors import InvalidInput
from ddpm_core.unet import Attention, UNet, Upsample, sinusoidal_embedding

# --- equality with diffusers.UNet2DModel ---

GOOGLE = {
    "sample_size": 16,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "norm_num_groups": 32,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}
DEFAULT = {
    "sample_size": 28,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (16, 32, 48),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_eps": 1e-5,
    "norm_num_groups": 8,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
}


def reference_and_ours(config) -> tuple[UNet2DModel, UNet]:
    """The reference with random weights, and our UNet with the same."""
    torch.manual_seed(0)
    reference = UNet2DModel(**config).eval()
    # Away from its initial values: norms of 1 and 0 would hide a swapped weight.
    for parameter in reference.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    model = config_from(config, {})["model"]
    unet = UNet(**model).eval()
    unet.load_state_dict(convert(dict(reference.state_dict()), model))
    return reference, unet


def assert_same_outputs(reference, unet, batch=2, labels=None):
    # In float64, for float32 would hide a small error under its rounding, which such random weights
    # amplify by a factor that depends on the processor. Both work their sinusoids out in float32.
    reference, unet = reference.double(), unet.double()
    x = torch.randn(batch, unet.in_channels, unet.image_size, unet.image_size).double()
    t = torch.tensor([3, 977])[:batch]
    with torch.no_grad():
        wanted, got = reference(x, t, labels).sample, unet(x, t, labels)
    scale = float(wanted.abs().max())
    torch.testing.assert_close(got, wanted, rtol=0, atol=5e-6 * scale)
    assert wanted.std() > 0.01 * scale


@pytest.mark.parametrize("config", [GOOGLE, DEFAULT], ids=["google", "default"])
def test_equals_the_reference_unet_on_random_weights(config):
    assert_same_outputs(*reference_and_ours(config))


# --- its own contract ---


def tiny(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"image_size": 8, "channels": (4, 8), "groups": 2, "time_channels": 8} | options)


def inputs(batch=2, channels=1, size=8):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, channels, size, size, generator=generator)
    return x, torch.arange(batch) * 7


@pytest.mark.parametrize("size", [7, 8, 28, 30, 32])
@pytest.mark.parametrize("skips", ["all", "blocks"])
@pytest.mark.parametrize("downsample_padding", [0, 1])
def test_any_image_size_comes_out_as_it_went_in(size, skips, downsample_padding):
    unet = tiny(
        image_size=size,
        channels=(4, 4, 8),
        skips=skips,
        downsample_padding=downsample_padding,
        in_channels=3,
    )
    x, t = inputs(channels=3, size=size)
    assert unet(x, t).shape == x.shape


def test_out_channels_may_differ():
    x, t = inputs()
    assert tiny(out_channels=2)(x, t).shape == (2, 2, 8, 8)


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize(("skips", "more"), [("all", 1), ("blocks", 0)])
def test_blocks_per_level_on_the_way_up(blocks, skips, more):
    unet = tiny(blocks=blocks, skips=skips)
    assert [len(stage.blocks) for stage in unet.down] == [blocks, blocks]
    assert [len(stage.blocks) for stage in unet.up] == [blocks + more, blocks + more]


def test_attention_on_the_way_up_may_differ():
    def levels(stages):
        return [any(isinstance(m, Attention) for m in stage.attentions) for stage in stages]

    unet = tiny(attention=(False, True))
    assert (levels(unet.down), levels(unet.up)) == ([False, True], [True, False])
    unet = tiny(attention=(False, True), up_attention=(True, False))
    assert (levels(unet.down), levels(unet.up)) == ([False, True], [False, True])
    unet = tiny(attention=(True, True), up_attention=(False, False))
    assert (levels(unet.down), levels(unet.up)) == ([True, True], [False, False])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
def test_sinusoidal_embedding_is_its_formula(flip, shift):
    t = torch.tensor([0, 1, 500, 999])
    got = sinusoidal_embedding(t, 8, flip_sin_to_cos=flip, freq_shift=shift)
    for row, value in zip(got, t.tolist(), strict=True):
        angles = [value * 10_000 ** (-i / (4 - shift)) for i in range(4)]
        sines, cosines = [math.sin(a) for a in angles], [math.cos(a) for a in angles]
        wanted = cosines + sines if flip else sines + cosines
        torch.testing.assert_close(row, torch.tensor(wanted), rtol=0, atol=1e-4)


def test_images_of_a_batch_do_not_see_each_other():
    unet = tiny(attention=(False, True), num_classes=3).eval()
    x, t = inputs(4)
    labels = torch.tensor([0, 1, 2, 3])
    batch = unet(x, t, labels)
    for i in range(4):
        alone = unet(x[i : i + 1], t[i : i + 1], labels[i : i + 1])
        torch.testing.assert_close(alone, batch[i : i + 1], rtol=1e-4, atol=1e-5)


def test_time_and_class_each_change_the_output():
    unet = tiny(num_classes=3).eval()
    x, t = inputs()
    base = unet(x, t, torch.tensor([0, 0]))
    assert not torch.allclose(base, unet(x, t + 40, torch.tensor([0, 0])), atol=1e-4)
    assert not torch.allclose(base, unet(x, t, torch.tensor([1, 1])), atol=1e-4)


def test_no_label_is_the_null_class():
    unet = tiny(num_classes=3).eval()
    x, t = inputs()
    assert unet.null_index == 3
    assert torch.equal(unet(x, t), unet(x, t, torch.tensor([3, 3])))


def test_without_a_null_class_labels_are_needed():
    unet = tiny(num_classes=3, null_class=False)
    assert unet.null_index is None
    assert unet.class_embedding.num_embeddings == 3
    with pytest.raises(InvalidInput, match="labels are needed"):
        unet(*inputs())


def test_an_unconditional_model_takes_no_labels():
    unet = tiny()
    assert unet.null_index is None
    with pytest.raises(InvalidInput, match="no classes"):
        unet(*inputs(), torch.tensor([0, 0]))


def test_attention_moves_information_between_far_pixels():
    """A convolution's reach ends; attention's does not."""
    outputs = {}
    for switch in (False, True):
        unet = tiny(channels=(4,), image_size=32, attention=(switch,), mid_attention=False).eval()
        x, t = inputs(1, size=32)
        changed = x.clone()
        changed[..., 0, 0] += 5
        # Group norm too spreads a little to everywhere: silence it by an identity.
        for module in unet.modules():
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.GroupNorm):
                    setattr(module, name, torch.nn.Identity())
        outputs[switch] = (unet(changed, t) - unet(x, t))[..., -1, -1].abs().item()
    assert outputs[False] == 0
    assert outputs[True] > 0


@pytest.mark.parametrize(("heads", "tokens"), [(1, 49), (2, 49), (1, 256)])
def test_attention_in_bfloat16_is_that_of_its_operands(heads, tokens, monkeypatch):
    """Written out, where the fused one is slow, it is off by a rounding or two more than that."""
    generator = torch.Generator().manual_seed(0)
    shape = (8 // heads, heads, tokens, 16)
    q, k, v = (torch.randn(shape, generator=generator).bfloat16() for _ in range(3))
    exact = ((q.double() @ k.double().mT) / 4).softmax(-1) @ v.double()
    monkeypatch.setattr(F, "scaled_dot_product_attention", None)  # it must not be asked
    q.requires_grad_(tokens < 128)
    found = unet_module._attend(q, k, v)
    assert (found - exact).norm() < 2 * 2**-8 * exact.norm()
    if q.requires_grad:
        found.sum().backward()
        assert q.grad.isfinite().all() and q.grad.any()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 1, 256, 16), "float32"), ((64, 1, 49, 16), "bfloat16"), ((1, 1, 1024, 8), "bfloat16")],
)
def test_attention_is_fused_where_that_is_no_slower(shape, dtype):
    q, k, v = torch.randn(3, *shape).to(getattr(torch, dtype))
    found = unet_module._attend(q, k, v)
    assert torch.equal(found, F.scaled_dot_product_attention(q, k, v))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("module", ["same", "strided", "doubled"])
def test_convolutions_in_bfloat16_are_those_of_rounded_numbers(module, native, monkeypatch):
    """Summed in float32 and rounded once, whether this machine has bfloat16 or emulates it."""
    monkeypatch.setattr(unet_module, "bf16_is_native", lambda device: native)
    torch.manual_seed(0)
    make = {
        "same": lambda: unet_module.Conv2d(24, 16, 3, padding=1),
        "strided": lambda: unet_module.Conv2d(24, 16, 3, stride=2, padding=1),
        "doubled": lambda: Upsample(24),
    }
    short = make[module]().bfloat16().requires_grad_(False)
    exact = copy.deepcopy(short).double()
    if module == "doubled":
        exact.sum_taps = short.sum_taps().double  # the sums are rounded, too
    x = torch.randn(4, 24, 8, 8).bfloat16()
    more = [(16, 16)] if module == "doubled" else []
    found, wanted = short(x, *more), exact(x.double(), *more)
    assert found.dtype == torch.bfloat16
    # Half of the last of eight binary digits, and float32's own error of many terms beside it.
    assert ((found - wanted).abs() <= 2**-8 * wanted.abs() + 1e-5).all()


def test_emulated_convolutions_are_not_left_to_the_emulation(monkeypatch):
    """They take three to four times as long there."""
    seen = set()
    inner = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *rest: seen.add(x.dtype) or inner(x, *rest))
    transposed = F.conv_transpose2d
    monkeypatch.setattr(
        F,
        "conv_transpose2d",
        lambda x, *rest, **how: seen.add(x.dtype) or transposed(x, *rest, **how),
    )
    unet, (x, t) = tiny().eval().bfloat16(), inputs()
    for native, dtype in ((False, torch.float32), (True, torch.bfloat16)):
        monkeypatch.setattr(unet_module, "bf16_is_native", lambda device, native=native: native)
        seen.clear()
        with torch.no_grad():
            assert unet(x.bfloat16(), t).dtype == torch.bfloat16
        assert seen == {dtype}


def test_output_is_the_same_with_and_without_gradients():
    """Without gradients activations are computed in place: they must not overwrite a skip."""
    unet = tiny(attention=(False, True)).eval()
    x, t = inputs()
    kept = x.clone()
    with torch.no_grad():
        silent = unet(x, t)
    torch.testing.assert_close(silent, unet(x, t))
    assert torch.equal(x, kept)


def test_dropout_acts_in_training_only():
    unet = tiny(dropout=0.5)
    x, t = inputs()
    assert not torch.equal(unet(x, t), unet(x, t))
    unet.eval()
    assert torch.equal(unet(x, t), unet(x, t))


def test_every_parameter_receives_a_gradient():
    unet = tiny(attention=(True, True), num_classes=3, blocks=2)
    x, t = inputs()
    unet(x, t, torch.tensor([0, 3])).square().sum().backward()
    for name, parameter in unet.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"attention": (True,)}, "2 levels"),
        ({"up_attention": (True,)}, "2 levels"),
        ({"skips": "none"}, "skips"),
        ({"head_width": 3}, "head_width 3"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options, named):
    with pytest.raises(InvalidInput, match=named):
        tiny(**options)


# --- what need not be worked out anew at every step ---


@pytest.mark.parametrize("grown", [(1, 1), (2, 2), (8, 14), (7, 13), (9, 9)])
def test_upsampling_is_nearest_neighbours_and_a_convolution(grown):
    """Also where a level was odd, whose size is not doubled."""
    torch.manual_seed(0)
    size = tuple(-(-n // 2) for n in grown)
    up, x = Upsample(4).double(), torch.randn(2, 4, *size, dtype=torch.double)
    for target in {grown, (2 * size[0], 2 * size[1])}:
        got = up(x.requires_grad_(), target)
        wanted = up.conv(F.interpolate(x, size=target, mode="nearest"))
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)
        push = torch.randn_like(wanted)
        inputs_ = [x, up.conv.weight, up.conv.bias]
        for mine, its in zip(
            torch.autograd.grad((got * push).sum(), inputs_),
            torch.autograd.grad((wanted * push).sum(), inputs_),
            strict=True,
        ):
            torch.testing.assert_close(mine, its, rtol=1e-12, atol=1e-12)


def test_large_images_are_held_pixel_by_pixel_in_float32_alone(monkeypatch):
    """The layout changes the time that convolutions take, and nothing else."""
    torch.manual_seed(0)
    net = UNet(image_size=32, channels=(8, 12), attention=(False, True), blocks=1, groups=4)
    x, t = torch.randn(2, 1, 32, 32), torch.tensor([3, 700])
    layouts = []
    net.up[0].blocks[0].conv1.register_forward_hook(
        lambda module, inputs, output: layouts.append(output.is_contiguous())
    )

    def answer():
        net.zero_grad()
        y = net(x, t)
        y.square().mean().backward()
        assert y.is_contiguous()
        return y.detach(), [p.grad.clone() for p in net.parameters()]

    by_pixels = answer()
    with torch.autocast("cpu", torch.bfloat16):
        net(x, t)
    monkeypatch.setattr(unet_module, "LARGE_IMAGE", 33 * 33)
    torch.testing.assert_close(answer(), by_pixels, rtol=1e-4, atol=1e-6)
    assert layouts == [False, True, True]
