"""`seds import checkpoint` and `seds export checkpoint`, there and back."""

import json
import re

import pytest
import torch
from helpers.recorded import GOLDEN, SMALL, SMALL32
from typer.testing import CliRunner

from seds.cli import app
from seds.config import ModelSizes
from seds.model import checkpoint
from seds.model.initialisation import initialise
from seds.model.published import tables, unused_tensors
from seds.model.published_names import is_half
from seds.model.seds import SEDS
from seds.verify.recordings import weights


def _released(folder, prefix="small"):
    """A checkpoint as the release saves it: tables, unused tensors, half-precision projections."""
    state = unused_tensors(half=False) | weights(folder, prefix)
    state = {name: tensor.half() if is_half(name) else tensor for name, tensor in state.items()}
    return state | tables(SMALL32.model()) if prefix == "small" else state


@pytest.fixture
def released(tmp_path):
    state = _released(GOLDEN)
    torch.save(state, tmp_path / "best_model.bin")
    return state


def _run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_checkpoint_becomes_a_model_folder(released, tmp_path):
    result = _run("import", "checkpoint", tmp_path / "best_model.bin", "--output", tmp_path / "m")
    assert result.exit_code == 0, result.output
    model = checkpoint.load(tmp_path / "m")
    assert (model.sizes, model.numerics) == (SMALL, "published")
    torch.testing.assert_close(model.state_dict(), SMALL32.model().state_dict(), rtol=0, atol=0)
    provenance = json.loads((tmp_path / "m" / "config.json").read_text())["provenance"]
    assert provenance["file"] == "best_model.bin"
    assert re.fullmatch("[0-9a-f]{64}", provenance["sha256"])
    assert provenance["sha256"] in (tmp_path / "m" / "README.md").read_text()
    modes = {path.name: oct(path.stat().st_mode & 0o044) for path in (tmp_path / "m").iterdir()}
    assert set(modes.values()) == {oct(0o044)}, modes


def test_and_back_again_bit_by_bit(released, tmp_path):
    _run("import", "checkpoint", tmp_path / "best_model.bin", "--output", tmp_path / "m")
    result = _run("export", "checkpoint", tmp_path / "m", "--output", tmp_path / "back.bin")
    assert result.exit_code == 0, result.output
    assert "rounded" not in result.output
    back = torch.load(tmp_path / "back.bin", weights_only=True)
    assert back.keys() == released.keys()
    for name, tensor in released.items():
        assert back[name].dtype == tensor.dtype, name
        assert back[name].shape == tensor.shape, name
        assert torch.equal(back[name], tensor), name


def test_float32_keeps_what_float16_would_round(tmp_path):
    model = SEDS(SMALL, "published")
    initialise(model, torch.Generator().manual_seed(0))
    checkpoint.save(tmp_path / "m", model, model.state_dict(), {}, "")
    for options, rounded in (((), True), (("--dtype", "float32"), False)):
        result = _run("export", "checkpoint", tmp_path / "m", "--output", tmp_path / "x.bin", *options)
        assert ("rounded to float16" in result.output) is rounded
    result = _run("import", "checkpoint", tmp_path / "x.bin", "--output", tmp_path / "n")
    assert result.exit_code == 0, result.output
    torch.testing.assert_close(checkpoint.load(tmp_path / "n").state_dict(), model.state_dict(), rtol=0, atol=0)


def test_unfitting_keys_are_listed_and_accepted_by_name_alone(released, tmp_path):
    del released["fusion.R2P_layer_norm.bias"]
    released["clip.visual.proj"] = torch.zeros(2, 2)
    torch.save(released | {"module.extra": torch.ones(2)}, tmp_path / "x.bin")
    arguments = ["import", "checkpoint", tmp_path / "x.bin", "--output", tmp_path / "m"]
    result = _run(*arguments)
    assert result.exit_code == 1
    lines = {line.strip() for line in result.output.splitlines()}
    assert {"missing: fusion.R2P_layer_norm.bias (64,)", "unknown: extra (2,)"} <= lines
    assert "clip.visual.proj (2, 2), the model has (128, 64)" in lines
    assert not (tmp_path / "m").exists()
    for name in ("fusion.R2P_layer_norm.bias", "extra", "clip.visual.proj"):
        arguments += ["--allow", name]
    result = _run(*arguments)
    assert result.exit_code == 0, result.output
    assert "`fusion.R2P_layer_norm.bias`" in (tmp_path / "m" / "README.md").read_text()


def test_a_model_is_not_overwritten(released, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "seds.safetensors").write_bytes(b"mine")
    result = _run("import", "checkpoint", tmp_path / "best_model.bin", "--output", tmp_path / "m")
    assert result.exit_code == 1
    assert "is not empty" in result.output
    assert (tmp_path / "m" / "seds.safetensors").read_bytes() == b"mine"


def test_every_part_has_the_published_number_of_parameters():
    """SPEC 7, less what the release saves and never uses: 8,192 in either tower and two of the three scalars."""
    with torch.device("meta"):
        model = SEDS(ModelSizes())
    pose = model.pose_encoder
    parts = (
        (model.pose_tower, 86_689_280 - 8_192),
        (model.rgb_tower, 86_296_064 - 8_192),
        (model.text_tower, 63_428_096),
        (model.fusion, 17_400_448),
        (pose.hand, 9_658_708),
        (pose.body, 9_658_652),
        (pose.window_block, 30_680_064),
    )
    for part, expected in parts:
        assert sum(p.numel() for p in part.parameters()) == expected
    assert sum(tensor.numel() for tensor in unused_tensors(half=False).values()) == 2 * 8_192 + 2
    assert sum(p.numel() for p in model.parameters()) == 303_811_315 - 2 * 8_192 - 2


@pytest.mark.slow
@pytest.mark.real
def test_the_published_sizes(shared, tmp_path):
    """303,811,315 parameters; 1.2 GB in memory."""
    state = _released(shared / "golden", "full")
    torch.save(state, tmp_path / "x.bin")
    listing = json.loads((GOLDEN / "reference_state_dict.json").read_text())["keys"]
    result = _run("import", "checkpoint", tmp_path / "x.bin", "--output", tmp_path / "m")
    assert result.exit_code == 0, result.output
    result = _run("export", "checkpoint", tmp_path / "m", "--output", tmp_path / "y.bin")
    assert result.exit_code == 0, result.output
    back = torch.load(tmp_path / "y.bin", weights_only=True)
    assert {n: (list(t.shape), str(t.dtype)) for n, t in back.items()} == {
        n: (key["shape"], f"torch.{key['dtype']}") for n, key in listing.items()
    }
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())
