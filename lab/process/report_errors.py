"""The errors of the report and its code that act at sampling, each to be put back by itself.

Each changes sampling and nothing else: the network was trained without the error. The effect of an
error is looked at and measured, not presumed. One error is not here: the report's code never clips
x̂0 (src/diffusion_model.py), see ``Request.clip``.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise

import numpy as np

from ddpm_core.errors import InvalidInput
from ddpm_core.faults import FAULTS, Fault
from ddpm_core.guidance import GUIDANCE
from ddpm_core.schedules import NoiseSchedule, Schedule

# The repository that the report names (section 2.6). Whatever we say about the report's code is
# about this commit, and names the file.
REPORT_CODE = "czekluk/02456_Group_44_DDPM_Project on GitHub, commit e640d59"
FIRST_BETA = 1e-3
# When alphas_cumprod is off by one, it begins with 1, which divides by 0: this stands for that 1.
ALMOST_ONE = 1 - 1e-8


class OffByOne(Fault):
    """alphas_cumprod leaves out the factor of step t itself (src/schedule.py: alpha_dash).

    The noise level is that of one step earlier, and so are beta and sigma, which the samplers take
    from it.
    """

    def check(self, request, schedule):
        _check_betas("off-by-one", schedule)

    def schedule(self, schedule):
        return _Shifted(schedule.betas, schedule.kind)


class _Shifted(NoiseSchedule):
    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        return np.concatenate([[ALMOST_ONE], np.cumprod(self.alphas)[:-1]])


class FirstBeta(Fault):
    """The first beta is 1e-3 instead of 1e-4 (src/main.py: LinearSchedule(10e-4, 0.02, T))."""

    def check(self, request, schedule):
        if schedule.kind != "linear":
            raise InvalidInput(
                "first-beta (β from 1e-3) is an error of the linear schedule: choose a model that "
                "has one"
            )
        if math.isclose(schedule.betas[0], FIRST_BETA, rel_tol=1e-6):
            raise InvalidInput("first-beta changes nothing: this schedule begins with 1e-3 itself")

    def schedule(self, schedule):
        options = {"start": FIRST_BETA, "end": float(schedule.betas[-1])}
        return NoiseSchedule.make("linear", schedule.num_timesteps, **options)


class MissingRoot(Fault):
    """sigma_t = beta_t (section 1.4) instead of its root: the noise added is too small."""

    def check(self, request, schedule):
        if (request.sampler, request.variance) != ("ddpm", "beta"):
            raise InvalidInput(
                "missing-root (σ without its root) is an error of ddpm with variance beta"
            )
        if request.steps == 1:
            raise InvalidInput("missing-root is an error of the noise added; one step adds none")
        _check_betas("missing-root", schedule)

    def noise(self, noise, schedule, timesteps):
        # DDPM multiplies by sqrt(beta) of the stride; a second sqrt(beta) makes beta.
        pairs = pairwise([*timesteps, -1])
        roots = {t: math.sqrt(1 - schedule.abar(t) / schedule.abar(below)) for t, below in pairs}
        return lambda t: noise(t) * roots[t]


class BatchScale(Fault):
    """The gradient of the mean over the batch: λ is divided by the number of images.

    In src/classifier_guidance/diffusion_model_c.py: class_loss.mean().backward()
    """

    def check(self, request, schedule):
        if not GUIDANCE[request.guidance].classifier:
            raise InvalidInput("batch-scale is an error of classifier guidance")
        if request.n == 1:
            raise InvalidInput("batch-scale divides by the number of images; take more than one")

    def scale(self, scale, images):
        return None if scale is None else scale / images


def _check_betas(error: str, schedule: Schedule) -> None:
    if not isinstance(schedule, NoiseSchedule):
        raise InvalidInput(f"{error} is an error of a schedule of betas, not of straight paths")


REPORT_ERRORS = {
    "off-by-one": OffByOne(),
    "first-beta": FirstBeta(),
    "missing-root": MissingRoot(),
    "batch-scale": BatchScale(),
}
FAULTS |= REPORT_ERRORS
