"""A request survives its link, and the copied Python and command line say the same."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_core import InvalidInput, Request
from ddpm_core.commands import options
from ddpm_core.commands import sample as command
from ui import permalinks
from ui.runs import Key

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
    guidance=st.sampled_from(["none", "cfg", "classifier", "classifier-noisy"]),
    guidance_scale=st.none() | st.floats(-100, 1000),
    form=st.sampled_from(["plain", "scaled"]),
    at=st.sampled_from(["x", "x0", "x0-through"]),
    rescale=st.floats(0, 1),
    t_low=st.integers(0, 400),
    t_high=st.none() | st.integers(400, 999),
    profile=st.sampled_from(["constant", "early", "late"]),
    mix=st.none() | st.integers(0, 9),
    share=st.floats(0, 1),
)
keys = st.builds(
    Key,
    model=st.just("m"),
    request=requests,
    beside=st.lists(requests, max_size=2).map(tuple),
    branch_at=st.none() | st.integers(0, 50),
)


@given(keys)
def test_a_link_restores_its_run(key):
    pairs = parse_qsl(permalinks.query(key, tab="sample"), keep_blank_values=True)
    assert (dict(pairs)["model"], dict(pairs)["tab"]) == ("m", "sample")
    assert permalinks.parse(pairs, Key("other", Request())) == key


@given(keys)
def test_the_copied_python_makes_the_same_requests(key):
    source = permalinks.python(key)
    line = next(line for line in source.splitlines() if line.startswith("request = "))
    request = eval(line.removeprefix("request = "), {"Request": Request})
    assert request == key.request
    if not key.beside or key.branch_at is not None:
        return
    line = next(line for line in source.splitlines() if line.startswith("both = "))
    names = {"film": lambda model, requests: requests, "model": None, "replace": replace}
    made = eval(line.removeprefix("both = "), names | {"request": request})
    assert made == key.requests


MEANT = [{}, {"variance": "posterior", "clip": False}, {"variance": "beta", "clip": True}]


@given(keys, st.sampled_from(MEANT))
def test_the_copied_command_makes_the_same_requests(key, meant):
    model = SimpleNamespace(config=SimpleNamespace(sampling=meant))
    words = shlex.split(permalinks.command_line(key, meant=meant))
    assert words[:4] == ["python", "-m", "ddpm_core", "sample"]
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    parsed = parser.parse_args(words[3:])
    request = options.request(parsed, model)
    assert (parsed.model, request) == (key.model, key.request)
    assert tuple(options.beside(parsed, request)) == key.beside
    assert parsed.branch_at == key.branch_at


@given(requests)
def test_what_a_link_does_not_say_stays_as_it_was(request):
    assert permalinks.parse({}, Key("m", request)).request == request
    assert permalinks.parse({"seed": "9"}, Key("m", request)).request.seed == 9


@pytest.mark.parametrize("query", [{"steps": "many"}, {"clip": "2"}, {"eta": "nan"}, {"n": "1e9"}])
def test_a_broken_link_is_refused_by_name(query):
    with pytest.raises(InvalidInput, match=next(iter(query))):
        permalinks.parse(query, Key("m", Request()))
