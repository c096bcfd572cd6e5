"""FID of a model: samples that are kept, a figure with its protocol, and the command line."""

import json
import re
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ddpm_core import checkpoints, data
from ddpm_core.errors import CheckpointError, InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import Run, sample
from lab.__main__ import main
from lab.measure import evaluation, fid, protocol, results, shards
from lab.measure.evaluation import evaluate_fid
from lab.measure.features import batches, classifier_features
from lab.measure.shards import Shards
from lab.progress import Progress, last
from tests.support.toys import tiny_classifier


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 8)


def ask(**changes) -> Request:
    return Request(**{"n": 21, "steps": 3, "dtype": "float32", "seed": 4} | changes)


def drawn(it: Shards) -> np.ndarray:
    return np.concatenate([part for part in it.sampling() if isinstance(part, np.ndarray)])


@pytest.fixture
def counted(monkeypatch):
    """The numbers of the images that are sampled, not read."""
    seen = []

    class Counting(Run):
        def __init__(self, model, request, images):
            seen.extend(images)
            super().__init__(model, request, images)

    monkeypatch.setattr(shards, "Run", Counting)
    return seen


# --- samples on disk ---


def test_they_are_the_samples_of_the_request(model, tmp_path):
    close = np.abs(drawn(Shards(model, ask(), tmp_path)).astype(int) - sample(model, ask()))
    assert close.max() <= 1
    assert sorted(p.name for p in next(tmp_path.iterdir()).glob("*.npy")) == [
        f"{start:010d}.npy" for start in (0, 8, 16)
    ]


def test_what_is_on_disk_is_not_sampled_again(model, tmp_path, counted):
    first = drawn(Shards(model, ask(), tmp_path, 3))
    assert counted == list(range(21))
    assert np.array_equal(drawn(Shards(model, ask(), tmp_path, 5)), first)
    assert counted == list(range(21))
    more = drawn(Shards(model, ask(n=30), tmp_path))
    assert counted == list(range(30))
    assert np.array_equal(more[:21], first)
    part = drawn(Shards(model, ask(n=5, first=6), tmp_path))
    assert np.array_equal(part, more[6:11])
    assert counted == list(range(30))


def test_a_stopped_run_goes_on_where_it_was(model, tmp_path, counted):
    steps = Shards(model, ask(), tmp_path, 4).sampling()
    for it in steps:
        if isinstance(it, Progress) and it.done >= 13:
            steps.close()
            break
    before = list(counted)
    assert before == list(range(16))
    counted.clear()
    drawn(Shards(model, ask(), tmp_path, 4))
    # The batch in hand was lost, no more.
    assert counted == list(range(12, 21))


@pytest.mark.parametrize(
    "changes",
    [{"steps": 4}, {"seed": 5}, {"sampler": "ddpm"}, {"label": 3}, {"dtype": "bfloat16"}],
    ids=str,
)
def test_another_request_has_another_folder_and_another_spelling_has_not(model, tmp_path, changes):
    assert Shards(model, ask(), tmp_path).folder != Shards(model, ask(**changes), tmp_path).folder
    assert Shards(model, ask(), tmp_path).folder == Shards(model, ask(n=3), tmp_path).folder
    usual = model.resolve_dtype("auto")
    named, plain = (Shards(model, ask(dtype=it), tmp_path) for it in (usual, "auto"))
    assert named.protocol() == plain.protocol()
    other = {"float32": "bfloat16", "bfloat16": "float32"}[usual]
    protocol = Shards(model, ask(dtype=other), tmp_path).protocol()
    assert protocol == plain.protocol() | {"dtype": other}


def test_weights_and_guides_are_part_of_what_samples_depend_on(classifiers, checkpoint, tmp_path):
    model, request = checkpoints.load(checkpoint), ask(guidance="classifier")
    before, plain = (Shards(model, it, tmp_path) for it in (request, ask()))
    classifiers["mnist-classifier"] = tiny_classifier("conv")
    with torch.no_grad():
        classifiers["mnist-classifier"].net.head.bias[0] += 1e-6
    assert Shards(model, request, tmp_path).folder != before.folder
    assert Shards(model, ask(), tmp_path).folder == plain.folder  # which nothing guides
    with torch.no_grad():
        model.unet.conv_in.bias[0] += 1e-6
    assert Shards(model, ask(), tmp_path).folder != plain.folder


