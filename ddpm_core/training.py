"""A training run: a loop with EMA, a run folder, and a resume that is exact.

Everything that happens in step k is a function of (seed, k). A run is therefore its last
saved state: stopped at any moment and resumed, it ends with the same weights, bit for bit,
as one never stopped (on the same machine with the same number of threads).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import data, fields
from .checkpoints import Model, save
from .data import DATASETS
from .errors import InvalidInput
from .fast import faster
from .files import write
from .hardware import bf16_is_native, describe

STATE = "state.pt"
DECAYS = ("none", "cosine", "one-cycle")
# What differs where a run went on elsewhere or to another length, and what the record joins it by.
SITUATION = {"command": " && "} | dict.fromkeys(("commit", "hardware", "precision"), "; then ")
# What is told of a run that another carried on.
RUN = ("command", "commit", "steps", "images", "hours", "hardware", "precision", "weights")


@fields.documented
@dataclass(frozen=True)
class LoopRecipe:
    """What every training is told.

    Raises:
        InvalidInput: naming the field and what is allowed.
    """

    dataset: str = fields.text(
        "mnist",
        f"{', '.join(DATASETS)}, or the name of a folder or zip of class folders of pictures in "
        "the data root",
    )
    epochs: float = fields.number(30, 1e-6, 1e6, "passes over the training set")
    batch_size: int = fields.whole(128, 1, 65_536, "images per step")
    lr: float = fields.number(1e-4, 0, 10, "learning rate, once it has grown")
    warmup: int = fields.whole(0, 0, 10**9, "steps over which the learning rate grows")
    decay: str = fields.choice("none", DECAYS, "of the learning rate after that: {names}")
    clip_norm: float = fields.number(1.0, 1e-9, 1e9, "bound on the norm of the gradient")
    ema: float = fields.number(
        0.9995, 0, 0.999999, "decay of the averaged weights, itself warmed up; 0 for none"
    )
    seed: int = fields.whole(0, 0, 2**31, "of everything random")

    def __post_init__(self):
        fields.check(self)


@dataclass(frozen=True)
class Cadence:
    """How often, in steps, a run looks at itself and saves its state."""

    validate: int = 500
    sample: int = 2000
    save: int = 250


class Loop(ABC):
    """Trains one recipe into one run folder, resuming what is there.

    A subclass knows the data that a step draws and the loss on them (``_batch_loss``), and
    how the averaged weights are measured (``_measure``).

    Args:
        recipe: what to train: a ``LoopRecipe`` with a method ``config``.
        folder: the run folder: ``state.pt``, ``losses.csv`` and the checkpoint folder
            ``checkpoint/``.
        data_root: see ``data.data_root``.
        device: for example ``"cpu"`` or ``"cuda"``.
        bf16: autocast to bfloat16; None decides by the hardware's flags.
        quiet: no progress bar.
        begin: a checkpoint whose weights it begins with; the recipe must build the same model.
            Its record of training is carried on, and the steps are drawn on from its last; the
            optimizer begins anew.
        watch: called at every validation with the averaged model; what it returns becomes columns
            of ``history``.
    """

    def __init__(
        self,
        recipe,
        folder: str | Path,
        *,
        data_root=None,
        device: str = "cpu",
        bf16: bool | None = None,
        cadence: Cadence = Cadence(),
        quiet: bool = False,
        begin: Model | None = None,
        watch: Callable[[Model], dict] | None = None,
    ):
        _check_alone()
        self.recipe, self.folder, self.quiet, self.watch = recipe, Path(folder), quiet, watch
        self.data_root, self.cadence = data_root, cadence or Cadence()
        self.device = _usable(device)
        self.bf16 = bf16_is_native(self.device) if bf16 is None else bf16
        self.images = self._to_learn()
        self.validation = self._held_out(data.load(recipe.dataset, "validation", data_root))
        self.config = recipe.config(self.images)
        torch.manual_seed(recipe.seed)
        self._build()
        self.step, self.seconds, self.history, self.earlier = 0, 0.0, [], []
        if begin is not None:
            self._begin_with(begin)
        self.ema = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.optimizer = self._optimizer()
        self.running = None  # the training loss, smoothed
        self._stop = False
        self.here = {
            "command": _command(sys.argv[1:]),
            "commit": _commit(),
            "hardware": describe(self.device),
            "precision": "bfloat16 autocast" if self.bf16 else "float32",
        }
        self.situation = {name: [told] for name, told in self.here.items()}
        if recipe.batch_size > len(self.images):
            raise InvalidInput(f"batch_size {recipe.batch_size} exceeds {len(self.images)} images")
        self.steps_per_epoch = len(self.images) // recipe.batch_size
        self.meant = self.total_steps = self._steps_of(recipe.epochs)
        self.broken_off = []  # where, of how many steps: to its end its command leads elsewhere
        self._resume()

    def run(self) -> None:
        """Train to the end, or to Ctrl-C, which saves the state and returns."""
        self._check_writable()
        started, seconds_before, first = time.monotonic(), self.seconds, self.step
        bar = tqdm(
            total=self.total_steps,
            initial=self.step,
            disable=self.quiet,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 60,
            unit="step",
        )
        if self.step < self.total_steps:
            self._go_on_here()
        with _on_interrupt(self._request_stop), bar:
            while self.step < self.total_steps and not self._stop:
                loss = self._train_step()
                self.running = loss if self.running is None else 0.98 * self.running + 0.02 * loss
                elapsed = time.monotonic() - started
                self.seconds = seconds_before + elapsed
                rate = (self.step - first) * self.recipe.batch_size / elapsed
                bar.set_postfix(loss=f"{self.running:.4f}", images_s=f"{rate:.0f}", refresh=False)
                bar.update()
                self._look()
        self._save()

    def export(self, folder: Path) -> None:
        """Write the EMA weights as a checkpoint folder."""
        save(folder, self.config, self.ema, self._training(), name=self.folder.name)

    def _build(self) -> None:
        """Make the model as it is before the first step."""
        self.model, self.schedule = self.config.build()
        self.model = faster(self.model.to(self.device))

    def _to_learn(self) -> data.Images:
        return data.load(self.recipe.dataset, "train", self.data_root)

    def _held_out(self, images: data.Images):
        """What validation needs of the images held out."""
        return images

    def _optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.model.parameters(), lr=self.recipe.lr, fused=True)

    @abstractmethod
    def _batch_loss(self) -> Tensor:
        """The loss on this step's images; torch's generator is seeded for it."""

    @abstractmethod
    def _measure(self) -> dict:
        """Columns of ``history``: what the averaged weights are worth."""

    def _show(self) -> None:
        """Lay out what can be looked at; a classifier has nothing to show."""
        return

    def _train_step(self) -> float:
        recipe = self.recipe
        rate = learning_rate(recipe, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1)
        torch.manual_seed(mix(recipe.seed, self.drawn))
        self.model.train()
        loss = self._batch_loss()
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            # Before the update: the weights, and so the saved state, stay good.
            raise InvalidInput(f"loss or gradient not finite at step {self.step}; try a smaller lr")
        self.optimizer.step()
        self.step += 1
        self._update_ema()
        return value

    @property
    def drawn(self) -> int:
        """Steps drawn so far, those of earlier runs included."""
        return self.step + sum(run["steps"] for run in self.earlier)

    def _indices(self) -> Tensor:
        epoch, place = divmod(self.drawn, self.steps_per_epoch)
        order = np.random.RandomState(mix(self.recipe.seed, epoch) % 2**32)
        order = torch.from_numpy(order.permutation(len(self.images)))
        return order[place * self.recipe.batch_size :][: self.recipe.batch_size]

    @torch.no_grad()
    def _update_ema(self) -> None:
        # Early on the average would be dominated by the random start: its memory grows with time.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        weights = list(self.model.state_dict().values())
        torch._foreach_lerp_(list(self.ema.values()), weights, 1 - decay)

    def _look(self) -> None:
        """Whatever is due after this step: validation, a sample grid, a saved state."""
        at_end = self.step == self.total_steps
        if self.step % self.cadence.validate == 0 or at_end:
            row = {"step": self.drawn, "images": self._images()}
            earlier = 3600 * sum(run["hours"] for run in self.earlier)
            row |= {"seconds": round(self.seconds + earlier, 1), "train": round(self.running, 5)}
            row |= self._measure()
            self.history.append(row | self._watched())
        if self.step % self.cadence.sample == 0 or at_end:
            self._guarded(self._show)
        if self.step % self.cadence.save == 0 and not at_end:  # ``run`` saves what is complete
            self._guarded(self._save)

    def averaged(self) -> Model:
        """The model with its averaged weights."""
        return Model(self.folder.name, self.config, self._averaged(), self.schedule, {})

    def _watched(self) -> dict:
        return self.watch(self.averaged()) if self.watch else {}

    def _kept(self) -> dict[str, Tensor]:
        """The averaged weights, as exact as a checkpoint keeps them."""
        return self.ema

    def _averaged(self):
        model, _ = self.config.build()
        model.load_state_dict(self._kept())
        return model.to(self.device).eval()

    def _guarded(self, write) -> None:
        """A disk that fills up must not end hours of training: say so and go on."""
        try:
            write()
        except OSError as error:
            tqdm.write(f"step {self.step}: not saved ({error}); the last saved state is intact")

    def _check_writable(self) -> None:
        """Notice before the first step, and not after the last, that nothing can be saved."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                return
        except OSError as error:
            raise InvalidInput(f"{self.folder} cannot be written to: {error}") from error

    def _save(self) -> None:
        self._save_state()
        self.export(self.folder / "checkpoint")

    def _save_state(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "running": self.running,
            "earlier": self.earlier,
            "situation": self.situation,
            "broken_off": self.broken_off,
            "images": self._which(),
        }
        # Serialised in memory first: on a full disk, writing bytes fails as an OSError.
        buffer = io.BytesIO()
        torch.save(state | {"digest": _digest(state)}, buffer)
        write(self.folder / STATE, buffer.getvalue())
        if self.history:
            table = io.StringIO()
            columns = dict.fromkeys(name for row in self.history for name in row)
            writer = csv.DictWriter(table, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.history)
            write(self.folder / "losses.csv", table.getvalue())

    def _resume(self) -> None:
        path = self.folder / STATE
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except Exception as error:
            raise InvalidInput(
                f"{path} cannot be read ({error}); move it away to start anew"
            ) from error
        if state.pop("digest", None) not in (None, _digest(state)):  # older states have none
            raise InvalidInput(
                f"{path} is damaged: its content is not what was saved; move it away to start anew"
            )
        try:
            # By way of its class, so that a field added since takes its default in an old run.
            before = asdict(type(self.recipe)(**state["recipe"]))
        except TypeError:
            raise InvalidInput(
                f"{self.folder} holds a run of another kind; choose another --out"
            ) from None
        now = asdict(self.recipe)
        differing = sorted(k for k in now if before[k] != now[k] and k != "epochs")
        if differing:
            raise InvalidInput(
                f"{self.folder} holds a run with another {', '.join(differing)}; "
                "choose another --out or the same options"
            )
        if state.get("images", self._which()) != self._which():
            raise InvalidInput(
                f"{self.folder} holds a run on other images than {self.recipe.dataset} has now: "
                "what was held out would be trained on; choose another --out"
            )
        if self.earlier and self.earlier != state.get("earlier", []):
            raise InvalidInput(
                f"{self.folder} holds a run that did not begin with that checkpoint; go on with it "
                "without --init, or choose another --out"
            )
        self.model.load_state_dict(state["model"])
        self.ema = state["ema"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        if before["epochs"] == now["epochs"]:
            del self.here["command"]  # the one that was given first is as good
        older = {name: [state[name]] for name in SITUATION if name in state}  # of earlier versions
        self.situation |= state.get("situation", older)
        self.history, self.running = state["history"], state.get("running")
        self.earlier = state.get("earlier", [])
        self.meant, self.broken_off = self._steps_of(before["epochs"]), state.get("broken_off", [])

    def _go_on_here(self) -> None:
        """Put what is so now after what was so before, where it differs."""
        for name, now in self.here.items():
            told = self.situation[name]
            self.situation[name] = told if told[-1] == now else [*told, now]
        if self.step < self.meant != self.total_steps:
            self.broken_off = [*self.broken_off, [self.step, self.meant]]

    def _begin_with(self, begin: Model) -> None:
        ours, theirs = self.config.complete(), begin.config.complete()
        parts = ("dataset", "model", "schedule", "prediction_type", "classes")
        differing = [name for name in parts if getattr(ours, name) != getattr(theirs, name)]
        if differing:
            raise InvalidInput(f"{begin.name} is another model: its {', '.join(differing)} differ")
        record = begin.training
        theirs = [record.get("source", ""), record.get("training_set", len(self.images))]
        if theirs != self._which():
            raise InvalidInput(
                f"{begin.name} was trained on other images than {self.recipe.dataset} has here: "
                "what is held out here it was trained on"
            )
        self.model.load_state_dict(begin.unet.state_dict())
        told = (*RUN, "broken_off")
        runs = [*record.get("earlier", []), {k: record[k] for k in told if k in record}]
        missing = [k for k in RUN if k not in runs[-1]]
        if missing:
            raise InvalidInput(f"{begin.name} does not tell of its training: {', '.join(missing)}")
        before = sum(run["steps"] for run in runs[:-1])
        runs[-1]["steps"] -= before
        runs[-1]["images"] -= sum(run["images"] for run in runs[:-1])
        runs[-1]["hours"] = round(runs[-1]["hours"] - sum(run["hours"] for run in runs[:-1]), 2)
        self.earlier, self.history = runs, list(record.get("history", []))

    def _which(self) -> list:
        """Tells other images from these, as far as their kind and number do."""
        return [self.images.source, len(self.images)]

    def _steps_of(self, epochs: float) -> int:
        return max(1, round(epochs * self.steps_per_epoch))

    def _images(self) -> int:
        return self.step * self.recipe.batch_size + sum(run["images"] for run in self.earlier)

    def _training(self) -> dict:
        """How these weights came to be, for ``training.json`` and the card."""
        return {
            "recipe": asdict(self.recipe),
            **{name: SITUATION[name].join(told) for name, told in self.situation.items()},
            "steps": self.drawn,
            "images": self._images(),
            "training_set": len(self.images),
            "held_out": len(self.validation),
            **({"source": self.images.source} if self.images.source else {}),
            **({"earlier": self.earlier} if self.earlier else {}),
            **({"broken_off": self.broken_off} if self.broken_off else {}),
            "hours": round(self.seconds / 3600 + sum(run["hours"] for run in self.earlier), 2),
            "weights": f"EMA, decay {self.recipe.ema}",
            "history": self.history,
        }

    def _request_stop(self) -> None:
        self._stop = True


def learning_rate(recipe, step: int, total_steps: int) -> float:
    """Linear warm-up, then as ``decay`` says: ``"none"`` stays, ``"cosine"`` falls by a quarter
    cosine to 2 %, ``"one-cycle"`` evenly to nothing (Smith and Topin 2018, without the tail).
    """
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    if recipe.decay == "none":
        return recipe.lr
    progress = (step - recipe.warmup) / max(1, total_steps - recipe.warmup)
    if recipe.decay == "one-cycle":
        return recipe.lr * max(0.0, 1 - progress)
    return recipe.lr * (0.02 + 0.98 * math.cos(progress * math.pi / 2))


def _check_alone() -> None:
    """Refuse to be one of several processes, which would all train into the same folder."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise InvalidInput(
            f"training runs in one process, not in {os.environ['WORLD_SIZE']} (WORLD_SIZE): start "
            "it without torchrun"
        )


def _digest(state) -> str:
    """Tells a state from one in which anything differs, be it a single bit of a weight."""
    digest = hashlib.sha256()

    def add(value) -> None:
        if isinstance(value, Tensor):
            digest.update(repr((value.dtype, value.shape)).encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
        elif isinstance(value, dict):
            digest.update(repr(list(value)).encode())
            for each in value.values():
                add(each)
        elif isinstance(value, list | tuple):
            digest.update(repr(len(value)).encode())
            for each in value:
                add(each)
        else:
            digest.update(repr(value).encode())

    add(state)
    return digest.hexdigest()


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"device {device!r} cannot be used: {error}") from None


def mix(seed: int, number: int) -> int:
    """One 63-bit seed from two numbers, without the overlap that adding them would give."""
    return int(np.random.Philox(key=[seed, number]).random_raw() >> 1)


def _command(words: list[str]) -> str:
    """The command as anyone may repeat it: where things lay is nobody else's concern."""
    words = [part for word in words for part in _parted(word)]
    if "--data-root" in words:
        place = words.index("--data-root")
        words = words[:place] + words[place + 2 :]
    for option in ("--init", "--out"):
        if option in words[:-1]:
            place = words.index(option) + 1
            path = Path(words[place])
            words[place] = path.name if path.is_absolute() else words[place]
    return "python -m ddpm_core " + shlex.join(words)


def _parted(word: str) -> list[str]:
    """``--option=value`` as two words."""
    return word.split("=", 1) if word.startswith("--") and "=" in word else [word]


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class _on_interrupt:
    """Within it the first Ctrl-C (or SIGTERM) asks to stop; the second acts as usual."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, callback):
        self.callback = callback

    def __enter__(self):
        self.before = {}
        for number in self.SIGNALS:
            try:
                self.before[number] = signal.signal(number, self._handle)
            except ValueError:  # not in the main thread
                return

    def _handle(self, number, frame):
        self._restore()
        self.callback()

    def __exit__(self, *exc):
        self._restore()

    def _restore(self):
        for number, handler in self.before.items():
            signal.signal(number, handler)
