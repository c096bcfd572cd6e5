"""Feature nets by name: which layer, in which range, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from ddpm_core import load_classifier
from ddpm_core.errors import InvalidInput
from lab.measure.features import Features, classifier_features, feature_net
from lab.weights import fingerprint
from tests.support.toys import tiny_classifier


def pictures(n=6, shape=(28, 28, 1)):
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_a_shipped_judge_gives_what_its_last_layer_sees():
    net, judge = feature_net("mnist-judge"), load_classifier("mnist-judge")
    found = net.features(pictures())
    assert (found.shape, found.dtype) == ((6, 128), torch.float64)
    x = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float() / 127.5 - 1
    answer = judge.net.head(found.float()).log_softmax(1)
    torch.testing.assert_close(answer, judge.log_probs(x), rtol=1e-4, atol=1e-4)
    assert (net.name, net.layer) == ("mnist-judge", "the penultimate layer")
    assert net.mark == fingerprint(judge.net)
    several = classifier_features(tiny_classifier("whitened-ensemble"))
    assert several.layer == "the penultimate layers of 2 networks"
    assert several.features(pictures(2, (8, 8, 1))).shape == (2, 16)


class Sums(nn.Module):
    """The sums of the channels, or their shares; never the same in training mode."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor, self.dropout = factor, nn.Dropout(0.5)

    def forward(self, images, return_features: bool = False):
        sums = self.dropout(images.long().sum(dim=(2, 3)).float() * self.factor)
        return sums if return_features else sums.softmax(1)


def test_a_script_is_given_colours_from_0_to_255_and_asked_for_features(tmp_path):
    marks, images = [], pictures(3, (5, 5, 1))
    for factor in (1.0, 2.0):
        torch.jit.script(Sums(factor)).save(str(tmp_path / "sums.pt"))
        net = feature_net(tmp_path / "sums.pt")
        sums = torch.from_numpy(images).long().sum((1, 2)).double().expand(3, 3)
        assert torch.equal(net.features(images), sums * factor)
        assert net.layer == "its features"
        marks.append(net.mark)
    assert marks[0] != marks[1]  # neither has a weight


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(75, 16)

    def forward(self, images):
        return self.layer(images.flatten(1).float())


def test_what_is_no_feature_net_or_gives_no_features_is_refused(tmp_path):
    (tmp_path / "it.pt").write_text("no script")
    for name, message in (
        ("inception", "unknown feature net 'inception'; known: .*mnist-judge.*TorchScript"),
        ("nowhere.pt", "nowhere.pt does not exist"),
        (tmp_path / "it.pt", "it.pt is no TorchScript file"),
    ):
        with pytest.raises(InvalidInput, match=message):
            feature_net(name)
    for take, told in (
        (lambda images: images.flatten(1) * torch.nan, "not finite"),
        (lambda images: images.float(), "gives"),
    ):
        with pytest.raises(InvalidInput, match=told):
            Features("it", "x", "0", take).features(pictures())
    torch.jit.script(Linear()).save(str(tmp_path / "linear.pt"))
    with pytest.raises(InvalidInput, match=r"does not take images of \(3, 7, 7\): .*shapes") as it:
        feature_net(tmp_path / "linear.pt").features(pictures(2, (7, 7, 3)))
    assert "\n" not in str(it.value)
