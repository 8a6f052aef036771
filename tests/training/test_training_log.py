"""Curves of training: what is written of an epoch, and that the figures of dvc.yaml find in it what they draw."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvclive import Live
from ruamel.yaml import YAML

from seds.retrieval.metrics import METRICS
from seds.training.log import Curves, rows

ROOT = Path(__file__).parents[2]
FOLDER = "metrics/${key}/train/plots/custom"
TRAIN = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["train"]["do"]
PLOTS = {Path(name).stem: options for entry in TRAIN["plots"] for name, options in entry.items()}
# What draws a figure's file, whether DVC does so unasked or by `dvc plots show FILE --template ... -x epoch -y value`.
TEMPLATES = {
    "loss": "curves",
    "recall": "stream_curves",
    "ranks": "stream_curves",
    "optimiser": "curves",
    "machine": "curves",
}


def retrieval(first: float) -> dict[str, Any]:
    """Metrics of two streams, all of them different."""
    return {
        stream: {d: {name: first + 100 * i + 10 * j + k for k, name in enumerate(METRICS)} for j, d in enumerate(both)}
        for i, (stream, both) in enumerate({"fusion": ("t2v", "v2t"), "pose": ("t2v", "v2t")}.items())
    }


def epoch(first: float, eval_train: bool = False) -> dict[str, Any]:
    return {
        "loss": {"total": first + 3, "fusion": first + 1, "pose": first + 2},
        "lr": {"towers": 1e-5, "encoder_and_fusion": 1e-4},
        "gradient_norm": {"mean": first, "max": 2 * first},
        "scale": 14.5,
        "dev": retrieval(first),
        "machine": {"samples_per_s": 20.0, "peak_memory_gb": 1.5},
    } | ({"train": retrieval(first + 1000)} if eval_train else {})


def test_every_seed_and_epoch_is_in_every_figure(tmp_path: Path) -> None:
    epochs = {3: [epoch(1), epoch(2, eval_train=True)], 4: [epoch(5)]}
    with Live(str(tmp_path / "live"), dvcyaml=False, save_dvc_exp=False, monitor_system=False) as live:
        curves = Curves(live)
        for seed, values in epochs.items():
            write = curves.of(seed, first=seed == 3)
            for one in values:
                write(one)
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "live/plots/custom").iterdir()}
    assert not (tmp_path / "live/plots/metrics").exists(), "a file a curve, drawn one by one"
    assert written.keys() == TEMPLATES.keys()
    for table in written.values():
        assert {(row["seed"], row["epoch"]) for row in table} == {(3, 1), (3, 2), (4, 1)}
    losses = {(row["seed"], row["epoch"], row["panel"]): row["value"] for row in written["loss"]}
    expected = [(seed, i, one["loss"]) for seed, all_ in epochs.items() for i, one in enumerate(all_, 1)]
    assert losses == {(seed, i, part): value for seed, i, parts in expected for part, value in parts.items()}
    found = {
        (row["seed"], row["epoch"], *row["direction"].split(" on "), row["stream"], row["metric"]): row["value"]
        for row in written["recall"]
    }
    for seed, shown, direction, stream in ((3, "T2V", "t2v", "fusion"), (4, "V2T", "v2t", "pose")):
        for metric in ("R@1", "R@5", "R@10"):
            assert found[seed, 1, shown, "dev", stream, metric] == epochs[seed][0]["dev"][stream][direction][metric]
    on_train = {(*key[:2], *key[4:]): value for key, value in found.items() if key[2:4] == ("V2T", "train")}
    eval_train = epochs[3][1]["train"]
    assert on_train == {(3, 2, s, m): eval_train[s]["v2t"][m] for s in eval_train for m in ("R@1", "R@5", "R@10")}
    assert {row["metric"] for row in written["ranks"]} == {"MedR", "MeanR"}
    assert {row["value"] for row in written["machine"]} == {20.0, 1.5}
    assert {1e-5, 1e-4, 14.5, 10} <= {row["value"] for row in written["optimiser"]}


def fields(part: Any) -> Iterator[str]:
    """Columns that a template names."""
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "field" and isinstance(value, str))
        for value in part.values():
            yield from fields(value)
    elif isinstance(part, list):
        for value in part:
            yield from fields(value)


def test_figures_are_outputs_of_train_in_dvc_yaml() -> None:
    others = {Path(out).stem for out in TRAIN["outs"] if out.startswith(FOLDER)}
    assert {Path(name).parent for entry in TRAIN["plots"] for name in entry} == {Path(FOLDER)}
    assert (PLOTS.keys() | others, PLOTS.keys() & others) == (TEMPLATES.keys(), set())
    for figure, options in PLOTS.items():
        assert (options["template"], options["x"], options["y"]) == (TEMPLATES[figure], "epoch", "value")


@pytest.mark.parametrize("figure", TEMPLATES)
def test_a_figure_finds_its_columns(figure: str) -> None:
    template = json.loads((ROOT / f".dvc/plots/{TEMPLATES[figure]}.json").read_text())
    anchors = {"<DVC_METRIC_X>": "epoch", "<DVC_METRIC_Y>": "value"}
    named = {anchors.get(name, name) for name in fields(template)} - {"rev"}  # which DVC adds
    drawn = rows(epoch(1, eval_train=True))[figure]
    for row in drawn:
        assert named == (row.keys() | {"epoch"}), "every column says where a value is drawn"