@pytest.mark.parametrize("damage", [b"", b"no array", None], ids=["empty", "text", "other shape"])
def test_a_damaged_shard_is_named(model, tmp_path, damage):
    it = Shards(model, ask(), tmp_path)
    drawn(it)
    path = it.folder / "0000000008.npy"
    if damage is None:
        np.save(path, np.zeros((8, 9, 9, 1), np.uint8))
    else:
        path.write_bytes(damage)
    with pytest.raises(CheckpointError, match="0000000008.npy .*delete it and retry"):
        drawn(it)


# --- the figure ---


@pytest.fixture
def found(classifiers, model, root, tmp_path):
    return last(evaluate_fid(model, ask(n=60), root=root, home=tmp_path))


def test_the_figure_is_that_of_the_samples_and_the_test_set(found, classifiers, model, root):
    net = classifier_features(classifiers["mnist-judge"])
    images = data.load("mnist", "test", root)
    reference = last(fid.gather(net, batches(images), 100))
    samples = [sample(model, ask(n=60))]
    direct = fid.score(last(fid.gather_blocks(net, samples, 60)), reference)
    assert found.score.value == pytest.approx(direct.value, rel=0.02)
    assert found.score.spread == pytest.approx(direct.spread, rel=0.1)
    rest = data.load("mnist", "train", root)
    assert found.floor == last(fid.floor(net, rest, reference, 60))
    assert found.floor.draws == 2
    assert found.score.value > 2 * found.floor.value


def test_it_tells_all_that_it_depends_on(found, classifiers, model):
    judge = classifiers["mnist-judge"]
    about = json.loads(json.dumps(found.result()))["protocol"]
    assert about["n"] == 60
    assert about["reference"] == {
        "dataset": "mnist",
        "split": "test",
        "images": 100,
        "source": "",
    }
    assert about["features"]["name"] == judge.name
    assert about["features"]["count"] == 8
    assert about["weights"] == "EMA"
    assert about["request"]["steps"] == 3 and about["request"]["seed"] == 4
    words = found.words()
    for part in (
        "n = 60",
        "100 images of mnist test",
        f"tiny-residual ({about['features']['mark'][:8]}), the penultimate layer, 8 numbers",
        f"weights: EMA ({about['weights_mark'][:8]})",
        "ddim, 3 steps",
        "seed 4",
        "dtype float32",
        "60 real images of the train split, 2 draws",
    ):
        assert part in words
    assert words.startswith("Fréchet distance ") and "floor" in words
    assert "spread not known" in evaluation.words(found.result() | {"spread": None})


TOLD = [
    ({}, "no guidance, told the class; ddim, 3 steps (even in t), x̂0 clipped, eta 0;", ""),
    ({"label": "none"}, "no guidance; ddim", "label none"),
    ({"label": 3}, "label 3, seed 0", "label 3"),
    ({"guidance": "cfg", "guidance_scale": 3}, "s = 3", "classifier-free guidance, s = 3"),
    ({"guidance": "classifier", "form": "plain", "at": "x0"}, "λ = 17", "at x0, plain, λ = 17"),
    ({"guidance": "cfg", "rescale": 0.5}, "rescale 0.5", "rescale 0.5"),
    ({"guidance": "cfg", "t_low": 4}, "for 4 <= t <= T - 1", "for 4 <= t <= T - 1"),
    ({"guidance": "cfg", "t_high": 9}, "for 0 <= t <= 9", "for 0 <= t <= 9"),
    ({"guidance": "cfg", "profile": "late"}, "profile late", "profile late"),
    ({"sampler": "dpm_solver_pp"}, "dpm_solver_pp, 3 steps (even in t), x̂0 clipped;", ""),
    ({"sampler": "ddim", "eta": 0.5}, "eta 0.5", "eta 0.5"),
    ({"sampler": "ddpm"}, "x̂0 clipped, variance beta;", ""),
    ({"sampler": "ddpm", "variance": "posterior"}, "variance posterior", "variance posterior"),
    ({"spacing": "quadratic"}, "(quadratic in t)", "quadratic in t"),
    ({"mix": 4, "share": 0.25}, "class 4 mixed in, share 0.25", "class 4 mixed in, share 0.25"),
    ({"first": 30}, "n = 60, from image 30 on", "from image 30 on"),
    ({"seed": 7}, "seed 7", "seed 7"),
    ({"clip": False}, "x̂0 not clipped", "x̂0 not clipped"),
    ({"fault": "off-by-one"}, "report's error off-by-one", "report's error off-by-one"),
]


