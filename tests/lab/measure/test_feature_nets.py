"""Feature nets by name: which layer, in which range, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from ddpm_core import load_classifier
from ddpm_core.errors import InvalidInput
from lab.measure.features import (
    NetFeatures,
    classifier_features,
    feature_net,
    torchvision_features,
)
from lab.weights import fingerprint
from tests.support.toys import tiny_classifier


def pictures(n=6, shape=(28, 28, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_a_shipped_judge_gives_what_its_last_layer_sees():
    net, judge = feature_net("mnist-judge"), load_classifier("mnist-judge")
    found = net.features(pictures())
    assert (found.shape, found.dtype) == ((6, 128), torch.float64)
    x = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 127.5 - 1
    answer = judge.net.head(found.float()).log_softmax(1)
    torch.testing.assert_close(answer, judge.log_probs(x), rtol=1e-4, atol=1e-4)
    assert net.name == "mnist-judge" and net.layer == "the penultimate layer"
    assert net.mark == feature_net("mnist-judge").mark == fingerprint(net.net)
    toys = [tiny_classifier("residual") for _ in range(2)]
    with torch.no_grad():
        toys[1].net.head.bias[0] += 1e-6
    assert len({classifier_features(toy).mark for toy in toys}) == 2
    several = classifier_features(tiny_classifier("whitened-ensemble"))
    assert several.layer == "the penultimate layers of 2 networks"
    assert several.features(pictures(2, (8, 8, 1))).shape == (2, 16)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_of_torchvision_gives_what_its_last_linear_layer_sees(channels):
    it = torchvision_features("resnet18", pretrained=False)
    images = pictures(2, (40, 40, channels))
    found = it.features(images)
    assert found.shape == (2, 512)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1) / 255
    with torch.no_grad():
        torch.testing.assert_close(it.net.fc(found.float()), it.net(x))


def test_a_script_is_given_colours_from_0_to_255(tmp_path):
    class Sums(nn.Module):
        def forward(self, images):
            assert images.dtype == torch.uint8
            return images.long().sum(dim=(2, 3)).float()

    torch.jit.script(Sums()).save(str(tmp_path / "sums.pt"))
    images = pictures(3, (5, 5, 1))
    found = feature_net(tmp_path / "sums.pt").features(images)
    assert torch.equal(found, torch.from_numpy(images).long().sum((1, 2)).double().expand(3, 3))


def test_a_script_that_can_give_features_is_asked_for_them_and_marked_as_a_program(tmp_path):
    class Either(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, images, return_features: bool = False):
            sums = images.long().sum(dim=(2, 3)).float() * self.factor
            return sums if return_features else sums.softmax(1)

    found = []
    for factor in (1.0, 2.0):
        torch.jit.script(Either(factor)).save(str(tmp_path / "either.pt"))
        found.append(feature_net(tmp_path / "either.pt"))
        images = pictures(3, (5, 5, 3))
        sums = torch.from_numpy(images).long().sum((1, 2)).double()
        assert torch.equal(found[-1].features(images), sums * factor)
        assert found[-1].layer == "its features"
    assert found[0].mark != found[1].mark  # neither has a weight


def test_what_there_is_not_is_told(tmp_path):
    (tmp_path / "it.pt").write_text("no script")
    for name, message in (
        ("inception", "unknown feature net 'inception'; known: .*mnist-judge.*torchvision:NAME"),
        ("mnist-linear", "unknown feature net"),
        ("torchvision:nothing", "torchvision's 'nothing' cannot be had"),
        ("nowhere.pt", "nowhere.pt does not exist"),
        (tmp_path / "it.pt", "it.pt is no TorchScript file"),
    ):
        with pytest.raises(InvalidInput, match=message):
            feature_net(name)
    with pytest.raises(InvalidInput, match="does not end in a linear layer"):
        torchvision_features("squeezenet1_0", pretrained=False)


class Judge(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.first, self.layer = nn.Linear(75, 16), layer

    def forward(self, images):
        return self.layer(self.first(images.flatten(1).float()))


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(16)], ids=["dropout", "batch"])
def test_a_program_that_was_traced_in_training_mode_is_refused(tmp_path, layer):
    """Nothing shows it from outside, and no eval() changes it."""
    images, path = pictures(6, (5, 5, 3)), tmp_path / "judge.pt"
    example = torch.from_numpy(images).permute(0, 3, 1, 2)
    net = Judge(layer)
    torch.jit.trace(net.train(), example, check_trace=False).save(str(path))
    it = feature_net(path)
    assert not any(module.training for module in it.net.modules())
    for _ in range(2):  # it does not pass the second time either
        with pytest.raises(InvalidInput, match="judge.pt gives an image other features"):
            it.features(images)
    torch.jit.trace(net.eval(), example).save(str(path))
    assert feature_net(path).features(images).shape == (6, 16)


def test_one_image_alone_or_of_no_features_does_not_vouch_for_a_net():
    images, seen = pictures(6, (5, 5, 3)), []

    def net(take):
        return NetFeatures("it", "x", nn.Identity(), take)

    it = net(lambda x: x.flatten(1) * 1.0 - x.flatten(1).double().mean(0) * (len(x) > 1))
    it.features(images[:1])
    with pytest.raises(InvalidInput, match="other features at another time or beside"):
        it.features(images)
    images[0] = 0
    dropout = nn.Dropout(0.5).train()
    alone = net(lambda x: x.flatten(1) / (len(x) > 3 or torch.nan))
    for it in (net(lambda x: dropout(x.flatten(1).float())), alone):
        with pytest.raises(InvalidInput, match="other features"):
            it.features(images)
    # One that is right is tried once, and by few images.
    it = net(lambda x: seen.append(len(x)) or x.flatten(1) * 1.0)
    for _ in range(2):
        it.features(pictures(9))
    assert seen == [9, 4, 9]


def test_other_pictures_and_features_that_are_none_are_refused(tmp_path):
    judge = feature_net("mnist-judge")
    floats, one, tensor = pictures().astype(np.float32), pictures()[0], torch.tensor(pictures())
    for images in (floats, one, tensor, pictures(2, (32, 32, 3))):
        with pytest.raises(InvalidInput, match="uint8|images of shape"):
            judge.features(images)
    for take, told in (
        (lambda images: images.flatten(1) * torch.nan, "not finite"),
        (lambda images: images.float(), "gives"),
    ):
        with pytest.raises(InvalidInput, match=told):
            NetFeatures("it", "x", nn.Identity(), take).features(pictures())
    torch.jit.script(Judge(nn.Identity())).save(str(tmp_path / "judge.pt"))
    with pytest.raises(InvalidInput, match=r"does not take images of \(3, 7, 7\): .*shapes") as it:
        feature_net(tmp_path / "judge.pt").features(pictures(2, (7, 7, 3)))
    assert "\n" not in str(it.value)
