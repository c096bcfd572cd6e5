"""The judges: classifiers for measuring only, which take part in no guidance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_core.classifier_nets import NETS
from ddpm_core.classifier_trainer import ClassifierRecipe
from ddpm_core.errors import InvalidInput, check_int
from ddpm_core.recipes import CLASSIFIERS
from ddpm_core.unet import check_arguments

from .judge_trainer import JudgeRecipe

PATCH = 2  # pixels along each side of the patches that ``WhitenedNet`` decorrelates


class ResidualNet(nn.Module):
    """A small residual network with GELU and average pooling, for measuring only.

    Args:
        image_size, in_channels, num_classes: of the images.
        channels: width of each level.
        blocks: residual blocks per level.
        groups: of group normalisation.
        dropout: before the last layer.
    """

    takes_time = False
    about = "residual blocks"

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (32, 64, 128),
        blocks: int = 1,
        groups: int = 8,
        dropout: float = 0.0,
    ):
        check_arguments(**locals())
        super().__init__()
        self.stem = nn.Conv2d(in_channels, channels[0], 3, stride=2, padding=1)
        layers, width = [], channels[0]
        for level, cout in enumerate(channels):
            for block in range(blocks):
                layers.append(_Residual(width, cout, 2 if level and not block else 1, groups))
                width = cout
        self.blocks = nn.Sequential(*layers)
        self.norm = nn.GroupNorm(groups, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return F.gelu(self.norm(self.blocks(self.stem(x)))).mean((2, 3))

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return self.head(self.dropout(self.features(x)))


class _Residual(nn.Module):
    """norm, GELU, conv, twice; + input, averaged over 2 x 2 pixels where the stride is 2."""

    def __init__(self, cin, cout, stride, groups):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, cin), nn.GroupNorm(groups, cout)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1)
        layers = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
        layers += [nn.Conv2d(cin, cout, 1)] if cin != cout else []
        self.shortcut = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.gelu(self.norm2(self.conv1(F.gelu(self.norm1(x))))))
        return self.shortcut(x) + h


class WhitenedNet(nn.Module):
    """Convolutions over decorrelated patches, with batch normalisation.

    After Jordan 2024 (arXiv:2404.00498), who trains such a network in ten passes where others
    take hundreds: its first layer is given, not learned (``whiten``), max pooling comes early, and
    each later convolution begins as the identity as far as it can.

    Args:
        image_size, in_channels, num_classes: of the images.
        channels: width of each level; each one halves the resolution, the first as well.
        residual: each level ends with two convolutions and a shortcut over them, in place of one.
        mirror: once trained, look at every image and at its mirror image, and take the mean.
        dropout: before the last layer.
    """

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int,
        num_classes: int,
        channels: tuple[int, ...] = (64, 256, 256),
        residual: bool = False,
        mirror: bool = False,
        dropout: float = 0.0,
    ):
        check_arguments(**locals())
        super().__init__()
        if image_size <= 2 ** len(channels):
            raise InvalidInput(f"{len(channels)} levels halve {image_size} pixels away")
        self.mirror = mirror
        # Every direction that a patch of 2 x 2 pixels can have, and its opposite.
        width = 2 * in_channels * PATCH**2
        self.patches = nn.Conv2d(in_channels, width, PATCH)
        self.patches.weight.requires_grad_(False)
        layers = [nn.GELU()]
        for cout in channels:
            layers += [_identity_at_start(width, cout), nn.MaxPool2d(2), _BatchNorm(cout)]
            layers += [nn.GELU()]
            rest = [_identity_at_start(cout, cout), _BatchNorm(cout)]
            if residual:
                rest += [nn.GELU(), _identity_at_start(cout, cout), _BatchNorm(cout)]
                rest = [_Shortcut(*rest)]
            layers += [*rest, nn.GELU()]
            width = cout
        self.blocks = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)

    @torch.no_grad()
    def whiten(self, x: Tensor) -> None:
        """Set the first layer so that its directions are uncorrelated in such images.

        Args:
            x: (B, C, H, W), some thousands of images in [-1, 1].
        """
        patches = F.unfold(x.double(), PATCH).transpose(1, 2).flatten(0, 1)
        values, directions = torch.linalg.eigh(patches.T.cov())
        rows = directions.T / (values + 5e-4).sqrt()[:, None]
        kernels = rows.view(-1, x.shape[1], PATCH, PATCH)
        self.patches.weight.copy_(torch.cat([kernels, -kernels]))

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        # The last layer is linear: the mean of the features gives the mean of the logits.
        if self.mirror and not self.training:
            return (self._features(x) + self._features(x.flip(-1))) / 2
        return self._features(x)

    def _features(self, x: Tensor) -> Tensor:
        # With the channels last these convolutions take a quarter less time on a CPU. Elsewhere
        # normalisation over groups makes that layout slow; there is none here.
        x = x.contiguous(memory_format=torch.channels_last)
        # Maxima over all places are large: the scale keeps the first logits from certainty.
        return self.blocks(self.patches(x)) / 9

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return self.head(self.dropout(self.features(x)))


class WhitenedEnsemble(nn.Module):
    """Some ``WhitenedNet`` that learn side by side, each by its own answers; their mean counts.

    If one of them is wrong because of its random start, the others outvote it.

    Args:
        members: how many.
        channels, residual, mirror, dropout: of each, as the rest.
    """

    takes_time = False
    about = "the mean of {members} networks: convolutions over decorrelated patches"

    def __init__(
        self,
        *,
        image_size: int,
        in_channels: int,
        num_classes: int,
        members: int = 2,
        channels: tuple[int, ...] = (64, 256, 256),
        residual: bool = False,
        mirror: bool = False,
        dropout: float = 0.0,
    ):
        images = {"image_size": image_size, "in_channels": in_channels, "num_classes": num_classes}
        options = {"residual": residual, "mirror": mirror, "dropout": dropout}
        super().__init__()
        check_int("members", members, 1, 64)
        self.mirror = mirror
        self.members = nn.ModuleList(
            WhitenedNet(**images, channels=channels, **options) for _ in range(members)
        )

    def whiten(self, x: Tensor) -> None:
        """See ``WhitenedNet.whiten``."""
        for member in self.members:
            member.whiten(x)

    def features(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return torch.cat([member.features(x) for member in self.members], dim=1)

    def votes(self, x: Tensor) -> Tensor:
        """The logits of each member, (B, members, classes)."""
        return torch.stack([member(x) for member in self.members], dim=1)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return self.votes(x).mean(dim=1)


class _Shortcut(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that counts no batches, so that all of its state can be averaged."""

    def __init__(self, channels: int):
        super().__init__(channels)
        self.num_batches_tracked = None

    def _load_from_state_dict(self, *args) -> None:
        # The inherited one would ask for the count.
        nn.Module._load_from_state_dict(self, *args)


