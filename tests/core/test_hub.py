"""Models from the Hub, by the real client from a Hub of the tests' own."""

import errno
import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from huggingface_hub import constants

from ddpm_core import Request, checkpoints, load, load_classifier, sample
from ddpm_core.__main__ import main
from ddpm_core.errors import InvalidInput
from ddpm_core.guides import roles_for
from ddpm_core.hub import Hub, is_name
from tests.core.test_diffusers_format import SMALL
from tests.support.hub import QUICK, refusal, uploads


@pytest.fixture
def source(hub, tmp_path):
    return Hub(hub.url, tmp_path / "cache", patience=1)


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline in the format of diffusers, random weights, as it lies on the Hub."""
    torch.manual_seed(0)
    folder = tmp_path / "pipeline"
    UNet2DModel(**SMALL).save_pretrained(folder / "unet")
    process = {"beta_schedule": "scaled_linear", "beta_start": 0.001}
    process |= {"variance_type": "fixed_small", "clip_sample": False}
    DDPMScheduler(500, **process).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text('{"_class_name": "DDPMPipeline"}')
    return folder


# --- in ---


def test_our_own_format_comes_back_as_it_was(hub, source, checkpoint):
    hub.add("user/digits", checkpoint)
    reports = []
    model = load("user/digits", source=source, progress=lambda *figures: reports.append(figures))
    assert model.name == "user/digits"
    assert np.array_equal(sample(model, QUICK), sample(load(checkpoint), QUICK))
    assert model.training == load(checkpoint).training
    assert not any(path.endswith((".png", "README.md")) for _, path in hub.requests)
    # Progress is told up to the last byte.
    files = ["model.safetensors", "config.json", "training.json"]
    total = sum((checkpoint / name).stat().st_size for name in files)
    assert reports == sorted(reports) and reports[-1] == (total, total)


def test_a_pipeline_of_diffusers_is_read_with_its_schedule(hub, source, pipeline):
    hub.add("user/theirs", pipeline)
    model = load("user/theirs", source=source)
    assert model.config.sampling == {"variance": "posterior", "clip": False}
    process = {"kind": "scaled_linear", "num_timesteps": 500, "start": 0.001, "end": 0.02}
    assert model.config.schedule == process
    assert np.array_equal(sample(load(pipeline), QUICK), sample(model, QUICK))


def test_a_flat_repository_of_diffusers_is_read_too(hub, source, pipeline, tmp_path):
    flat = {p.name: p.read_bytes() for p in (pipeline / "unet").iterdir()}
    flat["scheduler_config.json"] = (pipeline / "scheduler/scheduler_config.json").read_bytes()
    hub.add("google/ddpm-small", flat | {"diffusion_pytorch_model.bin": b"a pickle"})
    model = load("google/ddpm-small", source=source)
    assert np.array_equal(sample(model, QUICK), sample(load(pipeline), QUICK))
    assert not any(path.endswith(".bin") for _, path in hub.requests)


def test_what_ships_is_taken_before_the_hub_and_the_cache_before_it_too(hub, source, checkpoint):
    hub.add("user/digits", checkpoint)
    hub.add("user/judge", checkpoints.HOME / "mnist-judge")
    load("user/digits", source=source)
    assert load_classifier("user/judge", source=source).classes == list("0123456789")
    hub.requests.clear()
    hub.stop()
    assert load("user/digits", source=source).name == "user/digits"
    assert load("mnist-linear", source=source).name == "mnist-linear"
    assert hub.requests == []


def test_a_folder_is_taken_before_the_hub_but_not_by_a_stranger(
    hub, source, checkpoint, unconditional_checkpoint, tmp_path, monkeypatch
):
    hub.add("user/digits", checkpoint)
    shutil.copytree(unconditional_checkpoint, tmp_path / "user" / "digits")
    monkeypatch.chdir(tmp_path)
    assert load("user/digits", source=source).classes == [] and hub.requests == []
    assert len(checkpoints.from_hub("user/digits", source).classes) == 10


def test_a_revision_names_its_own_weights(hub, source, checkpoint, unconditional_checkpoint):
    commit = hub.add("user/digits", checkpoint)
    hub.add("user/digits", unconditional_checkpoint, ("v2",))
    assert load("user/digits@v2", source=source).classes == []
    assert len(load(f"user/digits@{commit}", source=source).classes) == 10
    assert len(load("user/digits", source=source).classes) == 10


# --- what goes wrong, in words ---


def test_what_the_hub_refuses_is_told_in_words(hub, source, checkpoint):
    def reason(name):
        return refusal(lambda: load(name, source=source))

    hub.add("user/digits", checkpoint)
    assert reason("user/nothing").startswith("user/nothing is no folder here, and no repository on")
    assert reason("user/digits@v9") == "user/digits has no revision 'v9'"
    hub.fault = "error"
    assert "an error (500)" in reason("user/digits")
    hub.fault = None
    hub.add("user/gated", checkpoint, gated=True)
    assert "accept its terms" in reason("user/gated")
    hub.add("user/old", {"config.json": b"{}", "pytorch_model.bin": b"cos\nsystem\n"})
    assert "a pickle (pytorch_model.bin), which can run code" in reason("user/old")
    hub.requests.clear()
    hub.add("user/long", {"config.json": b" " * 2**21, "model.safetensors": b""})
    strangers = Hub(source.endpoint, source.cache, max_bytes=10**9)
    assert "larger than 1 MiB" in refusal(lambda: load("user/long", source=strangers))
    small = Hub(source.endpoint, source.cache, max_bytes=1000)
    too_large = refusal(lambda: load("user/digits", source=small))
    assert "more than the 0.0 MB that are fetched here" in too_large
    assert not any("resolve" in path for _, path in hub.requests)
    hub.stop()
    expected = "cannot be reached (ConnectError); what is here already works without it"
    assert expected in reason("user/digits")


def test_weights_that_no_network_here_takes_are_not_fetched(hub, source):
    config = b'{"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30"}'
    files = {"unet/config.json": config, "scheduler/scheduler_config.json": b"{}"}
    hub.add("user/large", files | {"unet/diffusion_pytorch_model.safetensors": b"gigabytes"})
    reason = refusal(lambda: load("user/large", source=source))
    assert "UNet2DConditionModel" in reason
    assert not any(path.endswith("safetensors") for _, path in hub.requests)


def test_a_hub_that_does_not_answer(hub, source, checkpoint):
    hub.add("user/digits", checkpoint)
    hub.fault = "slow_api"
    message = refusal(lambda: load("user/digits", source=source), within=15)
    assert "cannot be reached (ReadTimeout)" in message


@pytest.mark.parametrize(("fault", "reason"), [("truncate", ""), ("stall", "(ReadTimeout)")])
def test_a_download_that_breaks_off(hub, source, checkpoint, monkeypatch, fault, reason):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.add("user/digits", checkpoint)
    hub.fault = fault
    message = refusal(lambda: load("user/digits", source=source), within=30)  # 6 attempts
    assert f"the download of user/digits broke off {reason}" in message
    hub.fault = None
    assert load("user/digits", source=source).name == "user/digits"


def test_a_full_disk_is_named(hub, source, checkpoint, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.add("user/digits", checkpoint)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    message = refusal(lambda: load("user/digits", source=source))
    assert "No space left on device" in message and "HF_HOME" in message


@pytest.mark.parametrize("name", ["training.json", "model.safetensors"])
def test_what_was_tampered_with_is_removed(hub, source, checkpoint, name):
    hub.add("user/digits", checkpoint)
    threshold = sum((checkpoint / n).stat().st_size for n in ("training.json", "config.json"))

    def tamper(arrived, total):  # once the small files are here, if it is the weights' turn
        hub.fault = "tamper" if arrived >= threshold else hub.fault

    hub.fault = "tamper" if name == "training.json" else None
    message = refusal(lambda: load("user/digits", source=source, progress=tamper))
    assert message.startswith(f"{name} of user/digits is not what the Hub announced")
    hub.fault = None
    assert source.cached("user/digits") is None
    assert load("user/digits", source=source).name == "user/digits"


@pytest.mark.parametrize("name", ["a/b/c", "../a", "a/b@", "", "user/a\nb", "u/a@refs/../../x"])
def test_only_names_are_names(name):
    assert not is_name(name)


def test_offline_says_so(monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["sample", "--model", "user/digits", "--n", "1"]) == 2
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err


def test_the_command_line_samples_from_a_repository(hub, pipeline, tmp_path, monkeypatch):
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    hub.add("user/theirs", pipeline)
    command = "sample --model user/theirs --n 2 --steps 2 --out".split()
    assert main([*command, str(tmp_path / "a.npz")]) == 0
    assert (tmp_path / "a.npz").exists()


def test_the_command_line_pushes_in_private_where_it_is_told_to(checkpoint, monkeypatch, capsys):
    client = uploads(monkeypatch)
    assert main(["push", str(checkpoint), "--repo-id", "user/mine", "--private"]) == 0
    assert "user/mine" in capsys.readouterr().out
    assert client.create_repo.call_args.kwargs["private"]


def test_what_the_hub_says_of_a_card_is_passed_on(checkpoint, monkeypatch, capsys):
    client = uploads(monkeypatch)
    client.upload_folder.side_effect = ValueError("- Error: the type of the dataset")
    assert main(["push", str(checkpoint), "--repo-id", "user/mine"]) == 2
    assert "refused user/mine: - Error: the type of the dataset" in capsys.readouterr().err


# --- what a stranger may choose ---


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": {"image_size": 4096}}, "pixels of an image"),
        ({"model": {"channels": [768] * 8, "attention": [False] * 8}}, "do not fit its config"),
        ({"classes": [str(i) for i in range(2000)]}, "number of classes"),
        ({"sampling": {"n": 100_000}}, "setting under sampling"),
        ({"preprocessing": {"x": "y" * 2**21}}, "larger than 1 MiB"),
    ],
)
def test_what_is_out_of_bounds_is_refused_and_no_message_tells_of_paths(
    hub, source, checkpoint, changes, message
):
    files = {p.name: p.read_bytes() for p in checkpoint.iterdir()}
    config = json.loads(files["config.json"])
    config["model"] |= changes.get("model", {})
    changes = {name: value for name, value in changes.items() if name != "model"}
    files["config.json"] = json.dumps(config | changes).encode()
    hub.add("user/odd", files)
    error = refusal(lambda: checkpoints.from_hub("user/odd", source))
    assert message in error and str(source.cache) not in error


def test_the_dataset_of_a_model_leads_to_no_other_files(hub, source, checkpoint):
    files = {p.name: p.read_bytes() for p in checkpoint.iterdir()}
    config = json.loads(files["config.json"]) | {"dataset": "user/huge"}
    hub.add("user/odd", files | {"config.json": json.dumps(config).encode()})
    model = checkpoints.from_hub("user/odd", source)
    hub.requests.clear()
    assert roles_for(model) == []
    with pytest.raises(InvalidInput, match="no classifier to go with it"):
        Request(n=1, label=1, guidance="classifier").for_model(model)
    assert hub.requests == []


def test_nobody_asks_in_the_name_of_the_operator(hub, tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    hub.add("user/mine", checkpoint, private=True)
    anonymous = Hub(hub.url, tmp_path / "public", token=False)
    assert "no repository" in refusal(lambda: load("user/mine", source=anonymous))
    assert not any("resolve" in path for _, path in hub.requests)
    assert load("user/mine", source=Hub(hub.url, tmp_path / "own")).name == "user/mine"


def test_the_cache_of_a_public_page_stays_within_its_bound(hub, tmp_path, checkpoint):
    source = Hub(hub.url, tmp_path / "cache", keep_bytes=1)
    names = ["user/a", "user/b", "user/c"]
    for name in names:
        hub.add(name, checkpoint)
        load(name, source=source)
    assert [name for name in names if source.cached(name)] == ["user/c"]
    hub.add("user/odd", {"config.json": b"{}", "model.safetensors": b""})
    assert "not a config" in refusal(lambda: load("user/odd", source=source))
    assert not source.cached("user/c")  # what is refused counts too
