"""What training leaves for `dvc plots` and `dvc metrics`: the curves of each seed by DVCLive, and one summary.

What depends on the clock and the machine, speed and memory, is a curve only: the summary is the same whenever the run
is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dvclive import Live

from seds.metrics import over_seeds
from seds.run_state import Values
from seds.training import Fit


def writer(live: Live, seed: int | None) -> Callable[[Values], None]:
    """Writes an epoch of a run that begins. seed: of a model beside the first, whose curves are seeds/<seed>/...; None
    = the first, whose curves have plain names.
    """
    prefix = "" if seed is None else f"seeds/{seed}/"
    live.step = 0

    def write(values: Values) -> None:
        for name, value in flat(values, prefix):
            live.log_metric(name, value)
        live.next_step()

    return write


def flat(values: Values, prefix: str = "") -> Iterator[tuple[str, float]]:
    """("dev/fusion/t2v/R@1", 50.0), ... of nested metrics."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def summary(fits: Sequence[Fit]) -> dict[str, Any]:
    """The first seed's epoch that was kept; of several seeds also mean and standard deviation."""
    first = fits[0]
    values: dict[str, Any] = {
        "epoch": first.epoch,
        "dev": first.dev,
        "learnt": first.learnt,
        "learnt_last_epoch": first.learnt_last,
        "warnings": first.counts,
    }
    if len(fits) > 1:
        of_seeds = {name: over_seeds([getattr(fit, name) for fit in fits]) for name in ("dev", "learnt")}
        values["seeds"] = {"count": len(fits), **of_seeds}
    return values
