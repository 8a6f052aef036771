"""The train stage as it is run: alone, and by torchrun."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.corpus import SIZES, write_keypoint_quality
from helpers.float64 import train_in_float64
from helpers.projects import write_project
from safetensors.torch import load_file

from seds.retrieval.metrics import DIRECTIONS, METRICS
from stages import evaluate, train

STEADY = SIZES.model_copy(update={"gcn_dropout": 0.0, "gcn_out_dropout": 0.0, "fusion_dropout": 0.0})


@pytest.mark.slow
def test_torchrun_trains_the_weights_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64: tests/helpers/float64.py says why. tests/resume runs torchrun on the stage as it is."""
    write_project(tmp_path / "alone", model=STEADY, epochs=1)
    monkeypatch.chdir(tmp_path / "alone")
    train_in_float64("toy")
    write_project(tmp_path / "together", model=STEADY, epochs=1, micro_batch=1)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *torchrun, "-m", "helpers.float64", "toy"],
        cwd=tmp_path / "together",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
    )
    alone, together = (load_file(tmp_path / name / "models/toy/seds.safetensors") for name in ("alone", "together"))
    assert {tensor.dtype for tensor in alone.values() if tensor.is_floating_point()} == {torch.float64}
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    losses, other = ([row["value"] for row in curve(tmp_path / name, "loss")] for name in ("alone", "together"))
    assert losses == pytest.approx(other, rel=1e-9)


def curve(project: Path, figure: str) -> list[dict]:
    return json.loads((project / f"metrics/toy/train/plots/custom/{figure}.json").read_text())


@pytest.mark.slow
def test_seeds_give_mean_and_deviation_of_what_each_gives_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {}
    for seeds in ([3], [4], [3, 4]):
        name = "-".join(map(str, seeds))
        write_project(tmp_path / name, seeds=seeds)
        monkeypatch.chdir(tmp_path / name)
        train.main("toy")
        metrics[name] = json.loads(Path("metrics/toy/train/metrics.json").read_text())
    first, second, both = metrics.values()
    assert "seeds" not in first
    assert both["seeds"].pop("count") == 2
    for split, found in both["seeds"].items():
        places = [(s, d, m) for s in first[split] for d in DIRECTIONS for m in METRICS]
        for stream, direction, metric in places:
            values = [alone[split][stream][direction][metric] for alone in (first, second)]
            for kind, expected in (("mean", statistics.mean(values)), ("std", statistics.stdev(values))):
                assert found[kind][stream][direction][metric] == pytest.approx(expected, abs=1e-3), (split, metric)
        assert any(found["std"][stream][direction]["MRR"] for stream, direction, _ in places)
    assert both["seeds"].keys() == {"dev", "train"}
    assert {name: both[name] for name in first if name != "step"} == {n: v for n, v in first.items() if n != "step"}
    models = ("4/models/toy", "3-4/models/toy/seeds/4")
    weights, others = ((tmp_path / model / "seds.safetensors").read_bytes() for model in models)
    assert weights == others
    for figure in ("loss", "recall", "ranks", "optimiser"):
        assert curve(tmp_path / "3-4", figure) == curve(tmp_path / "3", figure) + curve(tmp_path / "4", figure)


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["pose", "rgb"])
def test_single_stream_is_all_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    write_project(tmp_path / "toy", model=STEADY.model_copy(update={"streams": stream}), epochs=1)
    monkeypatch.chdir(tmp_path / "toy")
    train.main("toy")
    write_keypoint_quality(Path())
    evaluate.main("toy")
    assert {row["panel"] for row in curve(Path(), "loss")} == {"total", stream}
    assert {row["stream"] for row in curve(Path(), "recall")} == {stream}
    assert {"fusion", "pose", "rgb"} & set(json.loads(Path("metrics/toy/test.json").read_text())) == {stream}
    figures = json.loads(Path("metrics/toy/headline.json").read_text())
    assert figures.keys() == {stream, "dev", "keypoints"}
    dev = json.loads(Path("metrics/toy/train/metrics.json").read_text())["dev"][stream]
    for name in ("R@1", "MeanR"):
        assert figures["dev"][name] == pytest.approx(statistics.mean(dev[d][name] for d in DIRECTIONS), abs=1e-3)
    assert figures["dev"]["epoch"] == 1
    card = Path("models/toy/README.md").read_text()
    assert f"| {stream} | T2V |" in card
    assert "fusion" not in card.lower()
