"""A bar for measurements that tell their ``Progress``."""

from __future__ import annotations

from collections.abc import Iterable


def followed(steps: Iterable):
    """The result of a measurement, the last that it yields, with a bar while it lasts."""
    from tqdm import tqdm

    from ..progress import Progress

    found, part = None, None
    with tqdm(leave=False, delay=0.5) as bar:
        for found in steps:
            if isinstance(found, Progress):
                if found.what != part:
                    part = found.what
                    bar.set_description(part)
                    bar.reset(found.total)
                bar.update(found.done - bar.n)
    return found
