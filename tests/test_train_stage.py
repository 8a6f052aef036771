"""The train stage as it is run: alone, and by torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from corpus import SIZES
from projects import write_project
from safetensors.torch import load_file

from seds.model import SEDS, initialise
from stages import evaluate, train

STEADY = SIZES.model_copy(update={"gcn_dropout": 0.0, "gcn_out_dropout": 0.0, "fusion_dropout": 0.0})


def test_training_under_torchrun_equals_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path / "alone", model=STEADY, epochs=1)
    monkeypatch.chdir(tmp_path / "alone")
    train.main("toy")
    write_project(tmp_path / "together", model=STEADY, epochs=1, micro_batch=1)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *torchrun, "-m", "stages.train", "toy"],
        cwd=tmp_path / "together",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    alone, together = (load_file(tmp_path / name / "models/toy/seds.safetensors") for name in ("alone", "together"))
    assert set(alone) == set(together)
    start = SEDS(STEADY)
    initialise(start, torch.Generator().manual_seed(42))
    weights = {name: p.detach() for name, p in start.named_parameters()}
    for name in set(alone) - set(weights):
        torch.testing.assert_close(together[name], alone[name], rtol=1e-4, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    # Adam's first steps are as long for the smallest gradient as for the largest, so where rounding decides the side of
    # a ReLU's kink, weights differ by more than rounding. In float64 they do not: tests/test_distributed.py.
    apart, moved = (
        torch.cat([(alone[name] - other[name]).flatten() for name in weights]).abs() for other in (together, weights)
    )
    assert (apart <= 1e-5).float().mean() > 0.999
    assert apart.norm() < 0.02 * moved.norm()
    last_losses = [
        float((tmp_path / name / "metrics/toy/train/plots/metrics/loss/total.tsv").read_text().split()[-1])
        for name in ("alone", "together")
    ]
    assert last_losses[0] == pytest.approx(last_losses[1], rel=1e-5)


@pytest.mark.parametrize("stream", ["pose", "rgb"])
def test_of_a_stream_alone_nothing_else_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    write_project(tmp_path / "toy", model=STEADY.model_copy(update={"streams": stream}), epochs=1)
    monkeypatch.chdir(tmp_path / "toy")
    train.main("toy")
    evaluate.main("toy")
    curves = Path("metrics/toy/train/plots/metrics")
    assert {path.stem for path in (curves / "loss").iterdir()} == {"total", stream}
    assert {path.name for path in (curves / "dev").iterdir()} == {stream}
    assert {"fusion", "pose", "rgb"} & set(json.loads(Path("metrics/toy/test.json").read_text())) == {stream}
    card = Path("models/toy/README.md").read_text()
    assert f"| {stream} | T2V |" in card
    assert "fusion" not in card.lower()
