"""While a slider moves, the first step is evaluated once, and every picture stays what it was."""

from dataclasses import replace

import pytest
import torch

from ddpm_core import Request, load, sample
from lab.process.first_steps import FirstSteps

GUIDED = Request(n=2, steps=3, seed=5, label=3, guidance="cfg", guidance_scale=1.5)


@pytest.fixture
def calls():
    """The timesteps at which the network was evaluated."""
    return []


@pytest.fixture
def model(calls):
    def counted(net, x, t, labels):
        calls.append(int(t[0]))
        return net(x, t, labels)

    model = load("mnist-conditional")
    model.evaluate = FirstSteps(counted, model.schedule.num_timesteps - 1)
    return model


@pytest.mark.parametrize(
    ("change", "asked_again"),
    [
        ({"guidance_scale": 4.0}, False),
        ({"steps": 4, "sampler": "dpm_solver_pp"}, False),
        ({"seed": 6}, True),
        ({"label": 4}, True),
        ({"n": 1}, True),
        ({"dtype": "bfloat16"}, True),
    ],
)
def test_only_another_noise_or_class_is_another_first_step(model, calls, change, asked_again):
    sample(model, replace(GUIDED, dtype="float32"))
    other = replace(GUIDED, **{"dtype": "float32"} | change)
    calls.clear()
    pictures = sample(model, other)
    assert (999 in calls) == asked_again and len(calls) == other.steps - 1 + asked_again
    assert (pictures == sample(load("mnist-conditional"), other)).all()


def test_an_answer_is_nobody_elses_to_change(model):
    request = replace(GUIDED, dtype="float32")
    model.evaluate(*first(model)).zero_()
    model.evaluate(*first(model)).zero_()
    assert model.evaluate(*first(model)).any()
    assert (sample(model, request) == sample(load("mnist-conditional"), request)).all()


def test_what_is_differentiated_and_what_is_large_is_evaluated_anew(model, calls):
    net, x, t, labels = first(model)
    for asked in (x.clone().requires_grad_(), torch.zeros(400, *model.shape)):
        few = len(asked)
        for _ in range(2):
            model.evaluate(net, asked, t.expand(few), labels.expand(few))
    assert len(calls) == 4


def first(model):
    return (
        model.prepared.network(),
        torch.ones(1, *model.shape),
        torch.tensor([999]),
        torch.tensor([3]),
    )
