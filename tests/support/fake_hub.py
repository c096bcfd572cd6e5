"""A Hub of the tests' own on loopback, to run the real `huggingface_hub` client against.

It answers what the client asks when it reads a repository's metadata and downloads files (weights
by a redirect to another origin, as from the Hub to its storage). Nothing is written to it.
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
from urllib.parse import parse_qs, quote, unquote, urlsplit

from huggingface_hub import constants

SLOW_SECONDS = 30
API = r"/api/((?:models|datasets|spaces)/[^/]+(?:/[^/]+)?)"
ROUTES = [
    ("GET", f"{API}(?:/revision/([^/]+))?", "info"),
    ("HEAD GET", "/(.+?)/resolve/([^/]+)/(.+)", "resolve"),
    ("HEAD GET", "/cdn/(.+)/([0-9a-f]{40})/(.+)", "cdn"),
    ("POST", "/api/repos/create", "create"),
]


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
        self.url = self.cdn = ""
        self.fault: str | None = None
        self.requests: list[tuple[str, str]] = []
        self.repos: dict[str, Repo] = {}
        self.stopped = threading.Event()

    def __enter__(self) -> FakeHub:
        self.servers = [_Server(self), _Server(self)]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_port}" for s in self.servers)
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        """Let go of who waits, and refuse connections from now on."""
        self.stopped.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

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

        Whether the repository is gated or private is what the last call says.
        """
        if isinstance(files, Path):
            paths = sorted(path for path in files.rglob("*") if path.is_file())
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        content = [repo_id, *(f"{name} {_sha256(files[name])}" for name in sorted(files))]
        commit = hashlib.sha1("\n".join(content).encode()).hexdigest()
        repo = self.repos.setdefault(repo_id, Repo())
        repo.gated, repo.private = gated, private
        repo.commits[commit] = dict(files)
        repo.revisions |= dict.fromkeys(revisions, commit)
        return commit


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, hub: FakeHub):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    """One request. No connection is kept alive, so that none outlives the Hub."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.hub, self.close_connection = self.server.hub, True
        url = urlsplit(self.path)
        self.query, self.token = parse_qs(url.query), self.headers["Authorization"]
        self.hub.requests.append((self.command, unquote(url.path)))
        with contextlib.suppress(ConnectionError):  # the client has given up
            self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            try:
                self.fail_as_told(url.path)
                self.route(url.path)
            except Refused as refused:
                status, code, message = refused.args
                headers = {"X-Error-Code": code} if code else {}
                self.send_json({"error": message}, status, headers | {"X-Error-Message": message})

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_) -> None:
        pass

    def fail_as_told(self, path: str) -> None:
        if self.hub.fault == "error":
            raise Refused(500, None, "Internal Error")
        metadata = path.startswith("/api/") or self.command == "HEAD"
        if self.hub.fault == "slow_api" and metadata and self.hub.stopped.wait(SLOW_SECONDS):
            raise ConnectionError

    def route(self, path: str) -> None:
        for methods, pattern, name in ROUTES:
            if self.command in methods.split() and (match := re.fullmatch(pattern, path)):
                parts = [unquote(part).removeprefix("models/") for part in match.groups("main")]
                return getattr(self, f"do_{name}")(*parts)
        raise Refused(404, None, "Not Found")

    def find(self, repo_id: str) -> Repo:
        """The repository, if the client may know of it."""
        repo = self.hub.repos.get(repo_id)
        if repo and (self.token or not repo.private):
            return repo
        if self.token:
            raise Refused(404, "RepoNotFound", "Repository not found")
        raise Refused(401, "RepoNotFound", "Invalid username or password.")

    def send_head(self, status: int, size: int, headers: dict) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": size, "Connection": "close"}).items():
            self.send_header(name, str(value))
        self.end_headers()

    def send_json(self, value, status: int = 200, headers: dict | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_head(status, len(content), {"Content-Type": "application/json"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_file(self, content: bytes, headers: dict) -> None:
        """It, or the range that was asked for, or what the fault makes of them."""
        size, half, fault = len(content), len(content) // 2, self.hub.fault
        start, end, status = 0, size, 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or ""):
            start, end, status = int(asked[1]), min(size, int(asked[2] or size) + 1), 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.send_head(status, end - start, headers)
        if self.command == "HEAD":
            return
        if fault == "tamper" and content:
            content = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        end = min(end, {"truncate": half, "stall": min(half, 64)}.get(fault, end))
        self.wfile.write(content[start:end])
        if fault == "stall":
            self.hub.stopped.wait()

    # --- reading ---

    def do_info(self, repo_id: str, revision: str) -> None:
        repo = self.find(repo_id)
        commit, files = repo.find(revision)
        facts = _facts if "blobs" in self.query else lambda *_: {}
        siblings = [{"rfilename": n} | facts(n, c) for n, c in files.items()]
        access = {"private": repo.private, "gated": "auto" if repo.gated else False}
        it = {"id": "/".join(repo_id.split("/")[-2:]), "sha": commit, "siblings": siblings}
        self.send_json(it | access | {"disabled": False, "tags": [], "downloads": 0})

    def do_resolve(self, repo_id: str, revision: str, name: str) -> None:
        repo = self.find(repo_id)
        commit, files = repo.find(revision)
        if repo.gated:
            message = f"Access to model {repo_id} is restricted."
            raise Refused(403 if self.token else 401, "GatedRepo", message)
        if name not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        content, headers = files[name], {"X-Repo-Commit": commit}
        if not _is_large(name):
            return self.send_file(content, headers | {"ETag": f'"{_git_oid(content)}"'})
        headers |= {"X-Linked-Size": len(content), "X-Linked-Etag": f'"{_sha256(content)}"'}
        headers["Location"] = f"{self.hub.cdn}/cdn/{repo_id}/{commit}/{quote(name)}"
        self.send_head(302, 0, headers)

    def do_cdn(self, repo_id: str, commit: str, name: str) -> None:
        if self.token:
            raise Refused(400, None, "The token has left the Hub")
        content = self.hub.repos[repo_id].commits[commit][name]
        self.send_file(content, {"ETag": f'"{_sha256(content)[:32]}"'})

    # --- writing ---

    def do_create(self) -> None:
        if not self.token:
            raise Refused(401, None, "Invalid username or password.")
        raise Refused(403, None, "Nothing is written here")


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
