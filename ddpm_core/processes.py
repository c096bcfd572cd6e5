"""Several processes, as ``torchrun`` starts them, share one job: each takes a part. In a single
process all of this does nothing."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from .hardware import find_device


def join(device: torch.device) -> None:
    """Meet the others that ``torchrun`` started, by NCCL where tensors lie on CUDA, else by gloo.

    On CUDA each process of a machine takes a device of its own.

    Raises:
        InvalidInput: if there are fewer of them than processes.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or _joined():
        return
    if device.type == "cuda":
        torch.cuda.set_device(find_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}"))
    # One may sample for hours while the others wait for it.
    patience = timedelta(days=7)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=patience)
    dist.barrier()  # else one that fails at once hangs up while others still connect
    atexit.register(dist.destroy_process_group)


def count() -> int:
    """How many processes have met."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """The number of this process; the first, 0, is the one that writes and prints."""
    return dist.get_rank() if _joined() else int(os.environ.get("RANK", 0))


def part(n: int) -> slice:
    """Which of n things are this process's."""
    return slice(rank() * n // count(), (rank() + 1) * n // count())


@contextmanager
def first_of_each_machine() -> Iterator[None]:
    """What stands within is done by the first process of a machine, and then by its others: what
    the first one downloads is there for them."""
    is_first = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if count() > 1 and not is_first:
        dist.barrier()
    yield
    if count() > 1 and is_first:
        dist.barrier()


def split(n: int, size: int) -> list[Tensor]:
    """This process's part of n things in batches of their numbers; none is empty."""
    own = torch.arange(n)[part(n)]
    return [*own.split(size)] if len(own) else []


def add_up(tensors: Sequence[Tensor], weight: float = 1.0) -> None:
    """Replace tensors of one dtype by their sums over all processes, each times its weight: the
    same bits in every process."""
    if count() == 1:
        return
    whole = weight * torch.cat([tensor.flatten() for tensor in tensors])
    whole = whole.cuda() if dist.get_backend() == "nccl" else whole.cpu()
    dist.all_reduce(whole)
    for tensor, summed in zip(tensors, whole.split([v.numel() for v in tensors]), strict=True):
        tensor.copy_(summed.view_as(tensor))


def any_of(flag: bool) -> bool:
    """Whether ``flag`` is true in any process."""
    if count() == 1:
        return flag
    total = torch.tensor(float(flag))
    add_up([total])
    return bool(total)


def wait() -> None:
    """Go on once all processes have come here."""
    any_of(False)


def of_the_first(value):
    """The ``value`` of the first process, for which the others wait."""
    values = [value]
    if count() > 1:
        dist.broadcast_object_list(values)
    return values[0]


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()
