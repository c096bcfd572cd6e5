"""The Hugging Face Hub: a repository's name in, a folder on this disk out.

Only safetensors and JSON are ever downloaded. Every file that arrives is checked against the size
and the SHA-256 that the Hub states.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .diffusers_format import SCHEDULER, WEIGHTS
from .errors import CheckpointError

# Owner and name as the Hub allows them; a branch, a tag or a commit after the @.
PART = r"[A-Za-z0-9][\w.-]{0,95}"
NAME = re.compile(rf"({PART}/{PART})(?:@([A-Za-z0-9][\w./-]{{0,100}}))?", re.ASCII)
# Each way to lay a model out: its weights, its config, and what else belongs to it.
LAYOUTS = (
    ("model.safetensors", "config.json", ("training.json",)),
    (WEIGHTS, "config.json", (SCHEDULER, f"scheduler/{SCHEDULER}")),
    (f"unet/{WEIGHTS}", "unet/config.json", (f"scheduler/{SCHEDULER}",)),
)
MOST_JSON = 2**20  # bytes of a config or a record that others wrote
OF_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

Progress = Callable[[int, int], None]


def is_name(text: str) -> bool:
    """Whether this may be the name of a repository: ``owner/name``, ``owner/name@revision``."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    match = NAME.fullmatch(text) if isinstance(text, str) and ".." not in text else None
    try:
        return match is not None and validate_repo_id(match[1]) is None
    except HFValidationError:
        return False


def layout(files: Iterable[str]) -> list[str] | None:
    """The files of a repository or folder that make a model, weights first and config second; None
    if they make none."""
    held = set(files)
    for weights, config, others in LAYOUTS:
        if {weights, config} <= held:
            return [weights, config, *(name for name in others if name in held)]
    return None


def refuse_pickle(where: str | Path, files: Iterable[str]) -> None:
    """Raise a CheckpointError if weights lie there as a pickle."""
    pickle = next((name for name in files if name.endswith(PICKLES)), None)
    if pickle:
        raise CheckpointError(
            f"{where} holds its weights as a pickle ({pickle}), which can run code when it is "
            "opened; only safetensors are loaded"
        )


