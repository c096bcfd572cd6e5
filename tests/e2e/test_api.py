"""The typed public API, called as its users call it."""

import base64
import io

import pytest
from gradio_client import Client
from PIL import Image


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


def test_sample_returns_a_grid(client):
    result = client.predict(n=4, label="3", steps=5, seed=1, scale=2, api_name="/sample")
    with Image.open(io.BytesIO(base64.b64decode(result["png"]))) as png:
        assert png.size == (2 * 57, 2 * 57)
    assert result["about"]["label"] == 3
    assert result["about"]["dtype"] in ("float32", "bfloat16")


def test_film_returns_a_gif_of_every_step(client):
    result = client.predict(n=1, label="0", steps=9, api_name="/film")
    assert result["frames"] == 10
    with Image.open(io.BytesIO(base64.b64decode(result["gif"]))) as gif:
        assert gif.n_frames == 10


# tests/ui/test_permalinks.py has what else is refused, and in which words.
def test_a_wrong_request_is_answered_in_words_and_notes_one_line(client, caplog, capsys):
    with pytest.raises(Exception, match="unknown sampler"):
        client.predict(sampler={"a": 1}, api_name="/sample")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Traceback" not in "".join(capsys.readouterr())
