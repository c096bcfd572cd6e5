"""FID while a model trains."""

import json

import pytest
import torch

from ddpm_core import checkpoints, data
from ddpm_core.errors import InvalidInput
from ddpm_core.request import Request
from ddpm_core.sampling import sample
from lab.__main__ import main
from lab.measure import fid, results, watch
from lab.measure.features import classifier_features
from lab.measure.watch import fid_watch
from tests.support.toys import save_tiny_checkpoint, tiny_classifier


def test_the_fid_of_training_is_that_of_its_samples_against_images_held_out(model, root):
    net = classifier_features(tiny_classifier("conv"))
    found = fid_watch("mnist", root, net, real=400)(model)
    pictures = sample(model, Request(n=512, steps=20), batch=64)
    held_out = data.load("mnist", "validation", root).pixels[:400].permute(0, 2, 3, 1).numpy()
    ours, real = (fid.Moments.of(net.features(it)) for it in (pictures, held_out))
    by = f"tiny-conv ({net.mark[:8]})"
    assert found == {"fid": pytest.approx(fid.frechet(ours, real), abs=1e-4), "fid_by": by}
    assert watch.words([{}], {}) == "" and by in watch.words([{"images": 3}, found, found], {})
    assert "a judge not recorded and " + by in watch.words([{"fid": 3.0}, found], {})
    with pytest.raises(InvalidInput, match="too few"):
        fid_watch("mnist", root, net, real=2)
    with pytest.raises(InvalidInput, match=r"no 'flowers-judge' ships: name another .*--features"):
        fid_watch("flowers", root)


def test_a_net_whose_name_another_has_by_now_is_told_from_it():
    now = results.mark_of(checkpoints.HOME / "mnist-judge")[:8]
    same, former = ([{"fid": 3.0, "fid_by": f"mnist-judge ({it})"}] for it in (now, "01234567"))
    assert f"by mnist-judge ({now});" in watch.words(same, {})
    told = watch.words(former, {})
    assert f"by mnist-judge (01234567, the former of this name; now it is {now});" in told


def test_the_fid_of_training_has_more_samples_than_features(model, root):
    class Pixels:
        """600 functions of the image."""

        name, layer, mark = "pixels", "the image", "0123456789"

        def features(self, images):
            pixels = torch.from_numpy(images).double().flatten(1)[:, :10] / 255
            return (pixels[:, :, None] * torch.arange(60)).sin().flatten(1)

    found = fid_watch("mnist", root, Pixels())(model)
    assert found["fid_n"] == 1024
    told = watch.words([found], {})
    assert told.startswith("Fréchet distance: 1,024 samples (") and "by pixels (01234567)" in told
    both = watch.words([{"fid": 3.0}, found], {})
    assert both.startswith("Fréchet distance: 512 and 1,024 samples (")


def test_the_fid_of_training_takes_all_the_steps_of_a_short_schedule(tmp_path, root):
    folder = save_tiny_checkpoint(tmp_path / "short")
    config = json.loads((folder / "config.json").read_text())
    schedule = {"kind": "linear", "num_timesteps": 10}
    (folder / "config.json").write_text(json.dumps(config | {"schedule": schedule}))
    watched = fid_watch("mnist", root, classifier_features(tiny_classifier("conv")))
    row = watched(checkpoints.load(folder))
    assert row["fid"] > 0
    assert "(dpm_solver_pp, 10 steps," in watch.words([row], {"schedule": schedule})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--features", "mnist-judge"], "--features goes with --fid"),
        (["--fid", "--features", "nothing"], "unknown feature net 'nothing'"),
    ],
)
def test_options_of_the_judge_distance_are_refused_in_one_line(options, message, tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
