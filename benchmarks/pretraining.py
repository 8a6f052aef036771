"""What pretraining on keypoints gives when few sentences have text: recall on test, with and without, in one picture.

    python benchmarks/pretraining.py run --project /a/repository/with/the/demo --output results.json
    python benchmarks/pretraining.py draw results.json docs/pretraining.png

All videos of the demo's training split keep their keypoints; of all but so many sentences, drawn by the seed, the text
is taken away, which makes them rows without text in the manifest. Sentences and initialisation change with the seed,
the pretraining is the same. A result is added to the file as soon as it is there, and what is in it is not run again.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from seds.config import load_params
from seds.data.split import load_split
from seds.model import checkpoint
from seds.training.loop import retrieval_metrics
from stages import pretrain, train

NAME = "demo"
SENTENCES, SEEDS, METHODS = (30, 60, 120, 300), (42, 43, 44), ("none", "masked")
COLOURS = {"fusion": "#0b5fa5", "pose": "#b8480a", "rgb": "#00795a"}
LABELS = {"none": "from random weights", "masked": "pretrained"}
METRICS, TEST = ("R@1", "R@10"), 60  # of so many sentences


def write_project(folder: Path, project: Path, streams: str, sentences: int, method: str, seed: int) -> None:
    """A folder that stages run in, with the extracted demo of another one and fewer texts."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data" / "manifest").mkdir(parents=True)
    for kind in ("pose", "rgb"):
        (folder / "data" / kind).symlink_to((project / "data" / kind).resolve())
    table = pd.read_parquet(project / "data" / "manifest" / f"{NAME}.parquet")
    ids = table.loc[table["usable"] & (table["split"] == "train"), "sentence_id"].unique()
    kept = set(np.random.default_rng(seed).permutation(ids)[:sentences])
    silent = (table["split"] == "train") & ~table["sentence_id"].isin(kept) & table["usable"]
    table.loc[silent, ["text", "usable", "reason"]] = ["", False, "no text"]
    table.to_parquet(folder / "data" / "manifest" / f"{NAME}.parquet")
    params = YAML(typ="safe").load(Path(__file__).parents[1] / "params.yaml")
    params["datasets"] = {NAME: {"corpus": "demo", "profile": "small"}}
    params["machine"]["device"], params["seed"] = "cpu", seed
    params["pretrain"]["small"]["method"] = method
    params["train"]["small"]["model"]["streams"] = streams
    YAML(typ="safe").dump(params, folder / "params.yaml")


def measure() -> dict[str, Any]:
    """Pretrain, train and measure the project of the working directory: {stream: {direction: metrics}}."""
    pretrain.main(NAME)
    train.main(NAME)
    params = load_params()
    model = checkpoint.load(Path("models") / NAME)
    test = load_split(NAME, "test", params.rules(NAME), model.sizes, model.numerics)
    return retrieval_metrics(model, test)


def run(project: Path, output: Path, work: Path, streams: str, seeds: Sequence[int]) -> None:
    results = json.loads(output.read_text()) if output.is_file() else []
    done = {(row["streams"], row["sentences"], row["method"], row["seed"]) for row in results}
    project, work, output = project.resolve(), work.resolve(), output.resolve()
    for sentences in SENTENCES:
        for seed in seeds:
            for method in METHODS:
                if (streams, sentences, method, seed) in done:
                    continue
                write_project(work, project, streams, sentences, method, seed)
                with chdir(work):
                    metrics = measure()
                row = {"streams": streams, "sentences": sentences, "method": method, "seed": seed}
                results.append(row | {"test": metrics})
                output.write_text(json.dumps(results, indent=1))


def table_of(path: Path) -> pd.DataFrame:
    """streams, sentences, method, seed, stream, direction, METRICS in percent."""
    return pd.DataFrame(
        {
            "stream": stream,
            "direction": direction.upper(),
            **{metric: metrics[metric] for metric in METRICS},
            **{key: row[key] for key in ("streams", "sentences", "method", "seed")},
        }
        for row in json.loads(path.read_text())
        for stream, directions in row["test"].items()
        for direction, metrics in directions.items()
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    streams = [name for name in COLOURS if name in set(table["stream"])]
    sentences = sorted(table["sentences"].unique())
    figure, grid = plt.subplots(2, 2, figsize=(10, 7), sharex=True, sharey="row", layout="constrained")
    for axes, metric in zip(grid, METRICS, strict=True):
        for axis, direction in zip(axes, ("T2V", "V2T"), strict=True):
            own = table[table["direction"] == direction].set_index(["stream", "method"]).sort_index()
            for stream in streams:
                for method, dash in zip(METHODS, ("--", "-"), strict=True):
                    values = own.loc[[(stream, method)]].groupby("sentences")[metric].agg(["mean", "min", "max"])
                    look = {"color": COLOURS[stream], "label": f"{stream}, {LABELS[method]}"}
                    axis.plot(values.index, values["mean"], dash, marker="o", ms=4, **look)
                    axis.fill_between(
                        values.index, values["min"], values["max"], color=COLOURS[stream], alpha=0.12, lw=0
                    )
            axis.axhline(100 * int(metric[2:]) / TEST, color="#666666", lw=1, ls=":", label="chance")
            axis.set_xscale("log", base=2)
            axis.set_xticks(sentences, [str(count) for count in sentences])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
            axis.set_ylim(0, 100)
        axes[0].set_ylabel(f"{metric} on test (%)")
    for axis, direction in zip(grid[0], ("T2V", "V2T"), strict=True):
        axis.set_title(direction, fontsize=11)
    for axis in grid[1]:
        axis.set_xlabel("training sentences with text")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train and measure what is not in the file yet")
    running.add_argument(
        "--project", type=Path, required=True, help="with data/pose, data/rgb and data/manifest of demo"
    )
    running.add_argument("--output", type=Path, required=True)
    running.add_argument("--work", type=Path, default=Path("work/pretraining"))
    running.add_argument("--streams", choices=("both", "pose"), default="both", help="pose: a model of keypoints alone")
    running.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    drawing = commands.add_parser("draw", help="draw the picture and print the table")
    drawing.add_argument("results", type=Path)
    drawing.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.project, arguments.output, arguments.work, arguments.streams, arguments.seeds)
        return
    table = table_of(arguments.results)
    draw(table, arguments.picture)
    keys = ["stream", "sentences", "method", "direction"]
    print(table.groupby(keys)[[*METRICS]].agg(["mean", "min", "max", "count"]).round(1).to_string())


if __name__ == "__main__":
    main()
