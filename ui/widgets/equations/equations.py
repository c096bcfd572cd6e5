"""The report's fourteen equations, typeset, each symbol named and with the numbers of a step.

A `Card` stands beside the stage whose cursor it follows, folded until a visitor unfolds one; then
all are open, at the next visit too. Its value carries the numbers of a whole schedule, computed
here by the core's tables. From then on the browser only looks them up, so that an equation follows
the timeline without a request.

Times are the report's: row t of a table belongs to its step t, and row 0 to the clean image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ddpm_core import Model, Request
from ddpm_core.diffusion import PREDICTION_TYPES
from ddpm_core.schedules import NoiseSchedule, Schedule
from lab.process.trace import Trace

from ...glossary import explained
from ...runs.runs import Studio
from .. import component
from ..component import packed
from . import typeset

METHODS = {"cfg": (12, 13, 14), "classifier": (11,)}  # the equations of each method
GUIDED = tuple(sorted(n for numbers in METHODS.values() for n in numbers))
# These hold at t = 0 too, where nothing is left to reverse.
FORWARD = (1, 2, 3, 4, 5)
# These are of a schedule of betas; straight paths have others.
OF_BETAS = range(1, 10)
# Notes on the variance of eq. 7 in a run of DDPM, if it is not the report's.
TAKEN = {
    "posterior": "This run takes the posterior’s variance for /σ/_t².",
    "learned": "This run’s /σ/_t² was learned: the network sets it pixel by pixel, mostly between "
    "the posterior’s and /β/_t, which is the number here.",
}


class Card(component.Component):
    """Some of the equations, with the numbers of the step that a player's cursor stands on.

    Its value is built by `of`.
    """

    def __init__(self, studio: Studio, tab: str, numbers: Sequence[int], **props: Any):
        """
        Parameters:
            tab: it follows the cursor of this tab's stage.
            numbers: the equations, out of 1 to 14.
        """
        self.numbers = list(numbers)
        super().__init__(
            self.of(studio.model(studio.names()[0])),  # what a newcomer sees
            options={
                "player": f"{tab}-stage",
                "least": 0 if set(numbers) <= set(FORWARD) else 1,
                "markup": "".join(typeset.markup(n) for n in numbers),
            },
            elem_classes=["equations-block"],
            elem_id=f"{tab}-equations",
            **props,
        )

    def of(
        self, model: Model, requests: Sequence[Request] = (), trace: Trace | None = None
    ) -> dict[str, Any]:
        """The card's value for a model, and for a run of it if there is one.

        Parameters:
            requests: those of the run, one for each row of its images.
            trace: what guidance did in it, of all its rows.
        """
        first = requests[0] if requests else None
        values = tables(model.schedule, first.variance if first else "beta")
        untrue = () if isinstance(model.schedule, NoiseSchedule) else OF_BETAS
        needed = {name for n in self.numbers for name in typeset.numbers(n)}
        return {
            "kind": "equations",
            "shown": [n for n in self.numbers if n not in untrue and _applies(n, requests)],
            "T": model.schedule.num_timesteps,
            "tables": {name: packed(a) for name, a in values.items() if name in needed},
            "facts": {k: v for k, v in _facts(model, requests).items() if k in needed},
            "rows": _rows(requests, trace) if set(self.numbers) & set(GUIDED) else [],
            "indices": list(trace.indices) if trace else [],
            "notes": [explained(typeset.words(n)) for n in _notes(self.numbers, model, requests)],
        }


def tables(schedule: Schedule, variance: str = "beta") -> dict[str, np.ndarray]:
    """Every number that an equation has at t, each (T + 1,).

    At 0 the numbers of the forward process are those of a step that adds nothing; others are NaN.
    ``variance`` changes `sigma2` alone: the weight of eq. 9 is the report's, with beta_t.
    """
    beta, alpha = schedule.betas, schedule.alphas
    abar = np.array([schedule.abar(t) for t in range(schedule.num_timesteps)])
    sigma2 = schedule.posterior_variance if variance == "posterior" else beta
    steps = {
        # The mean of eq. 7: mean_x x_t - mean_eps eps (DDPM, Algorithm 2).
        "mean_x": 1 / np.sqrt(alpha),
        "mean_eps": beta / np.sqrt(alpha * (1 - abar)),
        "sigma2": sigma2,
        "weight": beta**2 / (2 * beta * alpha * (1 - abar)),  # eq. 9
        "log_snr": schedule.log_snr,
    }
    values = {name: np.concatenate([[np.nan], a]) for name, a in steps.items()}
    beta, alpha = np.concatenate([[0.0], beta]), np.concatenate([[1.0], alpha])
    abar = np.concatenate([[1.0], abar])
    return values | {
        "beta": beta,
        "alpha": alpha,
        "keep": np.sqrt(alpha),
        "add": np.sqrt(beta),
        "abar": abar,
        "rest": 1 - abar,
        "signal": np.sqrt(abar),
        "noise": np.sqrt(1 - abar),
    }


def _applies(number: int, requests: Sequence[Request]) -> bool:
    if number not in GUIDED or not requests:
        return True
    kinds = {r.guidance for r in requests} - {"none"}
    return any(number in METHODS["cfg" if kind == "cfg" else "classifier"] for kind in kinds)


def _facts(model: Model, requests: Sequence[Request]) -> dict[str, Any]:
    """Numbers that do not change from step to step; one that is not known is left out."""
    facts: dict[str, Any] = {}
    recipe, history = model.training.get("recipe", {}), model.training.get("history", [])
    if model.classes and recipe.get("p_uncond"):
        facts["p_uncond"] = float(recipe["p_uncond"])
    if history and "validation" in history[-1]:
        last = history[-1]
        facts["loss"] = float(last["validation"])
        facts["loss_here"] = [float(last[f"t{i}"]) for i in range(1, 5) if f"t{i}" in last]
    for request in requests:
        if request.guidance != "none" and request.guidance_scale is not None:
            name = "s" if request.guidance == "cfg" else "lam"
            facts.setdefault(name, float(request.guidance_scale))
    return facts


def _rows(requests: Sequence[Request], trace: Trace | None) -> list[dict[str, Any]]:
    """What guidance did in each guided row: (steps, images) of strength and norms."""
    rows, place = [], 0
    for request in requests:
        tiles = slice(place, place + request.n)
        if request.guidance != "none" and trace is not None and trace.indices:
            arrays = {"strength": trace.strength, "eps": trace.eps_norm, "push": trace.push_norm}
            rows.append(
                {
                    "method": "cfg" if request.guidance == "cfg" else "classifier",
                    "first": place,
                    "n": request.n,
                    "numbers": {name: packed(a[:, tiles]) for name, a in arrays.items()},
                }
            )
        place += request.n
    return rows


def _notes(numbers: Sequence[int], model: Model, requests: Sequence[Request]) -> list[str]:
    """Notes without which a number would mislead."""
    notes, first = [], requests[0] if requests else None
    total = model.schedule.num_timesteps
    if 7 in numbers:
        notes.append(
            "/σ/_t² = /β/_t, as [[the report]]’s section 1.2 has it; its 1.4 says /σ/_t = /β/_t, "
            "which is corrected here."
        )
        if first and first.sampler == "ddpm" and first.variance != "beta":
            notes[-1] = TAKEN[first.variance]
        if first and first.sampler != "ddpm":
            notes.append("The numbers are DDPM’s; this run’s sampler takes another way.")
        elif first and first.steps < total:
            notes.append(
                f"The numbers are the schedule’s at /t/; this run strides, {first.steps:,} "
                f"steps for {total:,}."
            )
    if first and first.fault != "none":
        notes.append(
            "This run has an error of [[the report]] put back; the numbers are without it."
        )
    learned = PREDICTION_TYPES[model.config.prediction_type].symbol
    if 10 in numbers and learned != "ε":
        notes.append(
            f"This network learned /{learned}/ by the same squared error, and its losses here are "
            f"of /{learned}/; ε follows from it."
        )
    forms = [r.form for r in requests if r.guidance not in ("none", "cfg")]
    if 11 in numbers and forms[:1] == ["scaled"]:
        notes.append("This run multiplies /λ/ by √(1 − /ᾱ/_t), see the anatomy.")
    return notes
