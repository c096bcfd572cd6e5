"""A training run: a loop with EMA, a run folder, and a resume that is exact.

All that happens in step k is a function of (seed, k). Stopped at any moment and resumed, a run ends
with the same weights, bit for bit, on the same machine with as many threads. Several processes
(see ``processes``) share every batch and end with the weights of one, within rounding.
"""

from __future__ import annotations

import csv
import io
import json
import math
import signal
import sys
import threading
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import data, fields, processes, record
from .checkpoints import CONFIG, OF_RUN, write_folder
from .classifier import Classifier
from .data import DATASETS
from .errors import InvalidInput, check_int
from .fast import faster
from .files import write
from .first_weights import adapt, go_on
from .hardware import bf16_is_native, find_device
from .model import Model

STATE = "state.pt"
DECAYS = ("none", "cosine", "one-cycle")
# What a state holds besides the model, the optimizer, and what tells one run from another.
KEPT = ("ema", "step", "seconds", "history", "running", "situation", "finetuned", "optimizer_kind")
LONGER = ("epochs", "steps")  # in these a run that goes on may differ from what it was
# Fewer steps teach nothing that can be seen, of a network that begins with random weights and of
# one that was trained.
FEWEST, FEWEST_FINETUNED = 1000, 200
AT_ONCE = 1.0  # s between two signals that mean the same


@fields.documented
@dataclass(frozen=True)
class LoopRecipe:
    """What every training is told."""

    dataset: str = fields.value(
        "mnist",
        str,
        f"{', '.join(DATASETS)}, or a folder of pictures: its path, or its name in the data root",
    )
    size: int | None = fields.whole(
        None, 1, 4096, "pixels a side: pictures are resized and cropped to it; None: as they are"
    )
    epochs: float = fields.number(30, 1e-6, 1e6, "passes over the training set")
    steps: int | None = fields.whole(None, 1, 10**9, "so many steps, in place of epochs")
    batch_size: int = fields.whole(128, 1, 65_536, "images per step")
    lr: float = fields.number(1e-4, 0, 10, "learning rate, once it has grown")
    warmup: int = fields.whole(0, 0, 10**9, "steps over which the learning rate grows")
    decay: str = fields.choice("none", DECAYS, "of the learning rate after that: {names}")
    clip_norm: float = fields.number(1.0, 1e-9, 1e9, "bound on the norm of the gradient")
    ema: float = fields.number(
        0.9995, 0, 0.999999, "decay of the averaged weights, itself warmed up; 0 for none"
    )
    half: bool = fields.flag(False, "keep, and measure, the weights in half precision")
    seed: int = fields.whole(0, 0, 2**31, "of everything random")

    def __post_init__(self):
        fields.check(self)

    def sized_as(self, size: int) -> dict:
        """What a config says of ``size``: images that are given may have another."""
        return {"size": size} if self.size == size else {}


