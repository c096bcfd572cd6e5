"""The fake Hub against the real client: what it serves, refuses, stores, and how it fails."""

import hashlib
import io
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from huggingface_hub import HfApi, errors, hf_hub_download, snapshot_download
from huggingface_hub.file_download import get_hf_file_metadata, http_get

from tests.support.fake_hub import FakeHub, plain_client

CONFIG = b'{"a": 1}'
WEIGHTS = bytes(range(256)) * 20
FILES = {"config.json": CONFIG, "weights/model.safetensors": WEIGHTS}
TOKEN = "hf_made_up"

# The client's own way to upload weights.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch):
    """A running Hub, for a client without xet, telemetry and a stored token."""
    plain_client(monkeypatch)
    with FakeHub() as it:
        yield it


@pytest.fixture
def api(hub):
    return HfApi(endpoint=hub.url, token=TOKEN)


@pytest.fixture
def download(hub, tmp_path):
    """The content of a file of "user/it", by the real client."""

    def run(name, revision="main", token=None):
        where = {"endpoint": hub.url, "cache_dir": tmp_path / "cache"}
        path = hf_hub_download("user/it", name, revision=revision, token=token, **where)
        with open(path, "rb") as file:
            return file.read()

    return run


# --- reading ---


def test_metadata_name_the_commit_and_each_file(hub, api):
    commit = hub.add("user/it", FILES)
    for revision in [None, "main", commit]:
        info = api.model_info("user/it", revision=revision, files_metadata=True)
        assert (info.id, info.sha, info.gated, info.private) == ("user/it", commit, False, False)
        config, weights = info.siblings
        assert (config.rfilename, config.size, config.lfs) == ("config.json", len(CONFIG), None)
        assert (weights.rfilename, weights.size) == ("weights/model.safetensors", len(WEIGHTS))
        assert weights.lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
        assert weights.lfs.size == len(WEIGHTS)
    assert [sibling.size for sibling in api.model_info("user/it").siblings] == [None, None]


def test_a_commit_follows_from_the_content(hub):
    first = hub.add("user/it", FILES)
    assert len(first) == 40 and int(first, 16)
    assert hub.add("user/it", FILES, ("same",)) == first
    assert hub.add("user/it", FILES | {"config.json": b"{}"}, ("other",)) != first


def test_each_revision_has_its_own_files(hub, api, download):
    old = hub.add("user/it", FILES, ("v1", "refs/pr/2"))
    new = hub.add("user/it", FILES | {"config.json": b"{}"})
    assert [api.model_info("user/it", revision=r).sha for r in ["v1", "refs/pr/2"]] == [old, old]
    assert api.model_info("user/it").sha == new
    assert [download("config.json", revision) for revision in ["v1", old]] == [CONFIG, CONFIG]
    assert [download("config.json", revision) for revision in ["main", new]] == [b"{}", b"{}"]


@pytest.mark.parametrize("token", [None, TOKEN])
def test_files_come_by_head_and_get_and_weights_from_another_origin(hub, download, token):
    commit = hub.add("user/it", FILES)
    for name, content in FILES.items():
        assert download(name, commit, token) == content
    config, weights = (f"/user/it/resolve/{commit}/{name}" for name in FILES)
    cdn = f"/cdn/user/it/{commit}/weights/model.safetensors"
    assert hub.requests == [("HEAD", config), ("GET", config), ("HEAD", weights), ("GET", cdn)]


def test_the_head_of_a_file_tells_its_size_and_its_name_in_the_store(hub):
    commit = hub.add("user/it", FILES)
    for name, content in FILES.items():
        about = get_hf_file_metadata(f"{hub.url}/user/it/resolve/main/{name}")
        assert (about.commit_hash, about.size) == (commit, len(content))
    assert about.etag == hashlib.sha256(WEIGHTS).hexdigest()
    assert about.location.startswith(f"{hub.cdn}/cdn/")


