"""Tensors are read from every kind of weight file; whatever else a file asks for is refused and not run."""

import collections
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seds.weightfiles import WeightFileError, read_state

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(7)}


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_checkpoints_may_be_plain_or_nested(tmp_path, wrap):
    torch.save(wrap({f"module.{name}": tensor for name, tensor in STATE.items()}), tmp_path / "x.bin")
    torch.testing.assert_close(read_state(tmp_path / "x.bin"), STATE)


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "x.safetensors")
    torch.testing.assert_close(read_state(tmp_path / "x.safetensors"), STATE)


class Network(nn.Module):
    """Attributes of many kinds beside its tensors, two of which share their storage."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.register_buffer("all", torch.arange(10.0))
        self.register_buffer("part", self.all.view(2, 5)[:, 1:3])
        self.factors, self.share, self.table = [1, 2], 0.5, {"k": 3}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) * self.share + len(self.factors) + self.table["k"]


def test_torchscript_archive_gives_its_tensors(tmp_path, monkeypatch):
    network = Network()
    torch.jit.script(network).save(tmp_path / "x.pt")
    monkeypatch.delattr(torch.jit, "load")
    state = read_state(tmp_path / "x.pt")
    assert state["part"].tolist() == [[1, 2], [6, 7]]
    torch.testing.assert_close(state, dict(network.state_dict()))


class Harmful:
    def __reduce__(self):
        return (print, ("run",))


def test_checkpoint_that_would_run_something_is_refused(tmp_path, capsys):
    torch.save({"state_dict": Harmful()}, tmp_path / "x.bin")
    with pytest.raises(
        WeightFileError, match=r"x\.bin cannot be read as weights: its pickle asks for \S*print, which is refused"
    ):
        read_state(tmp_path / "x.bin")
    assert capsys.readouterr().out == ""


def test_archive_that_would_run_something_is_refused(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/constants.pkl", b"")
        archive.writestr("x/data.pkl", pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(
        WeightFileError, match=r"its pickle asks for \w+\.print, which is refused; nothing in it was run"
    ):
        read_state(tmp_path / "x.pt")
    assert capsys.readouterr().out == ""


def test_files_without_tensors_are_named(tmp_path):
    with pytest.raises(WeightFileError, match=r"gone\.bin not found"):
        read_state(tmp_path / "gone.bin")
    for name in ("x.bin", "x.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(WeightFileError, match=name):
            read_state(tmp_path / name)
    torch.save(collections.OrderedDict(epoch=3), tmp_path / "y.bin")
    with pytest.raises(WeightFileError, match=r"y\.bin holds no state dict of tensors: 'epoch' is a int"):
        read_state(tmp_path / "y.bin")
