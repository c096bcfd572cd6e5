"""ddpm_core: denoising diffusion models, small enough to trust and to change.

from ddpm_core import Request, load, sample
digits = sample(load("mnist-conditional"), Request(n=64, label=3))  # uint8, (n, H, W, C)
"""

from .checkpoints import Model, available, load
from .denoiser import Denoiser, Prediction
from .errors import CheckpointError, DataError, InvalidInput
from .noise import Noise
from .recorder import Film, grid, save_gif, save_png, strip
from .samplers import SAMPLERS, Step, ddim, ddpm, dpm_solver_pp
from .sampling import Request, Run, film, sample
from .schedules import NoiseSchedule, spaced_timesteps
from .unet import UNet

__all__ = [
    "SAMPLERS",
    "CheckpointError",
    "DataError",
    "Denoiser",
    "Film",
    "InvalidInput",
    "Model",
    "Noise",
    "NoiseSchedule",
    "Prediction",
    "Request",
    "Run",
    "Step",
    "UNet",
    "available",
    "ddim",
    "ddpm",
    "dpm_solver_pp",
    "film",
    "grid",
    "load",
    "sample",
    "save_gif",
    "save_png",
    "spaced_timesteps",
    "strip",
]