class Validation:
    """Images held out, each with a noise and a place in time that never change: runs compare."""

    def __init__(self, images: data.Images, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.images = images
        self.noise = torch.randn(images.pixels.shape, generator=generator)
        # Evenly over t, and in random order so that no class meets one t only.
        self.place = torch.randperm(len(images), generator=generator)

    def timesteps(self, num_timesteps: int) -> Tensor:
        """The timestep of each image, (N,)."""
        return self.place * num_timesteps // len(self.place)

    def by_quarter(self, values: Tensor) -> dict[str, float]:
        """The mean of (N,) values for t in each quarter of [0, T): ``t1``, the least noise, to
        ``t4``; of fewer than four images some have none."""
        quarter = self.place * 4 // len(self.place)  # by place: none is empty for a small T
        return {f"t{q + 1}": float(values[quarter == q].mean()) for q in quarter.unique().tolist()}


class Loop(ABC):
    """Trains one recipe into one run folder, resuming what is there.

    A task says what loss a step takes on the data that it draws (``_batch_loss``) and how the
    averaged weights are measured (``_measure``).

    Args:
        recipe: what to train: a ``LoopRecipe`` with a method ``config``.
        folder: the run folder: ``state.pt``, ``losses.csv`` and the checkpoint folder
            ``checkpoint/``.
        bf16: autocast to bfloat16; None decides by the hardware's flags.
        begin: a checkpoint of the same model, whose weights a new run begins with.
        watch: called at every validation with the averaged model; what it returns becomes columns
            of ``history``.
        images: what to learn from in place of the recipe's dataset; see ``data.given``.
        finetune: a model of the recipe's network (``Recipe.like``), of any classes and data, whose
            weights a new run begins with.
        optimizer: from the parameters to an optimizer, in place of Adam; its learning rate is the
            recipe's.
        progress: called after every step with ``(step, total_steps, loss)``.
    """

    makes: type[Model] | type[Classifier]
    validated_on: int | None = None  # so many of the images held out; None for all
    validate_every, sample_every, save_every = 500, 2000, 250  # steps

    def __init__(
        self,
        recipe,
        folder: str | Path,
        *,
        data_root=None,
        device: str | torch.device = "auto",
        bf16: bool | None = None,
        quiet: bool = False,
        begin: Model | None = None,
        watch: Callable[[Model], dict] | None = None,
        images: data.Images | Tensor | tuple[Tensor, Tensor] | Iterable | None = None,
        finetune: Model | None = None,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer] | None = None,
        progress: Callable[[int, int, float], object] | None = None,
    ):
        self.folder, self.data_root, self._given = Path(folder), data_root, images is not None
        self.quiet, self.watch, self.progress = quiet, watch, progress
        self.device = find_device(device)
        processes.join(self.device)
        self.leads = processes.rank() == 0  # writes, prints and measures; the others train
        self.bf16 = bf16_is_native(self.device) if bf16 is None else bf16

        if images is None:
            name, self.data_root = data.located(recipe.dataset, data_root)
            self.recipe = recipe = replace(recipe, dataset=name)
            with processes.first_of_each_machine():
                self.images, held_out = self._to_learn(), self._split("validation")
        else:
            torch.manual_seed(recipe.seed)  # a data loader draws its order
            self.images, held_out = data.given(images)
            batch_size = getattr(self.images, "batch_size", recipe.batch_size)
            # The default names no images of one's own.
            name = "" if recipe.dataset == LoopRecipe.dataset else recipe.dataset
            self.recipe = recipe = replace(recipe, dataset=name, batch_size=batch_size)
        # What tells the images from others. A data loader's are not known before it gives them.
        self.images_mark = [self.images.source, len(self.images)]
        if isinstance(self.images, data.Images):
            self.images_mark.append(self.images.checksum())
        self.validation = Validation(held_out.subset(slice(self.validated_on)), recipe.seed)
        if recipe.batch_size > len(self.images):
            raise InvalidInput(f"batch_size {recipe.batch_size} exceeds {len(self.images)} images")
        check_int("batch_size", recipe.batch_size, processes.count(), len(self.images))
        self.steps_per_epoch = len(self.images) // recipe.batch_size
        self.total_steps = recipe.steps or max(1, round(recipe.epochs * self.steps_per_epoch))

        self.config = recipe.config(self.images)
        try:
            json.dumps(vars(self.config.complete()))
        except TypeError as error:
            raise InvalidInput(f"the recipe makes no model to be saved: {error}") from None
        torch.manual_seed(recipe.seed)
        if self.folder.is_file():
            raise InvalidInput(f"{folder} is a file: choose a folder for the run")
        if (self.folder / CONFIG).exists():
            raise InvalidInput(f"{folder} holds a checkpoint, no run: choose another --out")
        self._build()
        by_batch = any(isinstance(m, torch.nn.BatchNorm2d) for m in self.model.modules())
        if by_batch and processes.count() > 1:
            raise InvalidInput("a network that normalises over its batch is trained in one process")
        self.step, self.seconds, self.running = 0, 0.0, None  # the training loss, smoothed
        self.history, self.situation, self.finetuned = [], {}, ""
        if begin is not None:
            go_on(self.model, self.config, self.images_mark, begin)
            self.finetuned = begin.name
        if finetune is not None:
            adapt(self.model, self.config, finetune)
            self.finetuned = finetune.name
        self.ema = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.optimizer = (optimizer or self._optimizer)(self.model.parameters())
        self.optimizer_kind = type(self.optimizer).__name__
        self._resume()

    def run(self) -> None:
        """Train to the end, or to Ctrl-C, which saves the state and returns.

        Raises:
            InvalidInput: if the loss or its gradient ceases to be finite.
            OSError: if the folder cannot be written to; before the first step.
        """
        if self.step < self.total_steps:
            now = record.situation(self.device, self.bf16)
            self.situation = record.joined(self.situation, now)
        if self.leads:
            self._save_state()
        few = FEWEST_FINETUNED if self.finetuned else FEWEST
        if self.total_steps < few and self.leads and not self.quiet:
            tqdm.write(
                f"warning: {self.total_steps:,} steps are too few to learn anything that can be "
                f"seen; ask for {few:,} steps or more",
                file=sys.stderr,
            )
        began = time.monotonic() - self.seconds
        bar = tqdm(
            total=self.total_steps,
            initial=self.step,
            disable=self.quiet or not self.leads,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 60,
            unit="step",
        )
        with _interrupts() as interrupted, bar:
            while self.step < self.total_steps and not processes.any_of(bool(interrupted)):
                loss = self._train_step()
                self.running = loss if self.running is None else 0.98 * self.running + 0.02 * loss
                self.seconds = time.monotonic() - began
                bar.set_postfix(loss=f"{self.running:.4f}", refresh=False)
                bar.update()
                if self.leads:
                    if self.progress:
                        self.progress(self.step, self.total_steps, loss)
                    self._look()
            if self.leads:
                self._save()
            processes.wait()  # once one has ended, torchrun kills the others, saving or not

    def averaged(self) -> Model | Classifier:
        """What is trained, with its averaged weights, as exactly as they are kept."""
        net, schedule = self.config.build()
        net.load_state_dict(self.ema)
        if self.recipe.half:
            net.half().float()
        return self.makes(self.folder.name, self.config, net.to(self.device).eval(), schedule, {})

    # --- what a task says ---

    def _to_learn(self) -> data.Images:
        return self._split("train")

    def _split(self, split: str) -> data.Images:
        return data.load(self.recipe.dataset, split, self.data_root, self.recipe.size)

    def _build(self) -> None:
        """Make the model as it is before the first step."""
        self.model, self.schedule = self.config.build()
        self.model = faster(self.model.to(self.device))

    def _optimizer(self, parameters) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.recipe.lr, fused=True)

    @abstractmethod
    def _batch_loss(self) -> Tensor:
        """The loss on this step's images; torch's generator is seeded for it."""

    @abstractmethod
    def _measure(self) -> dict:
        """Columns of ``history``: what the averaged weights are worth."""

    def _show(self) -> None:  # noqa: B027
        """Lay out what can be looked at; a classifier has nothing to show."""

    def _training(self) -> dict:
        """How these weights came to be, for ``training.json`` and the card."""
        return record.training_record(self)

    # --- a step, and what follows it ---

    def _train_step(self) -> float:
        recipe = self.recipe
        rate = learning_rate(recipe, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1)
        torch.manual_seed(mix(recipe.seed, self.step))
        self.model.train()
        loss = self._batch_loss()
        self.optimizer.zero_grad()
        loss.backward()
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        own = processes.part(recipe.batch_size)
        loss = loss.detach()
        processes.add_up([loss, *gradients], (own.stop - own.start) / recipe.batch_size)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            # Before the update: the weights, and so the saved state, stay good.
            raise InvalidInput(f"loss or gradient not finite at step {self.step}; try a smaller lr")
        self.optimizer.step()
        self.step += 1
        self._update_ema()
        return value

    def _indices(self) -> Tensor:
        """Which images this step takes: each once in an epoch, in an order of that epoch."""
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.RandomState(mix(self.recipe.seed, epoch) % 2**32)
        order = torch.from_numpy(order.permutation(len(self.images)))
        return order[place * self.recipe.batch_size :][: self.recipe.batch_size]

    def _own(self, *values: Tensor | None) -> list[Tensor | None]:
        """This process's part of values drawn for the whole batch, (B, ...), on its device."""
        if not self.leads:  # dropout is drawn next: every process has its own
            torch.manual_seed(mix(mix(self.recipe.seed, self.step), processes.rank()))
        batch, own = self.recipe.batch_size, processes.part(self.recipe.batch_size)
        if processes.count() > 1 and any(v is not None and len(v) != batch for v in values):
            raise InvalidInput(
                f"several processes share batches of {batch}; give the data loader drop_last=True"
            )
        return [None if value is None else value[own].to(self.device) for value in values]

    @torch.no_grad()
    def _update_ema(self) -> None:
        # Early on the average would be dominated by the random start: its memory grows with time.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        weights = list(self.model.state_dict().values())
        torch._foreach_lerp_(list(self.ema.values()), weights, 1 - decay)

    def _look(self) -> None:
        """Whatever is due after this step: validation, a sample grid, a saved state."""
        at_end = self.step == self.total_steps
        if self.step % self.validate_every == 0 or at_end:
            row = {"step": self.step, "images": self.step * self.recipe.batch_size}
            row |= {"seconds": round(self.seconds, 1), "train": round(self.running, 5)}
            row |= self._measure()
            seen = (self.watch(self.averaged()) or {}) if self.watch else {}
            # Of NumPy's or a tensor's numbers plain ones are kept, which a resumed run can read.
            plain = str | int | None
            row |= {k: v if isinstance(v, plain) else _number(k, v) for k, v in seen.items()}
            self.history.append(row)
        if self.step % self.sample_every == 0 or at_end:
            self._guarded(self._show)
        if self.step % self.save_every == 0 and not at_end:  # ``run`` saves what is complete
            self._guarded(self._save)

    def _guarded(self, write) -> None:
        """A disk that fills up must not end hours of training: say so and go on."""
        try:
            write()
        except OSError as error:
            tqdm.write(f"step {self.step}: not saved ({error}); the last saved state is intact")

    # --- the run folder ---

    def _save(self) -> None:
        self._save_state()
        write_folder(self.folder / OF_RUN, self.config, self.ema, self._training())

    def _save_state(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {name: getattr(self, name) for name in KEPT}
        state |= {"recipe": asdict(self.recipe), "images": self.images_mark}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        # Serialised in memory first: on a full disk, writing bytes fails as an OSError.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write(self.folder / STATE, buffer.getvalue())
        if self.history:
            table = io.StringIO()
            columns = dict.fromkeys(name for row in self.history for name in row)
            writer = csv.DictWriter(table, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.history)
            write(self.folder / "losses.csv", table.getvalue())

    def _resume(self) -> None:
        state = processes.of_the_first(self._read_state() if self.leads else None)
        if state is None:
            return
        self._check_same_run(state)
        if state["step"] > self.total_steps:
            raise InvalidInput(
                f"{self.folder} holds a run of {state['step']:,} steps, more than the "
                f"{self.total_steps:,} asked for"
            )
        self.model.load_state_dict(state["model"])
        if self.finetuned not in ("", state.get("finetuned", "")):
            raise InvalidInput(f"{self.folder} holds a run that began with other weights")
        if state.get("optimizer_kind", self.optimizer_kind) != self.optimizer_kind:
            raise InvalidInput(f"{self.folder} holds a run by another optimizer")
        self.optimizer.load_state_dict(state["optimizer"])
        for name in KEPT:
            setattr(self, name, state.get(name, getattr(self, name)))
        self.ema = {name: value.to(self.device) for name, value in self.ema.items()}

    def _read_state(self) -> dict | None:
        path = self.folder / STATE
        if not path.exists():
            return None
        try:
            with zipfile.ZipFile(path) as parts:
                if parts.testzip():  # PyTorch does not look at its own checksums
                    raise OSError("its content is not what was saved")
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever zipfile and PyTorch raise of a damaged file
            raise InvalidInput(
                f"{path} is damaged ({error}); move it away to start anew"
            ) from error

    def _check_same_run(self, state: dict) -> None:
        """Refuse to go on with a run of another recipe or other images."""
        now, before, wrong = asdict(self.recipe), {}, ""
        with suppress(TypeError):
            # By way of its class, so that a field added since takes its default in an old run.
            before = asdict(type(self.recipe)(**state["recipe"]))
        differing = sorted(k for k in before if before[k] != now[k] and k not in LONGER)
        if not before:
            wrong = "of another kind: move it away"
        elif differing:
            wrong = f"with another {', '.join(differing)}; give the same options"
        elif (known := state.get("images", [])) != self.images_mark[: len(known)]:
            has = f"{self.recipe.dataset} has now" if self.recipe.dataset else "those given now"
            wrong = f"on other images than {has}: move it away"
        if wrong:
            raise InvalidInput(f"{self.folder} holds a run {wrong}, or choose another --out")


def _number(name: str, value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"{name}, which watch returns, is no number: {value!r:.60}") from None


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


def mix(seed: int, number: int) -> int:
    """One 63-bit seed from two numbers, without the overlap that adding them would give."""
    return int(np.random.Philox(key=[seed, number]).random_raw() >> 1)


@contextmanager
def _interrupts():
    """Yield a list that Ctrl-C (or SIGTERM) adds to; a second one, a second later, acts as usual.

    One that comes sooner is the same: ``torchrun`` hands on what its processes received as well.
    """
    times = []
    with ExitStack() as before:

        def handle(number, frame):
            now = time.monotonic()
            times.append(now)
            if now - times[0] > AT_ONCE:
                before.close()
                signal.raise_signal(number)

        if threading.current_thread() is threading.main_thread():  # no other may listen to signals
            for number in (signal.SIGINT, signal.SIGTERM):
                before.callback(signal.signal, number, signal.signal(number, handle))
        yield times
