"""ddpm_core: denoising diffusion models, small enough to trust and to change.

from ddpm_core import Request, load, sample
digits = sample(load("mnist-conditional"), Request(n=64, label=3))  # uint8, (n, H, W, C)
"""

__version__ = "0.1.0"

# ruff: noqa: F401 (``__all__`` is told in words)
from .animation import read_note, save_animation, save_film, save_gif, save_png
from .checkpoints import available, available_classifiers, load, load_classifier, save
from .classifier import Classifier
from .data import Images
from .denoiser import Denoiser, Prediction
from .diffusion import denoising_loss
from .errors import CheckpointError, DataError, InvalidInput
from .guidance import ClassifierFree, ClassifierGuided, SideBySide, Strength
from .model import Model
from .noise import Noise
from .recorder import Film, grid
from .request import Request
from .samplers import SAMPLERS, Step, ddim, ddpm, dpm_solver_pp, heun
from .sampling import Run, branch, film, sample
from .schedules import NoiseSchedule, spaced_timesteps
from .trainer import Recipe, Trainer
from .unet import UNet

__all__ = """
    SAMPLERS CheckpointError Classifier ClassifierFree ClassifierGuided DataError Denoiser Film
    Images InvalidInput Model Noise NoiseSchedule Prediction Recipe Request Run SideBySide Step
    Strength Trainer UNet available available_classifiers branch ddim ddpm denoising_loss
    dpm_solver_pp film grid heun load load_classifier read_note sample save save_animation save_film
    save_gif save_png spaced_timesteps
""".split()
