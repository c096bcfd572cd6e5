"""The UNet: equal to the reference library's, and true to its own contract."""

import copy

import pytest
import torch
from diffusers import UNet2DModel

from ddpm_core.diffusers_format import config_from, convert
from ddpm_core.errors import InvalidInput
from ddpm_core.unet import UNet

GOOGLE = {
    "sample_size": 16,
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": None,
    "norm_eps": 1e-6,
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
    "norm_num_groups": 8,
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


def assert_same_outputs(reference, unet, labels=None):
    # In float64, for float32 would hide a small error under its rounding, which such random weights
    # amplify by a factor that depends on the processor. Both work their sinusoids out in float32.
    reference, unet = reference.double(), unet.double()
    x = torch.randn(2, unet.in_channels, unet.image_size, unet.image_size).double()
    t = torch.tensor([3, 977])
    with torch.no_grad():
        expected, result = reference(x, t, labels).sample, unet(x, t, labels)
    scale = float(expected.abs().max())
    torch.testing.assert_close(result, expected, rtol=0, atol=5e-6 * scale)
    assert expected.std() > 0.01 * scale


@pytest.mark.parametrize("config", [GOOGLE, DEFAULT], ids=["google", "default"])
def test_equals_the_reference_unet_on_random_weights(config):
    assert_same_outputs(*reference_and_ours(config))


def tiny(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"image_size": 8, "channels": (4, 8), "groups": 2, "time_channels": 8} | options)


def inputs(batch=2, channels=1, size=8):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, channels, size, size, generator=generator)
    return x, torch.arange(batch) * 7


@pytest.mark.parametrize("size", [7, 8, 30])
@pytest.mark.parametrize("skips", ["all", "blocks"])
@pytest.mark.parametrize("downsample_padding", [0, 1])
def test_any_image_size_comes_out_as_it_went_in(size, skips, downsample_padding):
    layout = {"skips": skips, "downsample_padding": downsample_padding}
    unet = tiny(image_size=size, channels=(4, 4, 8), in_channels=3, **layout)
    x, t = inputs(channels=3, size=size)
    assert unet(x, t).shape == x.shape


@pytest.mark.parametrize("skips", ["all", "blocks"])
def test_blocks_are_counted_by_level(skips):
    """The extra blocks of a level are in that level, on the way down and up."""
    deeper, even = tiny(blocks=(1, 2), skips=skips), tiny(blocks=[1], skips=skips)
    extra = deeper.state_dict().keys() - even.state_dict().keys()
    last = 1 + (skips == "all")
    assert {".".join(name.split(".")[:4]) for name in extra} == {
        "down.1.blocks.1",
        f"up.0.blocks.{last}",
    }
    assert UNet(**deeper.config).state_dict().keys() == deeper.state_dict().keys()
    assert even.config == tiny(skips=skips).config
    x, t = inputs()
    assert deeper(x, t).shape == x.shape


def test_labels_are_given_where_they_are_needed_and_nowhere_else():
    with pytest.raises(InvalidInput, match="labels are needed"):
        tiny(num_classes=3, null_class=False)(*inputs())
    with pytest.raises(InvalidInput, match="no classes"):
        tiny()(*inputs(), torch.tensor([0, 0]))


def test_it_goes_where_plain_modules_go():
    unet = tiny(image_size=15, attention=(False, True), num_classes=3).eval()
    example = (*inputs(size=15), torch.tensor([0, 3]))
    x, t, labels = example[0] + 1, example[1] + 3, torch.tensor([2, 1])
    for module in (torch.export.export(unet, example).module(), copy.deepcopy(unet)):
        torch.testing.assert_close(module(x, t, labels), unet(x, t, labels))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInput, match="2 levels"):
        tiny(up_attention=(True,))
    with pytest.raises(InvalidInput, match="head_width 3"):
        tiny(head_width=3)
    for blocks in ((1, 2, 1), (1, 0), 0, None, "2"):
        with pytest.raises(InvalidInput, match="blocks"):
            tiny(blocks=blocks)