def test_every_field_that_acts_is_told(found):
    for changes, told, title in TOLD:
        request = Request(**{"n": 60, "steps": 3} | changes)
        about = found.protocol | {"request": asdict(request), "first": request.first}
        assert protocol.unusual(about)[-1] == "dtype float32"
        about["dtype"] = "bfloat16"
        assert told in evaluation.describe_protocol(about), changes
        assert told in protocol.sampled(about), changes
        unusual = protocol.unusual(about)
        assert title in ", ".join(unusual) and bool(title) == bool(unusual), changes


def test_it_is_the_same_measured_again_and_quicker(found, classifiers, model, root, tmp_path):
    steps = list(evaluate_fid(model, ask(n=60), root=root, home=tmp_path))
    again = steps[-1]
    assert again.score == found.score and again.floor == found.floor
    assert "reference" not in {step.what for step in steps[:-1]}
    whats = [step.what for step in steps[:-1]]
    assert sorted(set(whats), key=whats.index) == ["samples", "features"]


@pytest.mark.parametrize("changes", [{"reference": "train"}, {"n": 61}], ids=str)
def test_a_kept_floor_is_no_other_floor(found, classifiers, model, root, tmp_path, changes):
    """Another reference or another n has a floor of its own."""
    n, options = changes.get("n", 60), {k: v for k, v in changes.items() if k != "n"}
    steps = list(evaluate_fid(model, ask(n=n), root=root, home=tmp_path, **options))
    assert "floor" in {step.what for step in steps[:-1]}
    fresh = last(evaluate_fid(model, ask(n=n), root=root, home=tmp_path / "new", **options))
    assert steps[-1].floor == fresh.floor != found.floor


def test_too_few_images_are_refused_before_any_is_drawn(
    classifiers, model, root, tmp_path, counted, monkeypatch
):
    options = {"root": root, "home": tmp_path}
    with pytest.raises(InvalidInput, match="n = 8 is too few for the 8 features"):
        last(evaluate_fid(model, ask(n=8), **options))
    with pytest.raises(InvalidInput, match="n must be"):
        last(evaluate_fid(model, ask(n=fid.BLOCKS - 1), **options))
    few = data.load("mnist", "test", root).subset(range(8))
    monkeypatch.setattr(data, "load", lambda *about: few)
    with pytest.raises(InvalidInput, match="images of the reference = 8 is too few"):
        last(evaluate_fid(model, ask(n=60), **options))
    assert counted == []


@pytest.mark.parametrize(
    ("split", "images", "floor", "draws"),
    [("train", 150, "test", 1), ("validation", 5_000, "train", 2)],
)
def test_other_images_as_reference(classifiers, model, root, tmp_path, split, images, floor, draws):
    options = {"root": root, "home": tmp_path, "reference": split}
    found = last(evaluate_fid(model, ask(n=60), **options))
    about = found.protocol["reference"]
    assert (about["split"], about["images"]) == (split, images)
    assert (found.protocol["floor"]["split"], found.floor.draws) == (floor, draws)
    held = data.load("mnist", split, root)
    net = classifier_features(classifiers["mnist-judge"])
    real = last(fid.gather(net, batches(held), len(held)))
    ours = fid.Moments.of(net.features(sample(model, ask(n=60))))
    # The samples of a request may differ by a level of grey, by their batches.
    assert found.score.value == pytest.approx(fid.frechet(ours, real), rel=0.05)
    if draws == 1:
        assert found.floor.spread is None
        many = last(evaluate_fid(model, ask(n=101), **options))
        assert many.floor is None
        assert "floor not measured" in many.words()


def test_images_that_the_model_does_not_make_are_refused(classifiers, model, mnist_root, tmp_path):
    with pytest.raises(InvalidInput, match=r"makes images of \(1, 8, 8\), mnist has \(1, 28, 28\)"):
        last(evaluate_fid(model, ask(n=60), root=mnist_root, home=tmp_path))


