"""Models are published by the real client, to a Hub of the tests' own."""

import json

import numpy as np
import pytest
from huggingface_hub import ModelCard, constants

from ddpm_core import load, publish, sample
from ddpm_core.errors import CheckpointError, InvalidInput
from tests.support.hub import QUICK, refusal, uploads


def test_a_published_model_is_the_same_model(tmp_path, checkpoint, monkeypatch):
    client = uploads(monkeypatch)
    folder = publish.model_folder(checkpoint, "u/m", tmp_path / "out", license="cc0-1.0")
    assert ModelCard.load(folder / "README.md").data.license == "cc0-1.0"
    assert publish.push(folder, "u/m") == "a Hub/u/m"
    options = {"repo_type": "model", "private": False, "exist_ok": True}
    client.create_repo.assert_called_once_with("u/m", **options)
    client.upload_folder.assert_called_once_with(
        repo_id="u/m", repo_type="model", folder_path=folder
    )
    assert np.array_equal(sample(load(folder), QUICK), sample(load(checkpoint), QUICK))


@pytest.mark.parametrize("name", ["mnist-conditional", "mnist-classifier-noisy"])
def test_its_card_carries_its_figures_for_the_hub(name, tmp_path):
    folder = publish.model_folder(name, "user/mine", tmp_path / "out")
    card = ModelCard.load(folder / "README.md")
    result = card.data.eval_results[0]
    training = json.loads((folder / "training.json").read_text())
    figures = {"loss": training["history"][-1]["validation"]}
    figures["accuracy"] = training.get("test", {}).get("accuracy")
    assert result.metric_value == figures[result.metric_type]
    assert card.data.license == "mit" and card.data.datasets == ["ylecun/mnist"]
    assert "user/mine" in card.text
    assert name != "mnist-conditional" or (folder / "samples.png").exists()


def test_without_a_token_nothing_is_published(hub, tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    folder = publish.model_folder(checkpoint, "user/mine", tmp_path / "out")
    message = refusal(lambda: publish.push(folder, "user/mine"))
    assert "log in with 'hf auth login'" in message
    hub.stop()
    message = refusal(lambda: publish.push(folder, "user/mine"))
    assert "cannot be reached" in message and "nothing was published" in message


def test_a_name_that_is_none_and_a_folder_that_is_not_empty_are_refused(tmp_path, checkpoint):
    with pytest.raises(InvalidInput, match="owner/name"):
        publish.model_folder(checkpoint, "user/mine@v1", tmp_path / "out")
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(CheckpointError, match="not empty"):
        publish.model_folder(checkpoint, "user/mine", tmp_path)
