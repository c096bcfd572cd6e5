"""One step's part of the variational bound, and the loss by which a network learns its variance.

L_(t-1) is the divergence between the true way back and the model's; L_0 is the cost of the image's
256 levels given x_1 (DDPM eq. 5 and section 3.3; report eq. 8 and 9). Rows of the tables are
0-based: what is called L_0 there is the row t = 0 here.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .diffusion import PREDICTION_TYPES, at, denoising_loss, x0_from_eps
from .samplers import SHARES
from .schedules import Schedule

# Half the distance between two of the 256 levels in [-1, 1]; beyond the end levels, everything.
HALF_LEVEL = 1 / 255
# As in DDPM: no level is held to be less likely than this.
LEAST = 1e-12
# Weight of the whole bound in the loss (Nichol and Dhariwal 2021, eq. 16).
WEIGHT = 0.001


def step_bits(
    schedule: Schedule,
    x0: Tensor,
    x: Tensor,
    t: int | Tensor,
    eps: Tensor,
    variance: float | Tensor = SHARES["beta"],
    clip: bool = True,
) -> Tensor:
    """L_(t-1), or L_0 at t = 0, given the noise predicted at x_t.

    Args:
        x0, x, eps: (B, ...), of one dtype; x is x_t.
        t: one timestep for all, or (B,).
        variance: the share of ln beta_t in the logarithm of the model's variance, see
            ``samplers.SHARES``; one for all, or (B, ...). The posterior's variance is 0 at t = 0;
            that of t = 1 is taken there.
        clip: clamp the predicted image to [-1, 1].

    Returns:
        (B,), bits per dimension.
    """
    guess = x0_from_eps(schedule, x, t, eps)
    guess = guess.clamp(-1, 1) if clip else guess
    betas, posterior = schedule.betas.copy(), schedule.posterior_variance.copy()
    # T = 1 has no other step to take it from.
    posterior[0] = posterior[min(1, len(posterior) - 1)] or betas[0]
    beta, true2 = at(betas, t, x), at(posterior, t, x)
    sigma2 = beta * (true2 / beta) ** (1 - variance)
    # How far the mean of q(x_(t-1) | x_t, x_0) moves with x_0 (DDPM eq. 7).
    pull = at(np.append(1.0, schedule.signals[:-1]) * betas / schedule.sigmas**2, t, x)
    apart = (pull * (x0 - guess)).square()
    nats = 0.5 * ((sigma2 / true2).log() + true2 / sigma2 - 1 + apart / sigma2)
    # At t = 0 the mean of the model's x_0 is x̂0 itself.
    levels = _discretised(x0, guess, sigma2.sqrt())
    first = torch.as_tensor(t, device=x.device).expand(len(x)) == 0
    return torch.where(first, levels, nats.flatten(1).mean(1) / math.log(2))


def hybrid_loss(
    model,
    schedule: Schedule,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    labels: Tensor | None = None,
    prediction_type: str = "epsilon",
) -> Tensor:
    """L_hybrid of a model that also predicts the variance, (B,): ``denoising_loss``, plus 0.001 of
    the bound in bits per dimension (Nichol and Dhariwal 2021, section 3.1).

    Arguments as for ``denoising_loss``. Only the variance learns from the bound. The predicted
    image is clipped there, as the samplers do it; the paper does not clip it.
    """
    outputs = []

    def once(x, t, labels):
        outputs.append((x, *model(x, t, labels).chunk(2, dim=1)))
        return outputs[0][1]

    simple = denoising_loss(once, schedule, x0, t, noise, labels, prediction_type)
    x, output, variance = outputs[0]
    eps = PREDICTION_TYPES[prediction_type].eps(schedule, x, t, output.detach().float())
    bits = step_bits(schedule, x0, x, t, eps, (variance.float() + 1) / 2)
    # One t stands for all T of them.
    return simple + WEIGHT * schedule.num_timesteps * bits


def _discretised(x0: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """-log2 of the probability of each of the 256 levels, the ends open (DDPM eq. 13)."""
    above = ((x0 + HALF_LEVEL - mean) / sigma).masked_fill(x0 > 1 - HALF_LEVEL, math.inf)
    below = ((x0 - HALF_LEVEL - mean) / sigma).masked_fill(x0 < -1 + HALF_LEVEL, -math.inf)
    # Both from the tail they lie in: near 1 their difference would be lost.
    flipped = below > 0
    above, below = torch.where(flipped, -below, above), torch.where(flipped, -above, below)
    share = torch.special.ndtr(above) - torch.special.ndtr(below)
    return -share.clamp_min(LEAST).log2().flatten(1).mean(1)