def test_a_damaged_reference_is_made_anew(found, classifiers, model, root, tmp_path):
    kept = list((tmp_path / "references").iterdir())
    assert len(kept) == 2
    for damage in (lambda content: b"PK damaged", lambda content: content[: len(content) // 2]):
        for path in kept:
            path.write_bytes(damage(path.read_bytes()))
        again = last(evaluate_fid(model, ask(n=60), root=root, home=tmp_path))
        assert (again.score, again.floor) == (found.score, found.floor)


# --- results as files ---


def test_a_result_replaces_its_predecessor_and_no_other(found, tmp_path):
    first = results.save(tmp_path / "it", found.result())
    other = found.result() | {"protocol": found.protocol | {"n": 61}}
    second = results.save(tmp_path / "it", other)
    assert first != second
    assert results.save(tmp_path / "it", found.result() | {"fid": 9.0}) == first
    kept = results.read(tmp_path / "it", "fid")
    assert sorted((r["fid"], r["protocol"]["n"]) for r in kept) == sorted(
        [(9.0, 60), (other["fid"], 61)]
    )
    assert results.read(tmp_path / "it", "bound") == []
    assert results.read(tmp_path / "nowhere") == []
    first.write_text("{}")
    with pytest.raises(CheckpointError, match=f"{first.name} holds no result"):
        results.read(tmp_path / "it")
    first.write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        results.read(tmp_path / "it")


# --- the command line ---


@pytest.fixture
def evaluate(classifiers, checkpoint, root, tmp_path):
    def call(*options, model=checkpoint):
        arguments = ["--model", model, "--n", 60, "--steps", 3, "--dtype", "float32", "--seed", 4]
        arguments += ["--fid", "--data-root", root, "--cache", tmp_path, *options]
        return main(["evaluate", *map(str, arguments)])

    return call


def test_evaluate_prints_the_figure_and_its_protocol(evaluate, found, capsys):
    assert evaluate() == 0
    settings, figure, kept = capsys.readouterr().out.splitlines()
    assert settings.startswith("tiny (EMA), no guidance, told the class; ddim, 3 steps")
    assert figure == found.words()
    with open(kept) as file:
        written = json.load(file)
    assert written["fid"] == found.score.value
    assert written["protocol"] == found.protocol
    assert evaluate("--fault", "off-by-one") == 0
    assert "with the report's error off-by-one" in capsys.readouterr().out.splitlines()[0]
    with pytest.raises(SystemExit):
        evaluate("--reference", "nothing")


def test_evaluate_keeps_a_result_with_its_checkpoint(evaluate, checkpoint, tmp_path, capsys):
    own = shutil.copytree(checkpoint, tmp_path / "own")
    assert evaluate("--save", model=own) == 0
    (kept,) = results.read(own)
    assert kept["kind"] == "fid"
    # It is still a checkpoint, with the same weights.
    assert (
        load_file(own / "model.safetensors").keys()
        == checkpoints.load(own).unet.state_dict().keys()
    )


def test_what_could_not_be_kept_is_not_measured(evaluate, checkpoint, tmp_path, counted, capsys):
    own = shutil.copytree(checkpoint, tmp_path / "own")
    record = json.loads((own / "training.json").read_text())
    del record["hardware"]
    (own / "training.json").write_text(json.dumps(record))
    assert evaluate("--save", model=own) == 2
    assert "the training record lacks hardware: no card without" in capsys.readouterr().err
    (own / "results").mkdir()
    (own / "results" / "fid-0.json").write_text("{")
    (own / "training.json").write_text((checkpoint / "training.json").read_text())
    assert evaluate("--save", model=own) == 2
    assert "not valid JSON" in capsys.readouterr().err
    assert counted == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "a.png"], "--out goes with --neighbours"),
        (["--fid", "--out", "a.png"], "--out goes with --neighbours"),
        (["--fid", "--timesteps", "9"], "--timesteps goes with --bound"),
        (["--bound", "--pixels"], "--pixels goes with --neighbours"),
        (["--features", "mnist-judge"], "--features goes with --fid"),
        (["--guidance-scale", "3", "--scale", "1", "2"], "--scale takes the place of"),
    ],
    ids=str,
)
def test_options_that_nothing_would_come_of_are_refused(checkpoint, capsys, options, message):
    assert main(["evaluate", "--model", str(checkpoint), *options]) == 2
    assert message in capsys.readouterr().err


def test_evaluate_measures_every_scale(evaluate, capsys):
    assert evaluate("--guidance", "cfg", "--scale", 1, 3) == 0
    figures = [line for line in capsys.readouterr().out.splitlines() if line.startswith("scale ")]
    assert [line.split(":")[0] for line in figures] == ["scale 1", "scale 3"]
    values = [float(re.search(r"distance ([\d.]+)", line)[1]) for line in figures]
    assert values[0] != values[1]


def test_where_lambda_is_divided_by_n_the_pictures_depend_on_n(classifiers, model, tmp_path):
    request = ask(n=5, guidance="classifier", fault="batch-scale", guidance_scale=40)
    more = replace(request, n=9)
    assert Shards(model, request, tmp_path).folder != Shards(model, more, tmp_path).folder
    assert Shards(model, request, tmp_path, 2).folder == Shards(model, request, tmp_path, 5).folder
    close = np.abs(drawn(Shards(model, request, tmp_path, 2)).astype(int) - sample(model, request))
    assert close.max() <= 1