@dataclass(frozen=True)
class Hub:
    """Where models are fetched from.

    Attributes:
        endpoint: the Hub's address; None for the library's own (``HF_ENDPOINT`` or the Hub).
        cache: a folder; None for the library's own (``HF_HOME``).
        max_bytes: the most that a model may weigh; None for any size.
        patience: seconds to wait for an answer.
        token: who asks; None for the one that is stored or in ``HF_TOKEN``, False for nobody.
        keep_bytes: the most that the cache may hold, the models least recently used are removed
            from it; None for any size. For a cache of one's own.
    """

    endpoint: str | None = None
    cache: Path | None = None
    max_bytes: int | None = None
    patience: float = 5.0
    token: str | bool | None = None
    keep_bytes: int | None = None

    def folder(
        self,
        name: str,
        progress: Progress | None = None,
        check: Callable[[Path], None] = lambda folder: None,
    ) -> Path:
        """The folder of the model ``owner/name`` or ``owner/name@revision``: the cached one, or one
        downloaded now.

        ``progress`` is called with the bytes that arrived so far, and those to come in all, and
        ``check`` with the folder of the config before the weights are fetched: it may refuse them.
        """
        if not is_name(name):
            raise CheckpointError(f"{name[:200]!r} names no repository: owner/name[@revision]")
        names = NAME.fullmatch(name).groups("main")
        return self.cached(name) or self._download(*names, progress, check)

    def cached(self, name: str) -> Path | None:
        """The folder of a model that was downloaded before, without a question to the network."""
        from huggingface_hub import try_to_load_from_cache

        if not is_name(name):
            return None
        repo, revision = NAME.fullmatch(name).groups("main")
        for weights, config, others in LAYOUTS:
            paths = {}
            for file in (weights, config, *others):
                path = try_to_load_from_cache(repo, file, cache_dir=self.cache, revision=revision)
                if isinstance(path, str):
                    paths[file] = path
            # A download that was cut short lacks the weights, which come last; one by another
            # program may lack the schedule.
            whole = not others[0].endswith(SCHEDULER) or any(name in paths for name in others)
            if whole and {weights, config} <= paths.keys():
                return Path(paths[weights]).parents[weights.count("/")]
        return None

    def has(self, name: str) -> bool:
        """Whether a model is cached, or the Hub answers that it has it."""
        with suppress(CheckpointError):
            names = NAME.fullmatch(name).groups("main") if is_name(name) else None
            return bool(names and (self.cached(name) or self._listed(*names)))
        return False

    def _listed(self, repo: str, revision: str) -> dict:
        """What the Hub says of each file of a repository, by its name."""
        from huggingface_hub import HfApi

        with in_words(repo, revision, self.endpoint):
            about = HfApi(endpoint=self.endpoint, token=self.token).model_info(
                repo, revision=revision, timeout=self.patience, files_metadata=True
            )
        return {s.rfilename: s for s in about.siblings or []}

    def _download(
        self, repo: str, revision: str, progress: Progress | None, check: Callable[[Path], None]
    ) -> Path:
        from huggingface_hub import hf_hub_download

        siblings = self._listed(repo, revision)
        wanted = layout(siblings)
        for file in (wanted or [])[1:]:
            if self.max_bytes is not None and (siblings[file].size or 0) > MOST_JSON:
                raise CheckpointError(f"{file} of {repo} is larger than {MOST_JSON // 2**20} MiB")
        if wanted is None:
            if not any(name.endswith(".safetensors") for name in siblings):
                refuse_pickle(repo, siblings)
            known = ", ".join(weights for weights, _, _ in LAYOUTS)
            raise CheckpointError(
                f"{repo} holds no model that is known here: none of {known} with its config.json"
            )
        total = sum(siblings[file].size or 0 for file in wanted)
        arrived = 0

        def report(now: int) -> None:
            # Each time: the repository may have changed since it told its sizes.
            self._check_size(repo, arrived + now)
            if progress:
                progress(min(arrived + now, total), total)

        def fetch(file: str) -> Path:
            nonlocal arrived
            with in_words(repo, revision, self.endpoint, arriving=True):
                path = hf_hub_download(
                    repo,
                    file,
                    revision=revision,
                    endpoint=self.endpoint,
                    cache_dir=self.cache,
                    etag_timeout=self.patience,
                    tqdm_class=_bar(report),
                    token=self.token,
                )
            _check_content(repo, file, Path(path), siblings[file])
            arrived += siblings[file].size or 0
            report(0)
            return Path(path).parents[file.count("/")]

        self._check_size(repo, total)
        weights, config, *others = wanted
        try:
            for file in others:
                fetch(file)
            check((fetch(config) / config).parent)
            return fetch(weights)  # last: a model whose weights are there is complete
        finally:  # what was refused takes room too
            self._make_room(repo)

    def _check_size(self, repo: str, size: int) -> None:
        if self.max_bytes is not None and size > self.max_bytes:
            raise CheckpointError(
                f"{repo} weighs {size / 1e6:,.1f} MB, more than the "
                f"{self.max_bytes / 1e6:,.1f} MB that are fetched here"
            )

    def _make_room(self, repo: str) -> None:
        from huggingface_hub import scan_cache_dir

        if self.keep_bytes is None or not os.path.isdir(self.cache):  # nothing ever arrived
            return
        cache = scan_cache_dir(self.cache)
        size = cache.size_on_disk
        for oldest in sorted(cache.repos, key=lambda stored: stored.last_accessed):
            if size > self.keep_bytes and oldest.repo_id != repo:
                shutil.rmtree(oldest.repo_path, ignore_errors=True)  # another may be at it too
                size -= oldest.size_on_disk