def test_a_snapshot_of_a_folder(hub, tmp_path):
    (tmp_path / "it" / "sub").mkdir(parents=True)
    (tmp_path / "it" / "sub" / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "it" / "config.json").write_bytes(CONFIG)
    commit = hub.add("user/it", tmp_path / "it")
    path = snapshot_download("user/it", endpoint=hub.url, cache_dir=tmp_path / "cache")
    assert path.endswith(commit)
    with open(f"{path}/sub/model.safetensors", "rb") as file:
        assert file.read() == WEIGHTS


@pytest.mark.parametrize("name", FILES)
def test_a_download_resumes(hub, name):
    hub.add("user/it", FILES)
    file = io.BytesIO()
    file.write(FILES[name][:5])
    http_get(f"{hub.url}/user/it/resolve/main/{name}", file, resume_size=5)
    assert file.getvalue() == FILES[name]


def test_a_range_has_both_ends(hub):
    hub.add("user/it", FILES)
    url = f"{hub.url}/user/it/resolve/main/config.json"
    answer = httpx.get(url, headers={"Range": "bytes=2-3"})
    assert (answer.status_code, answer.content) == (206, CONFIG[2:4])
    assert answer.headers["Content-Range"] == f"bytes 2-3/{len(CONFIG)}"


# --- refusing ---


def refused(error, status, call, *args, **options):
    with pytest.raises(error) as caught:
        call(*args, **options)
    assert type(caught.value) is error
    assert caught.value.response.status_code == status


@pytest.mark.parametrize(("token", "status"), [(False, 401), (TOKEN, 404)])
def test_an_unknown_repository(hub, api, download, token, status):
    refused(errors.RepositoryNotFoundError, status, api.model_info, "user/it", token=token)
    refused(errors.RepositoryNotFoundError, status, download, "config.json", token=token)


def test_an_unknown_revision_and_an_unknown_file(hub, api, download):
    hub.add("user/it", FILES)
    refused(errors.RevisionNotFoundError, 404, api.model_info, "user/it", revision="v9")
    refused(errors.RevisionNotFoundError, 404, download, "config.json", "0" * 40)
    refused(errors.RemoteEntryNotFoundError, 404, download, "none.json")


@pytest.mark.parametrize(("token", "status"), [(None, 401), (TOKEN, 403)])
def test_a_gated_repository_tells_what_it_has_but_refuses_it(hub, api, download, token, status):
    hub.add("user/it", FILES, gated=True)
    info = api.model_info("user/it", files_metadata=True, token=token or False)
    assert (info.gated, len(info.siblings)) == ("auto", 2)
    for name in FILES:
        refused(errors.GatedRepoError, status, download, name, token=token)


def test_a_private_repository_is_there_for_who_has_a_token(hub, api, download):
    hub.add("user/it", FILES, private=True)
    assert api.model_info("user/it").private
    assert download("config.json", token=TOKEN) == CONFIG
    refused(errors.RepositoryNotFoundError, 401, api.model_info, "user/it", token=False)


# --- writing ---


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "out"
    (root / "runs").mkdir(parents=True)
    (root / "README.md").write_text("---\ntitle: It\n---\n")
    (root / "empty.txt").write_text("")
    (root / "runs" / "model.safetensors").write_bytes(WEIGHTS)
    (root / "runs" / "image.png").write_bytes(b"\x89PNG\0" + WEIGHTS)
    return root


def content_of(root):
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_space_is_created_and_filled(hub, api, folder):
    space = {"repo_id": "user/demo", "repo_type": "space"}
    for _ in range(2):
        url = api.create_repo(**space, space_sdk="gradio", exist_ok=True)
        assert url == f"{hub.url}/spaces/user/demo"
    refused(errors.HfHubHTTPError, 409, api.create_repo, **space, space_sdk="gradio")
    assert hub.uploads == {"spaces/user/demo": {}}
    done = api.upload_folder(folder_path=folder, **space)
    assert hub.uploads == {"spaces/user/demo": content_of(folder)}
    assert api.space_info("user/demo").sha == done.oid


