"""KMNIST, ten characters of old Japanese script, is read and trained on by its name alone."""

from __future__ import annotations

import numpy as np
import torch

from ddpm_core import data, load
from ddpm_core.__main__ import main
from tests.support.toys import write_mnist


def test_kmnist_is_read_and_a_model_of_it_knows_its_classes(tmp_path):
    generator = np.random.default_rng(0)
    for stem, count in (("train", 5_200), ("t10k", 40)):
        pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count) % 10
        write_mnist(tmp_path, stem, pixels, labels, folder="KMNIST")
    test = data.load("kmnist", "test", tmp_path)
    assert torch.equal(test.pixels, torch.from_numpy(pixels)[:, None])
    assert test.labels.tolist() == labels.tolist()
    assert test.classes == ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    words = ["train", "--dataset", "kmnist", "--data-root", tmp_path, "--out", tmp_path / "run"]
    words += ["--conditional", "--channels", 4, 8, "--epochs", 1, "--batch-size", 100]
    assert main([*map(str, words), "--no-bf16", "--timesteps", "20"]) == 0
    assert load(tmp_path / "run" / "checkpoint").classes == list(test.classes)
