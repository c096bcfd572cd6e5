"""The models of the page: shipped, fetched from the Hub, or added by its host; loaded once."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ddpm_core import InvalidInput, Model, available, hub, load
from ddpm_core.checkpoints import HOME, check_fetched, from_hub
from ddpm_core.hardware import find_device
from lab.process.engine import shared_engine
from lab.process.first_steps import FirstSteps

from .limits import check_light, is_counted, most_images

# Limits of what a visitor may have fetched, on one's own machine and on a page for others. The
# latter fetches without a token, into a cache of its own.
HUB = hub.Hub(max_bytes=300 * 10**6)
PUBLIC_HUB = replace(
    HUB,
    cache=Path(tempfile.gettempdir()) / "learning-the-noise-hub",
    token=False,
    keep_bytes=2 * 10**9,
)
FETCHED_KEPT = 2  # in memory, beside what ships
DOWNLOADS = 2
BEST = ("mnist-conditional", "cifar10-conditional")  # for a first look


@dataclass
class Download:
    """A model on its way: the bytes so far and in all, and the job that fetches it."""

    state: tuple[int, int] = (0, 0)
    job: Future | None = None

    def note(self, arrived: int, total: int) -> None:
        self.state = arrived, total


class Models:
    """Loads models once.

    Args:
        own: folders of models to offer beside those that ship; the page opens with the first.
        device: see ``hardware.find_device``.

    Attributes:
        own: the names of these models.
        engine: evaluates all of them; steps of all runs take turns on it.
    """

    def __init__(self, source: hub.Hub = HUB, own: Sequence[str | Path] = (), device: str = "auto"):
        self._models: OrderedDict[str, Model] = OrderedDict()
        # Names of models that are ready, their operations counted: counting on a visitor's thread
        # would disturb a run that differentiates at that moment.
        self._ready: set[str] = set()
        self._hub, self._device = source, find_device(device)
        self._downloads = ThreadPoolExecutor(DOWNLOADS, "download")
        self._downloading: dict[str, Download] = {}  # by the name of the model
        self._guard = threading.RLock()
        # A shipped model loads quickly and does not wait for a fetched one. One model of each kind
        # loads at a time, which bounds the memory.
        self._loading = {"shipped": threading.Lock(), "fetched": threading.Lock()}
        self.engine = shared_engine()
        self.own: list[str] = []
        self._by_folder: dict[str, str] = {}
        for path in own:
            self._add(Path(path))
        if not self.names():
            raise InvalidInput(
                f"no checkpoints are in {HOME}; set DDPM_CHECKPOINTS to the folder checkpoints/ of "
                "the repository, or train one with 'python -m ddpm_core train --recipe "
                "mnist-conditional' and copy its checkpoint folder there"
            )

    def _add(self, folder: Path) -> None:
        """Offer a model of the page's host. Its name is the path as given, so that a copied command
        finds it, but for a path that would show the machine's folders."""
        model = load(folder)
        name = model.name if folder.is_absolute() or ".." in folder.parts else folder.as_posix()
        if name in self.names():
            raise InvalidInput(f"there is a model {name!r} already: rename the folder")
        self._by_folder[model.name] = name
        model.name = name
        self._models[name] = model
        self.own.append(name)

    def called(self, name: str) -> str:
        """The name on this page of a model that a file names: the command line calls one of the
        page's host by its folder alone."""
        return name if name in self.names() else self._by_folder.get(name, name)

    def names(self) -> list[str]:
        """The models to choose from, the best for a first look first, those of ``own`` last."""
        shipped = sorted(available())
        best = [name for name in BEST if name in shipped]
        return [*best, *(name for name in shipped if name not in best), *self.own]

    def model(self, name: str) -> Model:
        """A shipped model, or one from the Hub that was fetched; never a path from a visitor."""
        name = str(name)  # a caller may send anything
        model = self._known(name)
        if model is not None and name in self._ready:
            return model
        # Runs of other models go on meanwhile. Nothing under these locks may wait for the engine: a
        # job on the engine may be waiting for one of them.
        with self._loading["shipped" if name in self.names() else "fetched"]:
            model = self._known(name) or self._loaded(name)
        model.evaluate = self.engine.evaluate
        if "flops" not in vars(model) and (is_counted(model) or name not in self.names()):
            self.engine.do(lambda: model.flops)  # once
        # At most so many images in one evaluation: halves of guidance, rows, visitors together.
        evaluate = partial(self.engine.evaluate, most=most_images(model))
        model.evaluate = FirstSteps(evaluate, model.schedule.num_timesteps - 1)
        self._ready.add(name)
        return model

    def _known(self, name: str) -> Model | None:
        with self._guard:
            if name in self._models:
                self._models.move_to_end(name)
            return self._models.get(name)

    def _loaded(self, name: str) -> Model:
        names = self.names()
        if name in names:
            model = load(name, device=self._device)
        elif self.is_here(name):
            model = from_hub(name, self._hub, self._device)
            check_light(model)
        else:
            raise InvalidInput(
                f"unknown model {name[:200]!r}; known: {', '.join(names)}; others are fetched from "
                "the Hub first, by the model picker"
            )
        with self._guard:
            self._models[name] = model
            fetched = [other for other in self._models if other not in names]
            for oldest in fetched[:-FETCHED_KEPT]:
                del self._models[oldest]
                self._ready.discard(oldest)
                self.forget(oldest)
        return model

    def forget(self, name: str) -> None:
        """Called where a model leaves the memory: let go of whatever holds it."""

    def is_here(self, name: str) -> bool:
        """True if a model ships or was fetched."""
        # First of those in memory: this is asked at every move of a slider.
        return name in self._ready or name in self.names() or self._hub.cached(name) is not None

    def can_fetch(self, name: str) -> bool:
        """True if a model of the Hub could be fetched now."""
        return self._hub.has(name)

    def fetching(self, name: str) -> Iterator[tuple[int, int]]:
        """Fetch a model from the Hub, if it is not here; yields the bytes so far and in all.

        Raises:
            InvalidInput: saying why it cannot be fetched, see ``Hub.folder``.
        """
        if self.is_here(name):
            return
        with self._guard:  # whoever asks for the same model waits for the same download
            download = self._downloading.get(name) or self._download(name)
        while not download.job.done():
            yield download.state
            wait([download.job], 0.25)
        download.job.result()

    def _download(self, name: str) -> Download:
        if len(self._downloading) == DOWNLOADS:
            raise InvalidInput(f"{DOWNLOADS} downloads are under way already; try again soon")
        self._downloading[name] = download = Download()
        check = partial(check_fetched, name)
        download.job = self._downloads.submit(self._hub.folder, name, download.note, check)
        download.job.add_done_callback(lambda _: self._downloading.pop(name))
        return download