def test_an_upload_may_delete_what_was_there(hub, api, folder):
    api.create_repo("user/it")
    api.upload_folder(repo_id="user/it", folder_path=folder)
    (folder / "empty.txt").unlink()
    api.upload_folder(repo_id="user/it", folder_path=folder, delete_patterns="*")
    assert hub.uploads == {"user/it": content_of(folder)}


def test_an_uploaded_model_can_be_downloaded(hub, api, download, folder):
    api.create_repo("user/it")
    api.upload_folder(repo_id="user/it", folder_path=folder)
    assert download("runs/model.safetensors") == WEIGHTS


def test_writing_takes_a_token(hub, folder):
    hub.add("user/it", FILES)
    api = HfApi(endpoint=hub.url, token=False)
    refused(errors.HfHubHTTPError, 401, api.create_repo, "user/new")
    upload = {"repo_id": "user/it", "folder_path": folder}
    refused(errors.HfHubHTTPError, 401, api.upload_folder, **upload)
    assert hub.uploads == {}


# --- failing ---


@pytest.fixture
def get(hub):
    """Ask for the metadata ("api") or for a file of "user/it", as no client would retry."""
    hub.add("user/it", FILES)

    def run(what, method="GET", timeout=5):
        path = "/api/models/user/it" if what == "api" else f"/user/it/resolve/main/{what}"
        return httpx.request(method, hub.url + path, follow_redirects=True, timeout=timeout)

    return run


@pytest.mark.parametrize(("fault", "status"), [("error", 500), ("busy", 429), (None, 200)])
@pytest.mark.parametrize("what", ["api", *FILES])
def test_every_request_may_be_answered_by_a_status(hub, get, fault, status, what):
    hub.fault = fault
    assert get(what).status_code == status
    if what != "api":
        assert get(what, "HEAD").status_code == status


@pytest.mark.parametrize("what", FILES)
def test_a_truncated_file_is_announced_whole(hub, get, what):
    hub.fault = "truncate"
    with pytest.raises(httpx.RemoteProtocolError):
        get(what)
    assert get("api").status_code == 200
    assert int(get(what, "HEAD").headers["Content-Length"]) == len(FILES[what])


@pytest.mark.parametrize("what", FILES)
def test_one_byte_of_a_tampered_file_differs(hub, get, what):
    hub.fault = "tamper"
    got = get(what).content
    assert len(got) == len(FILES[what])
    assert sum(a != b for a, b in zip(got, FILES[what], strict=True)) == 1


@pytest.mark.parametrize("what", FILES)
def test_a_stalled_file_never_ends(hub, get, what):
    hub.fault = "stall"
    with pytest.raises(httpx.ReadTimeout):
        get(what, timeout=httpx.Timeout(20, read=0.2))
    assert get("api").status_code == 200


def test_metadata_may_be_slow(hub, get):
    hub.fault = "slow_api"
    for method, what in [("GET", "api"), ("HEAD", "config.json")]:
        with pytest.raises(httpx.ReadTimeout):
            get(what, method, timeout=httpx.Timeout(20, read=0.2))
    assert get("config.json").content == CONFIG


@pytest.mark.parametrize(
    ("fault", "path"),
    [("slow_api", "/api/models/user/it"), ("stall", "/user/it/resolve/main/config.json")],
)
def test_a_hub_that_stops_lets_go_and_is_dead(fault, path):
    with FakeHub() as hub, ThreadPoolExecutor() as pool:
        hub.add("user/it", FILES)
        hub.fault = fault
        waiting = pool.submit(httpx.get, hub.url + path, timeout=20)
        while not hub.requests:
            time.sleep(0.01)
        hub.stop()
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result(timeout=1)
        with pytest.raises(httpx.ConnectError):
            httpx.get(hub.url + path)
