"""A Hub of the tests' own on loopback, to run the real `huggingface_hub` client against.

It answers what the client asks when it reads a repository's metadata and downloads files. Nothing
is written to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants

SLOW_SECONDS = 30
INFO = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def plain_client(patch) -> None:
    """Let the client do without xet, telemetry and a stored token; ``patch`` is a monkeypatch."""
    for name in ["XET", "TELEMETRY", "IMPLICIT_TOKEN"]:
        patch.setenv(f"HF_HUB_DISABLE_{name}", "1")
        patch.setattr(constants, f"HF_HUB_DISABLE_{name}", True)


class Refused(Exception):
    """(status, the Hub's error code or None, message)"""


@dataclass
class Repo:
    """The files of each commit, and the commit that each revision names."""

    gated: bool = False
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> tuple[str, dict[str, bytes]]:
        commit = self.revisions.get(revision, revision)
        if commit not in self.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, self.commits[commit]


class FakeHub:
    """A Hub on loopback: serves what it is told to, and fails as it is told to.

    `fault` may be changed at any time:
      "error"     every request is answered 500
      "truncate"  a file is announced whole, and the connection closed after its first half
      "tamper"    a file comes with its middle byte changed
      "stall"     a file's first bytes come, then nothing until the Hub stops
      "slow_api"  the API and a file's HEAD are answered after 30 s, or never if the Hub stops
    """

    def __init__(self):
        self.url, self.fault = "", None
        self.requests: list[tuple[str, str]] = []
        self.repos: dict[str, Repo] = {}
        self.stopped = threading.Event()

    def __enter__(self) -> FakeHub:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.hub, self.url = self, f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Release waiting requests, and refuse connections from now on."""
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()

    def add(
        self,
        repo_id: str,
        files: dict[str, bytes] | Path,
        revisions: tuple[str, ...] = ("main",),
        *,
        gated: bool = False,
        private: bool = False,
    ) -> str:
        """Add a commit, which these revisions then name, and return its 40 digits.

        The last call decides whether the repository is gated or private.
        """
        if isinstance(files, Path):
            paths = [path for path in files.rglob("*") if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        content = [repo_id, *(f"{name} {_sha256(files[name])}" for name in sorted(files))]
        commit = hashlib.sha1("\n".join(content).encode()).hexdigest()
        repo = self.repos.setdefault(repo_id, Repo())
        repo.gated, repo.private = gated, private
        repo.commits[commit] = dict(files)
        repo.revisions |= dict.fromkeys(revisions, commit)
        return commit


class _Handler(BaseHTTPRequestHandler):
    """One request: HTTP/1.0 keeps no connection alive, so that none outlives the Hub."""

    def answer(self) -> None:
        path, self.hub = urlsplit(self.path).path, self.server.hub
        self.token = self.headers["Authorization"]
        self.hub.requests.append((self.command, unquote(path)))
        with contextlib.suppress(ConnectionError):  # the client has given up
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            try:
                self.route(path)
            except Refused as refused:
                status, code, message = refused.args
                headers = {"X-Error-Code": code} if code else {}
                self.send_json({"error": message}, status, headers | {"X-Error-Message": message})

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_) -> None:
        pass

    def route(self, path: str) -> None:
        if self.hub.fault == "error":
            raise Refused(500, None, "Internal Error")
        is_metadata = path.startswith("/api/") or self.command == "HEAD"
        if self.hub.fault == "slow_api" and is_metadata and self.hub.stopped.wait(SLOW_SECONDS):
            raise ConnectionError
        if match := INFO.fullmatch(path):
            self.send_info(*map(unquote, match.groups("main")))
        elif match := FILE.fullmatch(path):
            self.send_file(*map(unquote, match.groups()))
        elif path == "/api/repos/create":
            raise Refused(403 if self.token else 401, None, "Nothing is written here")
        else:
            raise Refused(404, None, "Not Found")

    def find(self, repo_id: str) -> Repo:
        """The repository, if the client may know of it."""
        repo = self.hub.repos.get(repo_id)
        if repo and (self.token or not repo.private):
            return repo
        raise Refused(404 if self.token else 401, "RepoNotFound", "Repository not found")

    def send_info(self, repo_id: str, revision: str) -> None:
        repo = self.find(repo_id)
        commit, files = repo.find(revision)
        siblings = [{"rfilename": name} | _facts(name, content) for name, content in files.items()]
        access = {"private": repo.private, "gated": "auto" if repo.gated else False}
        self.send_json({"id": repo_id, "sha": commit, "siblings": siblings} | access)

    def send_file(self, repo_id: str, revision: str, name: str) -> None:
        """The file, the range that was asked for, or what the fault makes of it."""
        repo = self.find(repo_id)
        commit, files = repo.find(revision)
        if repo.gated:
            message = f"Access to model {repo_id} is restricted."
            raise Refused(403 if self.token else 401, "GatedRepo", message)
        if name not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        content, fault = files[name], self.hub.fault
        tag = _sha256(content) if _is_large(name) else _git_oid(content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{tag}"'}
        size, half = len(content), len(content) // 2
        start, end, status = 0, size, 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or ""):
            start, status = int(match[1]), 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.send_head(status, end - start, headers)
        if self.command == "HEAD":
            return
        if fault == "tamper":
            content = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        end = {"truncate": half, "stall": min(half, 64)}.get(fault, end)
        self.wfile.write(content[start:end])
        if fault == "stall":
            self.hub.stopped.wait()

    def send_head(self, status: int, size: int, headers: dict) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": size}).items():
            self.send_header(name, str(value))
        self.end_headers()

    def send_json(self, value, status: int = 200, headers: dict | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_head(status, len(content), {"Content-Type": "application/json"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(content)


def _is_large(name: str) -> bool:
    """Whether the Hub stores it apart from git."""
    return name.endswith(".safetensors")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _facts(name: str, content: bytes) -> dict:
    """A file's metadata."""
    lfs = {"sha256": _sha256(content), "size": len(content), "pointerSize": 134}
    facts = {"size": len(content), "blobId": _git_oid(content)}
    return facts | ({"lfs": lfs} if _is_large(name) else {})
