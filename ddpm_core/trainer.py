"""Algorithm 1 of the DDPM paper, with EMA and a resume that is exact.

Everything that happens in step k, its images, timesteps, noise, dropped labels and
dropout, is a function of (seed, k). A run is therefore its last saved state: stopped at any
moment and resumed, it ends with the same weights, bit for bit, as one never stopped (on
the same machine with the same number of threads).
"""

from __future__ import annotations

import csv
import io
import math
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from . import data
from .checkpoints import Config, Model, save
from .diffusion import denoising_loss
from .errors import InvalidInput, check_float, check_int
from .files import write
from .hardware import bf16_is_native, describe
from .recorder import grid, save_png
from .samplers import dpm_solver_pp
from .schedules import spaced_timesteps

STATE = "state.pt"
SAMPLE_TILES = 64


@dataclass(frozen=True)
class Recipe:
    """What to train, and how.

    The defaults are the report's set-up (section 3), with gradient clipping and EMA added.

    Attributes:
        dataset: a key of ``data.DATASETS``.
        model: keyword arguments of ``UNet`` beyond image size, colours and classes.
        schedule: keyword arguments of ``NoiseSchedule.make``.
        prediction_type: ``"epsilon"`` or ``"v_prediction"``.
        conditional: whether the model is told the class.
        p_uncond: probability with which an image's label is dropped (report eq. 12).
        epochs: passes over the training set.
        batch_size: images per step.
        lr: learning rate of Adam after ``warmup`` steps of linear growth.
        decay: ``"cosine"`` lets it fall to 2 % by the end, ``"none"`` keeps it.
        clip_norm: bound on the norm of the gradient.
        ema: decay of the averaged weights, itself warmed up; 0 for none.
        flip: mirror images at random.
        seed: of everything random.
    """

    dataset: str = "mnist"
    model: dict = field(default_factory=dict)
    schedule: dict = field(default_factory=lambda: {"kind": "linear", "num_timesteps": 1000})
    prediction_type: str = "epsilon"
    conditional: bool = False
    p_uncond: float = 0.0
    epochs: float = 30
    batch_size: int = 128
    lr: float = 1e-4
    warmup: int = 0
    decay: str = "none"
    clip_norm: float = 1.0
    ema: float = 0.9995
    flip: bool = False
    seed: int = 0

    def __post_init__(self):
        check_float("p_uncond", self.p_uncond, 0, 1)
        check_float("epochs", self.epochs, 1e-6, 1e6)
        check_int("batch_size", self.batch_size, 1, 65_536)
        check_float("lr", self.lr, 0, 10)
        check_int("warmup", self.warmup, 0, 10**9)
        check_float("ema", self.ema, 0, 0.999999)
        check_float("clip_norm", self.clip_norm, 1e-9, 1e9)
        check_int("seed", self.seed, 0, 2**31)
        if self.decay not in ("none", "cosine"):
            raise InvalidInput(f"decay must be 'none' or 'cosine', not {self.decay!r}")

    def config(self, images: data.Images) -> Config:
        """The checkpoint config of the model that this recipe trains."""
        channels, size = images.pixels.shape[1], images.pixels.shape[-1]
        model = {"image_size": size, "in_channels": channels} | self.model
        if self.conditional:
            model |= {"num_classes": len(images.classes), "null_class": self.p_uncond > 0}
        return Config(
            model=model,
            schedule=self.schedule,
            prediction_type=self.prediction_type,
            dataset=self.dataset,
            classes=list(images.classes) if self.conditional else [],
            preprocessing={"range": [-1, 1], "flip": self.flip},
        )


@dataclass(frozen=True)
class Cadence:
    """How often, in steps, a run looks at itself and saves its state."""

    validate: int = 500
    sample: int = 2000
    save: int = 250


