"""A request survives its link, and the copied Python and command line say the same."""

from __future__ import annotations

import argparse
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_core import InvalidInput, Request
from ddpm_core import __main__ as command
from ui import permalinks

requests = st.builds(
    Request,
    n=st.integers(1, 64),
    first=st.integers(0, 1000),
    label=st.one_of(st.sampled_from(["all", "none"]), st.integers(0, 9)),
    sampler=st.sampled_from(["ddpm", "ddim", "dpm_solver_pp"]),
    steps=st.integers(1, 1000),
    seed=st.integers(0, 2**53 - 1),
    spacing=st.sampled_from(["linear", "quadratic", "logsnr"]),
    eta=st.floats(0, 1),
    variance=st.sampled_from(["beta", "posterior"]),
    clip=st.booleans(),
    dtype=st.sampled_from(["auto", "float32", "bfloat16"]),
)


@given(requests)
def test_a_link_restores_its_request(request):
    params = dict(parse_qsl(permalinks.query("some-model", request, tab="sample")))
    assert (params["model"], params["tab"]) == ("some-model", "sample")
    assert permalinks.parse(params, Request()) == request


@given(requests)
def test_the_copied_python_makes_the_same_request(request):
    source = permalinks.python("m", request)
    line = next(line for line in source.splitlines() if line.startswith("request = "))
    assert eval(line.removeprefix("request = "), {"Request": Request}) == request


@given(requests)
def test_the_copied_command_makes_the_same_request(request):
    import shlex

    words = shlex.split(permalinks.command_line("m", request))
    assert words[:4] == ["python", "-m", "ddpm_core", "sample"]
    parser = argparse.ArgumentParser()
    command._add_sample(parser.add_subparsers())
    parsed = vars(parser.parse_args(words[3:]))
    assert Request(**{k: parsed[k] for k in permalinks.DEFAULTS}) == request
    assert parsed["model"] == "m"


@given(requests)
def test_what_a_link_does_not_say_stays_as_it_was(request):
    assert permalinks.parse({}, request) == request
    assert permalinks.parse({"seed": "9"}, request).seed == 9


@pytest.mark.parametrize("query", [{"steps": "many"}, {"clip": "2"}, {"eta": "nan"}, {"n": "1e9"}])
def test_a_broken_link_is_refused_by_name(query):
    with pytest.raises(InvalidInput, match=next(iter(query))):
        permalinks.parse(query, Request())
