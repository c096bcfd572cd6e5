"""The command line's figures of guidance, called in process."""

import math
import re
from dataclasses import replace

import pytest

from ddpm_core.request import Request
from lab.__main__ import main
from lab.measure import metrics

pytestmark = pytest.mark.usefixtures("classifiers")
BASE = ["--steps", 4, "--dtype", "float32"]


@pytest.fixture
def evaluate(checkpoint, tmp_path):
    def call(*options):
        arguments = ["--model", checkpoint, "--n", 6, "--cache", tmp_path, *BASE, *options]
        return main(["evaluate", *map(str, arguments)])

    return call


def ask(**changes) -> Request:
    return Request(**{"n": 3, "steps": 4, "dtype": "float32"} | changes)


# --- evaluate ---


def table(text) -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert rows[1] == ["---"] * 3
    return [rows[0], *rows[2:]]


def test_evaluate_prints_what_the_figures_depend_on_and_a_row_per_scale(evaluate, model, capsys):
    options = ["--guidance", "cfg", "--scale", 1, 2.5, "--seed", 3, "--label", 5, "--rescale", 0.5]
    assert evaluate(*options, "--t-low", 0, "--t-high", 0, "--sampler", "ddim", "--eta", 0.5) == 0
    settings, _, text = capsys.readouterr().out.partition("\n")
    for words in (
        "tiny (EMA), classifier-free guidance",
        "ddim, 4 steps (even in t), x̂0 clipped",
        "rescale 0.5",
        "for 0 <= t <= 0",
        "eta 0.5",
        "n = 6, label 5, seed 3, dtype float32",
        "judged by tiny-residual",
    ):
        assert words in settings
    head, *rows = table(text)
    assert head == ["scale", "wanted class", "mean pairwise distance"]
    request = ask(n=6, guidance="cfg", label=5, seed=3, rescale=0.5, t_high=0)
    request = replace(request, sampler="ddim", eta=0.5)
    for row, scale in zip(rows, (1, 2.5), strict=True):
        found = metrics.measure(model, replace(request, guidance_scale=scale))
        error = math.sqrt(found.accuracy * (1 - found.accuracy) / 6)
        hit = f"{found.accuracy:.1%} ± {error:.1%}"
        assert row == [f"{scale:g}", hit, f"{found.distance:.2f}"]


@pytest.mark.parametrize(
    ("options", "scale", "words"),
    [
        ([], "-", "no guidance"),
        (["--guidance", "classifier", "--at", "x0"], "17", "clean classifier at x0, scaled"),
        (["--mix", "3", "--share", "0.25", "--first", "7"], "-", "class 3 mixed in, share 0.25"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_evaluate_without_scales_measures_the_request_as_it_is(
    evaluate, capsys, options, scale, words
):
    assert evaluate(*options, "--batch", 4) == 0
    printed = capsys.readouterr().out
    assert words in printed
    assert [row[0] for row in table(printed)[1:]] == [scale]
    assert re.fullmatch(r"[\d.]+% ± [\d.]+%", table(printed)[1][1])
    assert evaluate("--label", "none") == 0  # and no class is met
    assert table(capsys.readouterr().out)[1][1] == "-"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "1", "2"], "choose one with --guidance"),
        (["--guidance", "cfg", "--scale", "2", "nan"], "guidance_scale"),
        (["--bound"], "--steps has no meaning for --bound"),
        (["--bound", "--reference", "test"], "--reference goes with --fid"),
        (["--neighbours", "--guidance", "cfg", "--scale", "1", "2"], "takes one --scale"),
        (["--batch", "0"], "batch"),
        (["--model", "nobody"], "no checkpoint 'nobody'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_evaluate_refuses_before_it_prints(evaluate, capsys, options, message):
    assert evaluate(*options) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("error: ")
    assert printed.out == ""


@pytest.mark.parametrize(
    "option",
    [["--no-clip"], ["--first", "3"], ["--guidance", "cfg"]],
    ids=" ".join,
)
def test_the_bound_takes_no_option_that_it_would_ignore(checkpoint, capsys, option):
    assert main(["evaluate", "--model", str(checkpoint), "--bound", *option]) == 2
    name = option[0].replace("no-", "")
    assert capsys.readouterr().err == f"error: {name} has no meaning for --bound\n"


@pytest.mark.parametrize(
    ("mode", "otherwise"),
    [
        (["--fid"], "name another feature net (--features)"),
        (["--neighbours"], "(--pixels)"),
        ([], "tiny has no judge"),
    ],
)
def test_without_a_judge_another_way_is_told(evaluate, classifiers, capsys, mode, otherwise):
    del classifiers["mnist-judge"]
    assert evaluate(*mode) == 2
    printed = capsys.readouterr()
    assert otherwise in printed.err and printed.out == ""
