"""Other devices than the CPU, as far as they can be tried without one.

Tensors on PyTorch's ``meta`` device have a shape and no numbers: nobody can look into one, so code
that would wait for a device fails.
"""

from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ddpm_core import Request, Run, checkpoints, guides
from ddpm_core.classifier import Classifier
from ddpm_core.diffusion import denoising_loss
from ddpm_core.errors import InvalidInput
from ddpm_core.guidance import GUIDANCE
from ddpm_core.hardware import devices, find_device
from ddpm_core.samplers import SAMPLERS
from tests.support.toys import tiny_classifier

# What each step of a sampler may ask of the device: whether the state is finite, and whether the
# weights are still those that its twin was made of.
QUESTIONS = (Tensor.__bool__, torch.equal)
MOVES = (Tensor.to, Tensor.copy_)
META = torch.device("meta")


def tensors_in(values) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


class Elsewhere(TorchFunctionMode):
    """Refuses to compute with tensors of two devices, and with float64 there: mps has none.

    ``answered``: questions about tensors there that are answered with yes, and counted.
    """

    def __init__(self, answered=()):
        super().__init__()
        self.answered, self.counts = answered, Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = tensors_in([args, kwargs])
        places = {v.device.type for v in tensors if v.ndim}
        if function in self.answered and any(v.device == META for v in tensors):
            self.counts[function] += 1
            return True
        assert len(places) < 2 or function in MOVES, f"{function} of tensors of two devices"
        result = function(*args, **kwargs)
        for v in tensors_in(result):
            assert v.dtype != torch.float64 or v.device != META, f"{function} made float64 there"
        return result


def model_on_meta(model) -> checkpoints.Model:
    """The same config on ``meta``."""
    with META:
        unet, schedule = model.config.build()
    return checkpoints.Model(model.name, model.config, unet.eval(), schedule, {})


def run_on_meta(model, request):
    on_meta = model_on_meta(model)
    with Elsewhere(QUESTIONS) as device:
        steps = list(Run(on_meta, request).steps())
    assert len(steps) == device.counts[Tensor.__bool__] == request.steps
    for step in steps:
        assert {v.device for v in [step.x, step.x0, step.eps, *step.extras.values()]} == {META}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_sampler_stays_on_the_device_of_the_network(model, sampler, dtype):
    run_on_meta(model, Request(n=3, sampler=sampler, steps=4, eta=1.0, dtype=dtype))


@pytest.mark.parametrize("guidance", [name for name in GUIDANCE if name != "none"])
def test_every_guidance_stays_there_too(model, guidance, monkeypatch):
    def load(name, device):
        toy = tiny_classifier("encoder" if "noisy" in name else "conv")
        with device:
            net, schedule = toy.config.build()
        return Classifier(name, toy.config, net, schedule, {})

    monkeypatch.setattr(guides, "_load", load)
    run_on_meta(model, Request(n=3, steps=4, guidance=guidance, guidance_scale=3.0, label=1))


def test_the_loss_asks_nothing_of_the_device(model):
    """A question, ``.item()`` say, would make the processor wait in the middle of a step."""
    on_meta = model_on_meta(model)
    x0, noise = (torch.empty(5, *model.shape, device=META) for _ in range(2))
    t, labels = (torch.empty(5, dtype=torch.long, device=META) for _ in range(2))
    with Elsewhere():
        arguments = x0, t, noise, labels, "v_prediction"
        loss = denoising_loss(on_meta.unet.train(), on_meta.schedule, *arguments)
        loss.mean().backward()
    assert loss.device == on_meta.unet.conv_in.weight.grad.device == META


@pytest.mark.parametrize(
    ("cuda", "mps", "names"),
    [(True, True, "cuda, mps, cpu"), (False, True, "mps, cpu"), (False, False, "cpu")],
)
def test_the_fastest_device_is_taken_and_an_error_names_what_there_is(
    checkpoint, monkeypatch, cuda, mps, names
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices() == names.split(", ")
    assert find_device() == torch.device(devices()[0])
    with pytest.raises(InvalidInput, match=f"'abacus'.* has: {names}$"):
        checkpoints.load(checkpoint, device="abacus")
