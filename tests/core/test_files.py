"""Files are whole, even if several write them at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ddpm_core.files import replacing, write


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