@contextmanager
def in_words(
    repo: str, revision: str | None, endpoint: str | None, arriving: bool = False
) -> Iterator[None]:
    """Turn the client's errors into a ``CheckpointError`` in words.

    ``revision`` is None on the way out, to the Hub; ``arriving``: files are on their way.
    """
    from huggingface_hub import constants

    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        # Errors of the network are those of httpx, which the client uses; the others are about an
        # answer, a name or the disk.
        of_network = any(kind.__module__.startswith("httpx") for kind in type(error).__mro__)
        if not (of_network or isinstance(error, (OSError, ValueError))):
            raise
        message = _message(error, repo, revision, endpoint or constants.ENDPOINT, arriving)
        raise CheckpointError(message) from error


def _message(error: Exception, repo: str, revision: str | None, hub: str, arriving: bool) -> str:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    outward, kind = revision is None, type(error).__name__
    if isinstance(error, errors.LocalTokenNotFoundError) or (outward and status in (401, 403)):
        return (
            f"{hub} wants to know who writes to {repo}: log in with 'hf auth login', or give a "
            "token with write access in HF_TOKEN"
        )
    named = {
        errors.GatedRepoError: f"{repo} is gated: accept its terms on {hub}/{repo}, then give your "
        "token in HF_TOKEN or log in with 'hf auth login'",
        errors.RevisionNotFoundError: f"{repo} has no revision {revision!r}",
        errors.RepositoryNotFoundError: f"{repo} is no folder here, and no repository on {hub}, or "
        "a private one (give your token in HF_TOKEN)",
        errors.RemoteEntryNotFoundError: f"{repo} no longer holds what it listed; try again",
        errors.OfflineModeIsEnabled: f"{repo} is no folder here, not in the cache, and "
        "HF_HUB_OFFLINE is set",
    }
    for cause, words in named.items():
        if isinstance(error, cause):
            return words
    if getattr(error, "errno", None) in OF_DISK:
        return f"{repo} cannot be kept on this disk: {error}; HF_HOME chooses another folder"
    # The client itself refuses a name, or passes on as a ValueError what the Hub says of the card.
    if outward and (status == 400 or isinstance(error, ValueError)):
        return f"{hub} refused {repo}: {getattr(error, 'server_message', None) or error}"
    if status is not None:
        return f"{hub} answered with an error ({status}) when asked for {repo}; try again later"
    if arriving:
        return f"the download of {repo} broke off ({kind}); try again"
    if outward:
        return f"{hub} cannot be reached ({kind}); nothing was published"
    return (
        f"{repo} is no folder here, not in the cache, and {hub} cannot be reached ({kind}); what "
        "is here already works without it"
    )


def _check_content(repo: str, file: str, path: Path, sibling) -> None:
    """Compare a file with its size and hash on the Hub; remove it if they differ."""
    content = path.read_bytes()
    wrong = sibling.size is not None and len(content) != sibling.size
    if sibling.lfs is not None:
        wrong = wrong or hashlib.sha256(content).hexdigest() != sibling.lfs.sha256
    elif sibling.blob_id is not None:  # the hash by which git names a file
        named = f"blob {len(content)}\0".encode() + content
        wrong = wrong or hashlib.sha1(named).hexdigest() != sibling.blob_id
    if wrong:
        # Both the name in the snapshot and the content that it points to.
        for name in {path.resolve(), path}:
            name.unlink(missing_ok=True)
        raise CheckpointError(
            f"{file} of {repo} is not what the Hub announced: damaged or tampered with on its way, "
            "and removed; try again"
        )


def _bar(report: Callable[[int], None]) -> type:
    """A progress bar for the client that shows nothing and reports the bytes so far."""
    from tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args, **kwargs):
            kwargs.pop("name", None)
            self._arrived = kwargs.get("initial", 0) or 0
            super().__init__(*args, **kwargs | {"disable": True})

        def update(self, n=1):
            self._arrived += n or 0
            report(int(self._arrived))

    return Bar
