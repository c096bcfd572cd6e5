"""``python -m lab train``: that of ``ddpm_core``, measured on its way."""

from __future__ import annotations

from ddpm_core.commands import train
from ddpm_core.errors import InvalidInput

from . import options


def add(commands) -> None:
    train.add(commands)
    p = commands.choices["train"]
    p.add_argument(
        "--fid",
        action="store_true",
        help="measure the judge distance (see 'evaluate --help') at every validation, 512 samples "
        "against 1,000 held out images",
    )
    options.add_features(p)
    p.set_defaults(run=run)


def run(a) -> None:
    from ..measure.features import feature_net
    from ..measure.watch import fid_watch

    if a.features is not None and not a.fid:
        raise InvalidInput("--features goes with --fid")
    net = None if a.features is None else feature_net(a.features)
    train.run(a, (lambda dataset: fid_watch(dataset, a.data_root, net)) if a.fid else None)
