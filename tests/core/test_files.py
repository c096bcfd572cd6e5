"""Files are whole, whoever writes them at the same time."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ddpm_core.files import STALE, replacing, write


def test_many_may_write_one_file_at_once_and_one_of_them_has(tmp_path):
    contents = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(len(contents)) as threads:
        for _ in range(5):
            list(threads.map(lambda content: write(tmp_path / "a", content), contents))
            assert (tmp_path / "a").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_was_there_stays_if_writing_fails(tmp_path):
    write(tmp_path / "a", "before")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a") as part:
        part.write_text("half of")
        raise RuntimeError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    for name, age in ((".a.00.part", 2 * STALE), (".a.11.part", 0), (".b.22.part", 2 * STALE)):
        (tmp_path / name).write_text("half of")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write(tmp_path / "a", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.11.part", ".b.22.part", "a"]
