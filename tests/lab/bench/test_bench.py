"""The bench: its arithmetic, its match with diffusers, and the command on tiny cases."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ddpm_core import load
from lab.__main__ import main
from lab.bench import cases, with_diffusers
from lab.bench.cases import KINDS, MODELS, Case
from lab.bench.compare import interleaved, ratio
from lab.commands import bench

SMALL = {
    "sampling": Case("sampling", "grey", 1, "float32"),
    "training": Case("training", "grey", 4, "float32"),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """One small case of each kind, and two rounds."""
    monkeypatch.setattr(cases, "chosen", lambda quick, kinds: [SMALL[what] for what in kinds])
    monkeypatch.setattr("lab.commands.bench.interleaved", lambda turns, _: interleaved(turns, 2))


def test_turns_are_interleaved_turned_round_and_the_first_not_counted():
    order = []
    turns = [lambda name=name: order.append(name) or len(order) for name in "AB"]
    assert interleaved(turns, 3) == [[3, 6, 7], [4, 5, 8]]
    assert "".join(order) == "AB" + "ABBAAB"


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    # 2, 3, 4, 1.5: not the ratio of the medians, 3.5 / 1.5.
    assert ratio([1.0, 10.0, 1.0, 2.0], [2.0, 30.0, 4.0, 3.0]) == (2.5, 1.875, 3.25)


def size(net, image):
    """Parameters, and operations for one image."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, *image), torch.zeros(1).long(), torch.zeros(1).long())
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops()


@pytest.mark.parametrize("shape", MODELS)
def test_diffusers_matches_in_parameters_and_operations(shape):
    ours = load(MODELS[shape])
    theirs = size(with_diffusers.unet(shape), ours.shape)
    assert theirs == pytest.approx(size(ours.unet, ours.shape), rel=0.15)


def test_beside_diffusers_it_prints_a_line_with_a_ratio_for_each_case(capsys):
    assert main(["bench", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert all(re.search(r"\d+\.\d{3} \(\d", line) for line in lines)


def test_without_diffusers_or_a_checkout_there_is_nothing_to_compare_with(capsys, monkeypatch):
    monkeypatch.setattr("lab.commands.bench.find_spec", lambda name: None)
    assert main(["bench"]) == 2
    assert "pip install diffusers" in capsys.readouterr().err


@pytest.mark.parametrize(("limit", "status"), [("100", 1), ("0.01", 0)])
def test_beside_a_checkout_that_is_too_fast_for_the_limit_it_ends_with_1(limit, status):
    command = ["bench", "--beside", str(bench.ROOT), "--only", "sampling", "--limit", limit]
    assert main(command) == status


def test_a_folder_that_is_no_checkout_is_refused(tmp_path, capsys):
    assert main(["bench", "--beside", str(tmp_path)]) == 2
    assert "it has no ddpm_core" in capsys.readouterr().err