def _identity_at_start(cin: int, cout: int) -> nn.Conv2d:
    convolution = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[: min(cin, cout)].detach())
    return convolution


NETS |= {"residual": ResidualNet, "whitened-ensemble": WhitenedEnsemble}
CLASSIFIERS |= {
    # It guides nothing. Its network, augmentation and seed differ from those of the guides.
    "mnist-judge": ClassifierRecipe(
        classifier={"kind": "residual", "channels": [32, 64, 128], "dropout": 0.1},
        shift=2,
        rotate=15,
        zoom=0.15,
        epochs=10,
        seed=2,
    ),
    # Its features make the judge distance: two networks side by side, 512 features, trained on
    # all 50,000 images. 92.27 % on the test set.
    "cifar10-judge": JudgeRecipe(
        dataset="cifar10",
        classifier={
            "kind": "whitened-ensemble",
            "members": 2,
            "channels": [64, 192, 256],
            "residual": True,
            "mirror": True,
        },
        shift=0,
        rotate=0,
        zoom=0,
        crop=4,
        flip=True,
        cutout=12,
        label_smoothing=0.2,
        all_images=True,
        half=True,
        kernel_lr=0.08,
        weight_decay=1.3e-3,
        bias_rate=64,
        epochs=75,
        batch_size=512,
        lr=0.75,
        warmup=1000,
        decay="one-cycle",
        clip_norm=1e3,
        ema=0.99,
        seed=3,
    ),
}
