"""What training writes to metrics/<dataset>/train/: curves of all seeds, one table per figure, and one summary.

DVC draws a figure from one file, so DVCLive writes one table per figure: a row for each seed, epoch and value, which
the templates in .dvc/plots divide into panels. Curves of several seeds are drawn as mean and range. Speed and memory,
which depend on the machine, are curves only, so the summary is the same for every repetition of a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dvclive import Live

from seds.retrieval.metrics import flatten, over_seeds
from seds.retrieval.ranks import Metrics
from seds.training.fitting import Fit
from seds.training.run_state import Values

RECALLS = ("R@1", "R@5", "R@10")
RANKS = ("MedR", "MeanR")
Row = dict[str, str | int | float]


class Curves:
    """The curves of a run of one or several seeds, as they grow: metrics/<dataset>/train/plots/custom/<figure>.json."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)

    def of(self, seed: int, first: bool) -> Callable[[Values], None]:
        """A function that writes an epoch's values, for the run of a seed, which begins. first: whether it is the first
        seed; in the summary that exists while training runs, the others have their values under seeds/<seed>/.
        """
        self._live.step = 0
        prefix = "" if first else f"seeds/{seed}/"

        def write(values: Values) -> None:
            keys: Row = {"seed": seed, "epoch": self._live.step + 1}
            for figure, added in rows(values).items():
                self._rows[figure] += [keys | row for row in added]
                self._live.log_plot(figure, self._rows[figure], x="epoch", y="value")
            for name, value in flatten(values):
                self._live.log_metric(prefix + name, value, plot=False)
            self._live.next_step()

        return write

    def summarise(self, fits: Sequence[Fit]) -> None:
        """Make the summary, metrics.json, that of the epochs that were kept; before, it is that of the last."""
        self._live.summary = summary(fits)
        self._live.make_summary()


def rows(values: Values) -> dict[str, list[Row]]:
    """What each figure shows of an epoch: values with their panel and its position ("place"), or with stream, direction
    and metric. Recall on training sentences is included in epochs that measure it. Raises KeyError for missing values.
    """
    lr, norm, machine = values["lr"], values["gradient_norm"], values["machine"]
    return {
        "loss": _by_panel(values["loss"]),
        "recall": _by_stream(values["dev"], "dev", RECALLS) + _by_stream(values.get("train", {}), "train", RECALLS),
        "ranks": _by_stream(values["dev"], "dev", RANKS),
        "optimiser": _by_panel(
            {
                "learning rate: pose encoder, fusion": lr["encoder_and_fusion"],
                "learning rate: towers": lr["towers"],
                "scale of the similarities": values["scale"],
                "gradient norm: mean of an epoch": norm["mean"],
                "gradient norm: largest of an epoch": norm["max"],
            }
        ),
        "machine": _by_panel(
            {"videos a second": machine["samples_per_s"], "peak memory (GB)": machine["peak_memory_gb"]}
        ),
    }


def _by_panel(values: Mapping[str, float]) -> list[Row]:
    return [{"panel": name, "place": place, "value": value} for place, (name, value) in enumerate(values.items())]


def _by_stream(streams: Metrics, split: str, names: Sequence[str]) -> list[Row]:
    return [
        {"stream": stream, "direction": f"{direction.upper()} on {split}", "metric": name, "value": metrics[name]}
        for stream, directions in streams.items()
        for direction, metrics in directions.items()
        for name in names
    ]


def summary(fits: Sequence[Fit]) -> dict[str, Any]:
    """Metrics of the epoch that was kept, of the first seed; of several seeds also mean and standard deviation."""
    first = fits[0]
    values: dict[str, Any] = {
        "epoch": first.epoch,
        "dev": first.dev,
        "train": first.train,
        "train_last_epoch": first.train_last_epoch,
        "warnings": first.counts,
    }
    if first.pose_weight is not None:
        values["pose_weight"] = first.pose_weight
    if len(fits) > 1:
        of_seeds = {name: over_seeds([getattr(fit, name) for fit in fits]) for name in ("dev", "train")}
        values["seeds"] = {"count": len(fits), **of_seeds}
    return values