class Trainer:
    """Trains one recipe into one run folder, resuming what is there.

    Args:
        recipe: what to train.
        folder: the run folder: ``state.pt``, ``losses.csv``, ``samples/`` and the
            checkpoint folder ``checkpoint/``.
        data_root: see ``data.data_root``.
        device: for example ``"cpu"`` or ``"cuda"``.
        bf16: autocast to bfloat16; None decides by the hardware's flags.
        quiet: no progress bar.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: str | Path,
        *,
        data_root=None,
        device: str = "cpu",
        bf16: bool | None = None,
        cadence: Cadence = Cadence(),
        quiet: bool = False,
    ):
        self.recipe, self.folder, self.quiet = recipe, Path(folder), quiet
        self.cadence = cadence or Cadence()
        self.device = _usable(device)
        self.bf16 = bf16_is_native(self.device) if bf16 is None else bf16
        self.images = data.load(recipe.dataset, "train", data_root)
        self.validation = Validation(
            data.load(recipe.dataset, "validation", data_root), recipe.seed
        )
        self.config = recipe.config(self.images)
        torch.manual_seed(recipe.seed)
        self.model, self.schedule = self.config.build()
        self.model.to(self.device)
        self.ema = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=recipe.lr, fused=True)
        self.step, self.seconds, self.history = 0, 0.0, []
        self.running = None  # the training loss, smoothed
        self._stop = False
        self.command, self.commit = _command(sys.argv[1:]), _commit()
        if recipe.batch_size > len(self.images):
            raise InvalidInput(f"batch_size {recipe.batch_size} exceeds {len(self.images)} images")
        self.steps_per_epoch = len(self.images) // recipe.batch_size
        self.total_steps = max(1, round(recipe.epochs * self.steps_per_epoch))
        self._resume()

    def run(self) -> None:
        """Train to the end, or to Ctrl-C, which saves the state and returns."""
        started, seconds_before, first = time.monotonic(), self.seconds, self.step
        bar = tqdm(
            total=self.total_steps,
            initial=self.step,
            disable=self.quiet,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 60,
            unit="step",
        )
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
        self._save_state()
        self.export(self.folder / "checkpoint")

    def export(self, folder: Path) -> None:
        """Write the EMA weights as a checkpoint folder."""
        save(folder, self.config, self.ema, self._training(), name=self.folder.name)

    def _train_step(self) -> float:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, self.step, self.total_steps)
        x0, labels = self.images.batch(self._indices())
        torch.manual_seed(_mix(recipe.seed, self.step))
        t = torch.randint(0, self.schedule.num_timesteps, (len(x0),))
        noise = torch.randn(x0.shape)
        if recipe.flip:
            x0 = torch.where((torch.rand(len(x0)) < 0.5)[:, None, None, None], x0.flip(-1), x0)
        if not recipe.conditional:
            labels = None
        elif recipe.p_uncond:
            # One coin per image, not one per batch.
            dropped = torch.rand(len(x0)) < recipe.p_uncond
            labels = torch.where(dropped, self.model.null_index, labels)
        self.model.train()
        loss = self._loss(self.model, x0, t, noise, labels).mean()
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

    def _loss(self, model, x0, t, noise, labels) -> Tensor:
        x0, noise = x0.to(self.device), noise.to(self.device)
        t = t.to(self.device)
        labels = None if labels is None else labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return denoising_loss(
                model, self.schedule, x0, t, noise, labels, self.recipe.prediction_type
            )

    def _indices(self) -> Tensor:
        epoch, place = divmod(self.step, self.steps_per_epoch)
        order = np.random.RandomState(_mix(self.recipe.seed, epoch) % 2**32)
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
            model = self._averaged()
            quarters = self.validation.loss_by_quarter(self, model)
            row = {"step": self.step, "images": self.step * self.recipe.batch_size}
            row |= {"seconds": round(self.seconds, 1), "train": round(self.running, 5)}
            row |= {"validation": round(float(np.mean(quarters)), 5)}
            self.history.append(row | {f"t{i}": round(q, 5) for i, q in enumerate(quarters, 1)})
        if self.step % self.cadence.sample == 0 or at_end:
            self._guarded(self._write_samples)
        if self.step % self.cadence.save == 0 or at_end:
            self._guarded(self._save_state)

    def _averaged(self):
        model, _ = self.config.build()
        model.load_state_dict(self.ema)
        return model.to(self.device).eval()

    def _write_samples(self) -> None:
        model = Model(self.folder.name, self.config, self._averaged(), self.schedule, {})
        noise = model.noise(self.recipe.seed, range(SAMPLE_TILES))
        classes = len(model.classes)
        labels = [i % classes for i in range(SAMPLE_TILES)] if classes else None
        timesteps = spaced_timesteps(self.schedule, min(20, self.schedule.num_timesteps))
        start = noise(self.schedule.num_timesteps).to(self.device)
        for step in dpm_solver_pp(model.denoiser(labels), self.schedule, start, timesteps):
            pass
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        save_png(grid(data.to_uint8(step.x)), self.folder / "samples" / f"{self.step:07d}.png")
        self.export(self.folder / "checkpoint")

    def _guarded(self, write) -> None:
        """A disk that fills up must not end hours of training: say so and go on."""
        try:
            write()
        except OSError as error:
            tqdm.write(f"step {self.step}: not saved ({error}); the last saved state is intact")

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
            "command": self.command,
            "commit": self.commit,
        }
        # Serialised in memory first: on a full disk, writing bytes fails as an OSError.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write(self.folder / STATE, buffer.getvalue())
        if self.history:
            table = io.StringIO()
            writer = csv.DictWriter(table, self.history[0], lineterminator="\n")
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
        # By way of Recipe, so that a field added since takes its default in an old run.
        before, now = asdict(Recipe(**state["recipe"])), asdict(self.recipe)
        differing = [k for k in now if before[k] != now[k] and k != "epochs"]
        if differing:
            raise InvalidInput(
                f"{self.folder} holds a run with another {', '.join(differing)}; "
                "choose another --out or the same options"
            )
        self.model.load_state_dict(state["model"])
        self.ema = state["ema"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.command, self.commit = (
            state.get("command", self.command),
            state.get("commit", self.commit),
        )
        self.history, self.running = state["history"], state.get("running")

    def _training(self) -> dict:
        """How these weights came to be, for ``training.json`` and the card."""
        return {
            "recipe": asdict(self.recipe),
            "command": self.command,
            "commit": self.commit,
            "steps": self.step,
            "images": self.step * self.recipe.batch_size,
            "training_set": len(self.images),
            "hours": round(self.seconds / 3600, 2),
            "hardware": describe(self.device),
            "precision": "bfloat16 autocast" if self.bf16 else "float32",
            "weights": f"EMA, decay {self.recipe.ema}",
            "history": self.history,
        }

    def _request_stop(self) -> None:
        self._stop = True


class Validation:
    """The loss on fixed images, fixed timesteps and fixed noise, so that runs compare."""

    def __init__(self, images: data.Images, seed: int, count: int = 1024):
        generator = torch.Generator().manual_seed(seed)
        count = min(count, len(images))
        self.x0, self.labels = images.batch(torch.arange(count))
        self.noise = torch.randn(self.x0.shape, generator=generator)
        # Evenly over t, and in random order so that no class meets one t only.
        self.place = torch.randperm(count, generator=generator)

    @torch.no_grad()
    def loss_by_quarter(self, trainer: Trainer, model) -> list[float]:
        """Mean loss for t in each quarter of [0, T), the least noise first."""
        t = self.place * trainer.schedule.num_timesteps // len(self.place)
        labels = self.labels if trainer.recipe.conditional else None
        losses = [
            trainer._loss(
                model, self.x0[i], t[i], self.noise[i], None if labels is None else labels[i]
            )
            for i in torch.arange(len(t)).split(256)
        ]
        losses = torch.cat(losses).cpu()
        # By place, not by t: no quarter is empty, however small T is.
        quarter = self.place * 4 // len(self.place)
        return [float(losses[quarter == q].mean()) for q in range(4)]


def learning_rate(recipe: Recipe, step: int, total_steps: int) -> float:
    """Linear warm-up, then constant or a quarter cosine down to 2 %."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    if recipe.decay == "none":
        return recipe.lr
    progress = (step - recipe.warmup) / max(1, total_steps - recipe.warmup)
    return recipe.lr * (0.02 + 0.98 * math.cos(progress * math.pi / 2))


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InvalidInput(f"device {device!r} cannot be used: {error}") from None


def _mix(seed: int, number: int) -> int:
    """One 63-bit seed from two numbers, without the overlap that adding them would give."""
    return int(np.random.Philox(key=[seed, number]).random_raw() >> 1)


def _command(words: list[str]) -> str:
    """The command as anyone may repeat it: where the data lay is nobody else's concern."""
    if "--data-root" in words:
        place = words.index("--data-root")
        words = words[:place] + words[place + 2 :]
    return "python -m ddpm_core " + shlex.join(words)


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
