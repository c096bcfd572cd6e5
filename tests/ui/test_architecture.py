"""The figure of a network says what its outline says, at the width that it is drawn for."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from ddpm_core import Model, available, load
from ddpm_core.checkpoints import Config
from lab.process.outline import outline
from tests.lab.process.test_outline import GOOGLE, NETWORKS
from ui.architecture import NARROW, WIDE, Network, network, short

TOYS = {"google": GOOGLE, "up": NETWORKS["other attention on the way up"]} | {
    "one": NETWORKS["one level"],
    "eight levels": {"image_size": 256, "channels": (4,) * 8, "blocks": 3, "groups": 1},
}


def toy(name):
    options = TOYS[name]
    classes = [f"<{i}>" for i in range(options.get("num_classes", 0))]
    config = Config(options, {"kind": "linear"}, "epsilon", "nothing", classes)
    return Model(f"a/<b>{name}", config, *config.build(), {})


def models():
    return [pytest.param(lambda n=n: toy(n), id=n) for n in TOYS] + [
        pytest.param(lambda n=n: load(n), id=n) for n in available()
    ]


def groups(svg):
    """The drawn blocks, by number: their kind, title and the box of their shape."""
    found = {}
    for g in svg.iter("g"):
        if g.get("class") == "net-block":
            shape = [e for e in g if e.tag != "title" and e.get("class") != "net-reach"][0]
            found[int(g.get("data-block"))] = (g.get("data-kind"), g.find("title").text, box(shape))
    return found


def box(shape):
    """left, top, right, bottom"""
    if shape.tag == "rect":
        x, y, w, h = (float(shape.get(k)) for k in ("x", "y", "width", "height"))
        return x, y, x + w, y + h
    if shape.tag == "ellipse":
        x, y, w, h = (float(shape.get(k)) for k in ("cx", "cy", "rx", "ry"))
        return x - w, y - h, x + w, y + h
    left, base, right, x, tip = map(float, re.findall(r"-?[\d.]+", shape.get("d")))
    assert left < x < right
    return left, min(base, tip), right, max(base, tip)


@pytest.mark.parametrize("make", models())
@pytest.mark.parametrize(("view", "width"), [("wide", WIDE), ("narrow", NARROW)])
def test_every_block_is_drawn_once_in_order_by_its_kind_and_resolution(make, view, width):
    model = make()
    blocks = outline(model.unet)
    drawn = groups(ElementTree.fromstring(network(model)[view]))
    assert sorted(drawn) == list(range(len(blocks)))
    assert [drawn[i][0] for i in sorted(drawn)] == [b.kind for b in blocks]
    boxes = {b.name: drawn[i][2] for i, b in enumerate(blocks)}
    path = [b for b in blocks if b.part != "embedding"]
    for a, b in pairwise(path):
        assert boxes[a.name][2] < boxes[b.name][0] + 0.2, (a.name, b.name)
    for left, _, right, _ in boxes.values():
        assert left >= 0 and right <= width
    body = [b for b in path if b.kind in ("resnet", "attention")]
    for a in body:
        for b in body:
            tall = [boxes[c.name][3] - boxes[c.name][1] for c in (a, b)]
            assert not (a.side > b.side and tall[0] < tall[1] - 0.2)
            same = abs(boxes[a.name][1] + boxes[a.name][3] - sum(boxes[b.name][1::2])) < 0.3
            assert same == (a.level == b.level), "a level is a row"


@pytest.mark.parametrize("make", models())
def test_skips_end_over_the_block_that_takes_them(make):
    model = make()
    blocks = outline(model.unet)
    svg = ElementTree.fromstring(network(model)["wide"])
    drawn = groups(svg)
    boxes = {b.name: drawn[i][2] for i, b in enumerate(blocks)}
    skips = [p for p in svg.iter("path") if p.get("class") == "net-skip"]
    assert {(p.get("data-from"), p.get("data-to")) for p in skips} == {
        (b.skip, b.name) for b in blocks if b.skip
    }
    kinds = {b.name: b.kind for b in blocks}
    overs = []
    for p in skips:
        numbers = list(map(float, re.findall(r"-?[\d.]+", p.get("d"))))
        start, level, end = numbers[0], numbers[2], numbers[7] + numbers[10]
        source, target = boxes[p.get("data-from")], boxes[p.get("data-to")]
        if kinds[p.get("data-from")] != "downsample":
            assert start == pytest.approx(sum(source[::2]) / 2, abs=0.2)
        assert end == pytest.approx(sum(target[::2]) / 2, abs=0.2)
        assert level < target[1]
        overs.append((start, end, round(level - numbers[10], 1)))
    # Nested, and none upon another.
    for i, a in enumerate(overs):
        for b in overs[:i]:
            apart = a[1] <= b[0] or b[1] <= a[0]
            inside = (a[0] - b[0]) * (a[1] - b[1]) < 0
            assert apart or inside
            assert apart or a[2] != b[2]


def test_every_residual_block_is_fed_and_parameters_are_told_by_level():
    model = load("mnist-conditional")
    svg = ElementTree.fromstring(network(model)["narrow"])
    blocks = outline(model.unet)
    feed = next(g for g in svg.iter("g") if g.get("class") == "net-feed")
    assert len(feed.findall("circle")) == sum(b.kind == "resnet" for b in blocks) == 8
    label = next(g for g in svg.iter("g") if g.get("class") == "net-label")
    said = [text.text for text in label]
    for level, size in enumerate(("28 × 28, 16 channels", "14 × 14, 32 channels")):
        own = sum(b.parameters for b in blocks if b.level == level)
        assert said[2 * level : 2 * level + 2] == [size, f"{own / 1000:.3g} k parameters"]


def test_the_words_say_what_is_drawn():
    value = network(toy("up"))
    count = Counter(b.kind for b in outline(toy("up").unet))
    assert f"ResNet blocks: {count['resnet']}," in value["spoken"]
    assert f"attention blocks: {count['attention']};" in value["spoken"]
    assert "of time and class" in value["spoken"] and "of time;" in network(toy("one"))["spoken"]
    assert len(value["blocks"]) == count.total()
    assert "down 2.1 attention: 16 × 16 × 16, 1,120 parameters, 4 heads" in value["blocks"]
    assert any("takes over down 3 to 4" in text for text in value["blocks"])


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (940, "940"), (25_341, "25.3 k"), (999_999, "1 M"), (35_746_307, "35.7 M")],
)
def test_numbers_are_short(count, text):
    assert short(count) == text


def test_the_component_takes_what_it_is_given():
    figure = Network(network(toy("one")))
    assert figure.value["kind"] == "network"
    assert figure.postprocess(figure.value) == figure.value
