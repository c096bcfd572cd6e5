"""The bench: its arithmetic on made-up clocks, its matches counted, its tables on tiny budgets."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from ddpm_core import checkpoints, hardware, unet
from ddpm_core.checkpoints import available, load
from ddpm_core.denoiser import ModelDenoiser
from ddpm_core.errors import InvalidInput
from lab.__main__ import main
from lab.bench import (
    endtoend,
    growth,
    identical,
    ours,
    sections,
    with_diffusers,
    with_lucidrains,
)
from lab.bench.growth import Case
from lab.bench.machine import Rates, steadily
from lab.bench.sections import FULL, QUICK, Budget, bench
from lab.bench.shapes import COLOUR, GREY, SHAPES, WITHIN, Size, layout
from lab.bench.table import Table
from lab.bench.timing import Spread
from tests.core.test_cost import Counting
from tests.lab.bench.test_bench_timing import Clock

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PEERS = (with_diffusers, with_lucidrains)
NARROW = identical.GOOGLE | {"sample_size": 16, "block_out_channels": (32, 32, 32, 32)}
TINY = Budget(
    shapes=(GREY,),
    walks=((1, 2),),
    identical=((1, 2),),
    training=4,
    rounds=2,
    tries=1,
    waits=((1, 1),),
    film=(2, 3),
    starts=1,
    growth=(Case(n=2, steps=1, size=8),),
)


@pytest.fixture
def calm(monkeypatch):
    """A machine whose own rate is known, and stays the same."""
    monkeypatch.setattr(sections, "gemm_rate", lambda dtype, size: 100.0)
    monkeypatch.setattr(
        sections,
        "steadily",
        lambda measure, tries: steadily(measure, tries, lambda: Rates(100.0, 200.0)),
    )


def without(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)


# --- what is compared ---


@pytest.mark.parametrize("budget", [FULL, QUICK], ids=["full", "quick"])
def test_five_rounds_are_the_least(budget):
    assert budget.rounds >= 5


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_peers_match_in_parameters_and_operations(shape, peer):
    assert peer.size(shape).beyond(ours.size(shape)) <= WITHIN


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ours_is_what_ships(shape):
    if shape.recipe_name not in available():
        pytest.skip(f"{shape.recipe_name} does not ship")
    wanted, got = load(shape.recipe_name).config.complete(), ours.model(shape).config.complete()
    assert (got.model, got.schedule) == (wanted.model, wanted.schedule)


def test_operations_that_a_transposed_convolution_saves_count_all_the_same():
    upsample, x = unet.Upsample(4), torch.zeros(1, 4, 5, 5)
    plainly = 2 * 4 * 4 * 9 * 10 * 10
    size = sections.measure(upsample, x, (10, 10))
    assert (size.operations, size.executed) == (plainly, plainly * 4 // 9)
    size = sections.measure(upsample.conv, torch.zeros(1, 4, 10, 10))
    assert (size.operations, size.executed) == (plainly, plainly)


def test_the_worse_of_parameters_and_operations_counts():
    assert Size(110, 100, 7).beyond(Size(100, 100, 70)) == pytest.approx(0.1)
    assert Size(100, 80, 7).beyond(Size(100, 100, 70)) == pytest.approx(0.2)


def test_attention_is_counted():
    q = torch.zeros(1, 1, 10, 4)

    class Attend(torch.nn.Module):
        def forward(self, q):
            return torch.nn.functional.scaled_dot_product_attention(q, q, q)

    assert sections.measure(Attend(), q).operations == 2 * 2 * 10 * 10 * 4


def test_what_does_not_match_is_not_compared(monkeypatch, calm):
    monkeypatch.setitem(with_diffusers.WIDTHS, GREY, (16, 32, 96))
    for name in ("match", "sampling", "training"):
        with pytest.raises(InvalidInput, match="diffusers is not comparable"):
            list(bench(TINY, (name,)))


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_peers_walk_to_images(peer, dtype):
    images = peer.sampling(GREY, 2, 2, dtype)()
    assert images.shape == (2, 1, 28, 28)
    assert torch.isfinite(images).all()


@pytest.mark.parametrize(
    ("dtype", "weights"),
    [("fp32", {torch.float32}), ("bf16", {torch.bfloat16})],
)
def test_like_is_compared_with_like(monkeypatch, dtype, weights):
    seen, call = set(), ModelDenoiser.__call__

    def noting(self, x, t):
        seen.add(self.prepared.network(self.reduced).conv_in.weight.dtype)
        return call(self, x, t)

    monkeypatch.setattr(ModelDenoiser, "__call__", noting)
    assert ours.walk(ours.model(GREY), GREY.noise(1), 2, dtype)().shape == (1, 1, 28, 28)
    assert seen == weights


@pytest.mark.parametrize("side", [ours, *PEERS])
def test_training_learns(side):
    with side.training(GREY, 4, "fp32") as step:
        losses = [step() for _ in range(3)]
        with Counting() as counted:
            step()
    assert all(0 < loss < 100 for loss in losses)
    assert len(set(losses)) == 3
    # Another noise makes another loss, whether anything was learned or not: every step updates.
    assert counted.operations["aten._fused_adam_.default"] == 1


def test_identical_weights_give_equal_answers():
    reference, model = identical.both(NARROW)
    x = torch.randn(2, 3, 16, 16)
    assert identical.disagreement(reference, model, x) < identical.AGREEMENT
    model.unet.conv_out.bias.data += 0.1
    assert identical.disagreement(reference, model, x) > identical.AGREEMENT


def test_the_published_shape_has_the_published_size():
    with torch.device("meta"):
        from diffusers import UNet2DModel

        reference = UNet2DModel(**identical.GOOGLE)
    assert sum(p.numel() for p in reference.parameters()) == 35_746_307


def test_weights_that_answer_differently_are_not_compared(monkeypatch, calm):
    reference, model = identical.both(NARROW)
    model.unet.conv_out.bias.data += 0.1
    monkeypatch.setattr(identical, "both", lambda: (reference, model))
    with pytest.raises(InvalidInput, match="answer differently"):
        list(bench(TINY, ("identical",)))


# --- the tables ---


def test_sampling_prints_every_comparison(calm):
    (table,) = bench(TINY, ("sampling",))
    text = table.text()
    assert "28x28x1, batch 1" in text
    pairs = [(row.get("ours"), row["against"]) for row in table.rows]
    assert pairs == [
        ("default", "diffusers fp32"),
        (None, "lucidrains fp32"),
        ("fp32", "diffusers fp32"),
        (None, "lucidrains fp32"),
        ("bf16", "diffusers bf16"),
        (None, "lucidrains bf16"),
    ]
    assert [row["goal"] for row in table.rows] == [1.5, 2.5, 1.2, None, 1.2, None]
    assert "GEMM 100 GFLOP/s in fp32, 200 in bf16" in text
    for row in table.rows:
        assert row["ratio"].low <= row["ratio"].median <= row["ratio"].high


def test_layouts_are_told_as_they_are(monkeypatch, calm):
    without(monkeypatch, "denoising_diffusion_pytorch")
    (table,) = bench(replace(TINY, shapes=(COLOUR,)), ("sampling",))
    (note,) = [note for note in table.notes if note.startswith("maps in memory")]
    assert "channels_last in fp32, NCHW in bf16; diffusers " in note
    (table,) = bench(TINY, ("sampling",))
    assert "maps in memory: ours NCHW; diffusers " in table.text()


def test_a_layout_is_that_of_the_maps_and_not_of_the_weights():
    net, x = torch.nn.Conv2d(2, 3, 3), torch.zeros(1, 2, 8, 8)
    assert layout(lambda: net(x)) == "NCHW"
    by_pixels = x.contiguous(memory_format=torch.channels_last)
    assert layout(lambda: net(by_pixels)) == "channels_last"
    assert layout(lambda: (net(x), net(by_pixels))) == "NCHW and channels_last"
    assert layout(lambda: torch.nn.Conv2d(2, 1, 3)(x)) == layout(lambda: None) == ""


def test_the_share_of_the_ceiling_is_that_of_its_dtype(calm):
    clock = Clock()
    times = {("ours", dtype): clock.worker(dtype, 1.0) for dtype in ("fp32", "bf16")}
    table = sections._compared("", times, {}, TINY, 16, 50e9, 1, [])
    for row in table.rows[1:]:
        share = row["GFLOP/s"] / {"fp32": 100, "bf16": 200}[row["ours"]]
        assert row["of GEMM"] == f"{share:.0%}"


def test_the_ceiling_of_what_is_part_float32_lies_between(calm):
    clock = Clock()
    times = {("ours", dtype): clock.worker(dtype, 1.0) for dtype in ("default", "fp32", "bf16")}
    table = sections._compared("", times, {}, TINY, 16, 50e9, 1, [], full=0.25)
    # A quarter at 100, the rest at 200: 160 on the whole.
    assert table.rows[0]["of GEMM"] == f"{table.rows[0]['GFLOP/s'] / 160:.0%}"


def test_the_steps_told_in_float32_are_those_that_are(monkeypatch):
    monkeypatch.setattr(checkpoints, "bf16_is_native", lambda device: True)
    seen, real = [], ModelDenoiser.__call__

    def noting(self, x, t):
        seen.append(not self.reduced or not self.bears(t))
        return real(self, x, t)

    monkeypatch.setattr(ModelDenoiser, "__call__", noting)
    model = ours.model(GREY)
    ours.walk(model, GREY.noise(1), 20, "default")()
    assert ours.steps_in_full(model, 20) == sum(seen) == 1


def test_an_unsteady_table_meets_no_goal(monkeypatch):
    looks = iter([Rates(100.0, 200.0), Rates(50.0, 200.0)])
    monkeypatch.setattr(
        sections, "steadily", lambda measure, tries: steadily(measure, tries, looks.__next__)
    )
    clock = Clock()
    keys = [("ours", "default"), ("ours", "fp32"), ("ours", "bf16"), ("peer", "fp32")]
    times = {key: clock.worker(key, 1.0) for key in keys}
    table = sections._compared("", times, {("peer", "fp32"): 0.5}, TINY, 16, 50e9, 1, [])
    (row,) = [row for row in table.rows if row.get("goal")]
    assert row["met"] is None and "NOT TO BE USED" in table.text()


def test_training_prints(calm):
    (table,) = bench(TINY, ("training",))
    assert "Training at 28x28x1, batch 4" in table.text()
    assert {row.get("goal") for row in table.rows} == {None, 1.4}


def test_identical_weights_print(monkeypatch, calm):
    found = identical.both(NARROW)
    monkeypatch.setattr(identical, "both", lambda: found)
    (table,) = bench(TINY, ("identical",))
    assert [row["ours"] for row in table.rows] == ["default", "fp32", "bf16"]
    assert "answers differ by" in table.text()


def test_missing_peers_are_said_and_left_out(monkeypatch, calm):
    without(monkeypatch, "diffusers")
    without(monkeypatch, "denoising_diffusion_pytorch")
    for name in ("match", "sampling", "training"):
        (table,) = bench(TINY, (name,))
        text = table.text()
        assert "diffusers is left out: pip install diffusers" in text
        assert "lucidrains is left out: pip install denoising-diffusion-pytorch" in text
        assert "ours" in text
        assert not any("against" in row for row in table.rows)
    (table,) = bench(TINY, ("identical",))
    assert "diffusers is left out" in table.text()
    assert not table.rows


def test_one_missing_peer_leaves_the_other(monkeypatch, calm):
    without(monkeypatch, "denoising_diffusion_pytorch")
    (table,) = bench(TINY, ("sampling",))
    assert [row["against"].split()[0] for row in table.rows] == ["diffusers"] * 3


def test_end_to_end_prints_what_could_be_measured(monkeypatch):
    def none():
        raise InvalidInput("no app.py here")

    monkeypatch.setattr(endtoend, "served", none)
    film, pictures, application = bench(TINY, ("end-to-end",))
    assert "film of 2 over 3 steps" in film.text()
    (row,) = pictures.rows
    assert (row["images"], row["steps"]) == (1, 1) and row["core alone"].median > 0
    assert "application" not in row
    assert "is left out: no app.py here" in application.text()


@pytest.fixture(scope="module")
def application():
    """One for both tests: to start it takes the most of them."""
    with endtoend.served() as started:
        yield started


def test_the_application_starts_and_sends_pictures_that_it_does_not_keep(application):
    assert 0 < application.answered < application.first
    ask = application.pictures(1, 2)
    first, second = (ask()["about"]["seed"] for _ in range(2))
    assert second == first + 1


def test_end_to_end_prints_core_and_application_side_by_side(calm, monkeypatch, application):
    monkeypatch.setattr(endtoend, "served", lambda: nullcontext(application))
    _, pictures, application = bench(TINY, ("end-to-end",))
    (row,) = pictures.rows
    assert 0 < row["core alone"].median < row["application"].median
    assert [row["what"] for row in application.rows] == [
        "start to answer",
        "start to a first grid of pictures",
    ]


def test_an_application_that_ends_at_once_is_told_of():
    with (
        pytest.raises(InvalidInput, match="ended at once, with status 3"),
        endtoend.served([sys.executable, "-c", "raise SystemExit(3)"]),
    ):
        pass


def test_cost_over_size_prints():
    (table,) = bench(TINY, ("size",))
    (row,) = table.rows
    assert (row["n"], row["steps"], row["size"], row["turns"]) == (2, 1, 8, growth.TURNS)
    assert row["peak MiB"] > row["above the model's"] >= 0


def test_a_case_keeps_freed_memory_as_every_command_does(monkeypatch, capsys):
    order = []
    monkeypatch.setattr(hardware, "keep_memory", lambda: order.append("keep"))
    monkeypatch.setattr(growth, "measure", lambda case: order.append(case) or growth.Cost([], 0, 0))
    monkeypatch.setattr(sys, "argv", ["growth", '{"n": 3, "threads": 1}'])
    growth.main()
    assert order == ["keep", Case(n=3)]
    assert json.loads(capsys.readouterr().out)["seconds"] == []


def test_peak_memory_is_that_of_the_process_and_sees_what_was_given_back():
    words = """
        from lab.bench.growth import peak_mib
        before = peak_mib()
        bytearray(64 * 2**20)
        print(before, peak_mib() - before)
    """
    huge = bytearray(512 * 2**20)  # of the parent: no concern of the child's
    command = [sys.executable, "-c", textwrap.dedent(words)]
    done = subprocess.run(command, cwd=growth.ROOT, capture_output=True, text=True, check=True)
    before, taken = map(float, done.stdout.split())
    assert 10 < before < len(huge) / 2**20
    assert 60 < taken < 80


def test_a_failing_case_is_told_of_and_costs_no_other():
    (table,) = bench(replace(TINY, growth=(Case(n=0), *TINY.growth)), ("size",))
    assert [row["n"] for row in table.rows] == [2]
    assert "n must be between" in table.text()


def test_ten_thousand_samples_stay_within_bounds():
    few, many = (growth.cost(Case(n=n, steps=1, size=8), threads=1) for n in (64, 10_000))
    assert many.above < few.above + 16


def test_text_is_aligned_and_json_complete():
    rows = [{"a": "x", "b": 1234.5, "c": Spread(0.5, 0.25, 1.0)}, {"a": "long", "c": None}]
    table = Table("Title", rows, ["a note"])
    assert table.text().splitlines() == [
        "Title",
        "  a     b     c",
        "  x     1234  0.500 (0.250-1.00)",
        "  long",
        "  ! a note",
    ]
    assert json.loads(json.dumps(table.json()))["rows"][0]["c"]["median"] == 0.5


# --- the command ---


def test_the_command_prints_and_writes(monkeypatch, capsys, tmp_path, calm):
    out = tmp_path / "new" / "bench.json"
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    assert main(["bench", "--quick", "--only", "gemm", "--threads", "1", "--json", f"{out}"]) == 0
    assert "1024 x 1024 x 1024" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["tables"][0]["rows"][0]["GFLOP/s, fp32"] == 100
    assert "torch" in written["about"][0]


def test_an_unknown_section_is_refused_at_once(capsys):
    assert main(["bench", "--only", "everything"]) == 2
    told = capsys.readouterr()
    assert "unknown section 'everything'" in told.err
    assert not told.out


def test_help_lists_every_section(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    told = "".join(capsys.readouterr().out.split())  # lines break within words that have hyphens
    assert ",".join(sections.SECTIONS) in told
