"""How the server begins and ends for the person who starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import app
from tests.support.pages import API, news, sample_event

ROOT = Path(__file__).parent.parent.parent


def test_a_port_in_use_is_one_plain_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit, match=rf"^the page cannot be served at .*{port}.*$"):
            app.launch(["--no-browser", "--port", port])


def test_who_ends_the_server_by_a_signal_finds_no_files_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # As on a Space, whose machine ends it so.
    env = {"TMPDIR": str(tmp_path), "NO_PROXY": "127.0.0.1", "SPACE_ID": "you/space"}
    command = [sys.executable, "app.py", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stderr=subprocess.PIPE)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    event, data, _ = sample_event(http)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            body = {"data": data, "fn_index": event, "session_hash": "signal"}
            assert http.post(f"{API}/queue/join", json=body).status_code == 200
            assert news(http, "signal", "process_completed")["success"]
        assert any(path.is_file() for path in tmp_path.rglob("*"))
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        errors = server.stderr.read().decode()
    assert "Traceback" not in errors
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
