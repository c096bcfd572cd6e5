"""The numbers under the equations are those that the core computes with."""

import re

import numpy as np
import pytest
import torch

from ddpm_core import NoiseSchedule
from ddpm_core.denoiser import Prediction
from ddpm_core.diffusion import q_sample, q_step
from ddpm_core.samplers import ddpm
from ui.glossary import glossary
from ui.widgets.equations import typeset
from ui.widgets.equations.equations import tables

TIMES = [1, 2, 437, 1000]


@pytest.fixture(scope="module", params=["linear", "cosine"])
def schedule(request):
    return NoiseSchedule.make(request.param)


def probe(x: float = 0.0):
    return torch.full((1, 1, 1, 1), x, dtype=torch.float64)


@pytest.mark.parametrize("t", TIMES)
def test_3_and_4_are_the_forward_process(schedule, t):
    table = tables(schedule)
    one, none = probe(1), probe(0)
    assert table["keep"][t] == pytest.approx(float(q_step(schedule, one, t - 1, none)), rel=1e-12)
    assert table["add"][t] == pytest.approx(float(q_step(schedule, none, t - 1, one)), rel=1e-12)
    signal = float(q_sample(schedule, one, t - 1, none))
    noise = float(q_sample(schedule, none, t - 1, one))
    assert table["signal"][t] == pytest.approx(signal, rel=1e-12)
    assert table["noise"][t] == pytest.approx(noise, rel=1e-12)
    assert table["rest"][t] == pytest.approx(noise**2, rel=1e-9)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
@pytest.mark.parametrize("t", TIMES[1:])
def test_7_is_a_step_of_ddpm_over_all_timesteps(schedule, t, variance):
    def after(x, eps, noise):
        walk = ddpm(
            lambda x, t: Prediction(probe(eps)),
            schedule,
            probe(x),
            [t - 1, t - 2],
            lambda t: probe(noise),
            variance=variance,
            clip=False,
        )
        return float(next(walk).x)

    table = tables(schedule, variance)
    assert table["mean_x"][t] == pytest.approx(after(1, 0, 0), rel=1e-6)
    assert -table["mean_eps"][t] == pytest.approx(after(0, 1, 0), rel=1e-6)
    assert table["sigma2"][t] == pytest.approx(after(0, 0, 1) ** 2, rel=1e-6)


def test_at_0_the_image_is_whole_and_no_step_leads_on(schedule):
    table = tables(schedule)
    assert [table[name][0] for name in ("signal", "noise", "keep", "add")] == [1, 0, 1, 0]
    assert np.isnan([table[name][0] for name in ("mean_x", "sigma2", "weight", "log_snr")]).all()
    assert all(len(column) == 1001 for column in table.values())


@pytest.mark.parametrize("number", typeset.ALL)
def test_every_symbol_of_an_equation_is_named(number):
    text = typeset.markup(number)
    symbols = re.findall(r"<[^>]*data-symbol=[^>]*>", text)
    assert symbols and all('aria-label="' in symbol for symbol in symbols)
    terms = [re.search('data-term="([^"]+)"', symbol) for symbol in symbols]
    assert all(
        term[1] in glossary() if term else 'data-hint="' in symbol
        for term, symbol in zip(terms, symbols, strict=True)
    )
    # The keyboard comes to each equation once.
    assert sum('tabindex="0"' in symbol for symbol in symbols) == 1
