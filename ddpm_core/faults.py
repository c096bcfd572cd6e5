"""Where a run can be made wrong on purpose, to see what an error does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from .schedules import Schedule


class Fault:
    """No error. A subclass changes what its error changes of a run, and nothing else."""

    def check(self, request, schedule: Schedule) -> None:
        """Raise InvalidInput where the error could not act, saying what it acts on."""

    def schedule(self, schedule: Schedule) -> Schedule:
        """The schedule that the run goes by."""
        return schedule

    def noise(
        self, noise: Callable[[int], Tensor], schedule: Schedule, timesteps: Sequence[int]
    ) -> Callable[[int], Tensor]:
        """The noise that the run adds, before the sampler multiplies it by sigma_t."""
        return noise

    def scale(self, scale: float | None, images: int) -> float | None:
        """The guidance scale of each image of a batch of so many."""
        return scale


# By name. A package that knows errors adds them here: those of the report are in ``lab``.
FAULTS: dict[str, Fault] = {"none": Fault()}
