"""How fast training sentences are learned: R@1 among themselves and on dev, by epoch, for several runs in one picture.

    dvc exp run -n matching    -S 'active=[how2sign]' -S 'train.seeds=[42,43,44]' -S train.eval_train_every=2
    dvc exp run -n no-matching -S 'active=[how2sign]' -S 'train.seeds=[42,43,44]' -S train.eval_train_every=2 \
        -S train.losses.match_weight=0
    python benchmarks/learning_curves.py how2sign matching "without matching=no-matching" \
        --output docs/how2sign_learning.png

A run is a revision or the name of an experiment, with a label before it if that is not to be its name; its curves come
from DVC. A colour is a stream, a dash a run; the line is the mean of the seeds and the band reaches from the lowest to
the highest. The last values are printed as well.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from dvc.api import DVCFileSystem

COLOURS = {"fusion": "#0b5fa5", "pose": "#b8480a", "rgb": "#00795a"}
DASHES = ("-", "--", ":", "-.")
SPLITS = ("train", "dev")
DIRECTIONS = ("T2V", "V2T")


def curves(dataset: str, run: str) -> pd.DataFrame:
    """run, seed, epoch, stream, direction ("T2V on dev"), metric, value. run: "label=revision" or a revision alone."""
    label, revision = run.split("=", 1) if "=" in run else (run, run)
    path = f"metrics/{dataset}/train/plots/custom/recall.json"
    table = pd.DataFrame(json.loads(DVCFileSystem(rev=revision).read_text(path)))
    table = table[table["metric"] == "R@1"].assign(run=label)
    if not table["direction"].str.endswith("train").any():
        raise SystemExit(f"{revision} did not rank the training sentences while it ran: -S train.eval_train_every=2")
    return table


def draw(table: pd.DataFrame, path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), sharex=True, sharey=True, layout="constrained")
    for row, split in zip(axes, SPLITS, strict=True):
        for axis, direction in zip(row, DIRECTIONS, strict=True):
            own = table[table["direction"] == f"{direction} on {split}"]
            for dash, (run, of_run) in zip(DASHES, own.groupby("run", sort=False), strict=False):
                for stream, values in of_run.groupby("stream", sort=False):
                    by_epoch = values.groupby("epoch")["value"].agg(["mean", "min", "max"])
                    colour = COLOURS[str(stream)]
                    axis.plot(by_epoch.index, by_epoch["mean"], dash, color=colour, label=f"{stream}, {run}")
                    axis.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=colour, alpha=0.12, lw=0)
            axis.set_title(f"{direction}, {split}", fontsize=11)
            axis.grid(alpha=0.3)
            axis.set_ylim(0, 100)
    for axis in axes[:, 0]:
        axis.set_ylabel("R@1 (%)")
    for axis in axes[1]:
        axis.set_xlabel("epoch")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("runs", nargs="+", metavar="[LABEL=]REVISION")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    table = pd.concat([curves(arguments.dataset, run) for run in arguments.runs], ignore_index=True)
    draw(table, arguments.output)
    keys = ["run", "direction", "stream"]
    last = table[table["epoch"] == table.groupby(keys)["epoch"].transform("max")]
    summary = last.groupby(keys, sort=False)["value"].agg(["mean", "std", "min", "max", "count"])
    print("R@1 after the last epoch, over the seeds", summary.round(1).to_string(), sep="\n")


if __name__ == "__main__":
    main()
