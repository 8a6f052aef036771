"""Parity with the published system: every recorded array within its limit, and limits that notice a change."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recorded import GOLDEN, SMALL, SMALL32
from typer.testing import CliRunner

from seds.cli import app
from seds.model.fusion import GlossAttention
from seds.verify import components, run
from seds.verify.arrays import RecordingError
from seds.verify.comparison import Comparison, Failure, absolute, elementwise, relative, same
from seds.verify.recordings import Recording, prefixes, weights

SHARED = Path(os.environ["SEDS_SHARED"] or os.devnull) / "golden"


def _check(check):
    results = list(check.run())
    over = [run.line(r) for r in results if isinstance(r, Failure) or (isinstance(r, Comparison) and r.over)]
    assert not over, "\n".join(over)
    return results


@pytest.mark.parametrize("check", run.checks(GOLDEN), ids=lambda check: check.name)
def test_the_recordings_in_the_repository(check):
    results = _check(check)
    assert results
    if (GOLDEN / check.name).is_file():
        assert any(isinstance(result, Comparison) for result in results), f"{check.name} compares nothing"


@pytest.mark.slow
@pytest.mark.longest
@pytest.mark.real
@pytest.mark.parametrize("check", run.checks(SHARED) if SHARED.is_dir() else [], ids=lambda check: check.name)
def test_all_recordings(check):
    """The published sizes too, and the corpora's captions and batches."""
    assert _check(check)


# ---- the comparison itself -------------------------------------------------------------------------------------------


def test_errors_are_relative_to_the_largest_value():
    expected = torch.tensor([100.0, 1.0])
    assert relative("x", expected + torch.tensor([0.0, 0.5]), expected, 1e-2).error == pytest.approx(5e-3)
    assert elementwise("x", expected + torch.tensor([0.0, 0.5]), expected, 1e-2).error == pytest.approx(0.5)
    assert absolute("x", np.array([1.0, 2.0]), np.array([1.0, 2.25]), 0.1).over
    assert same("x", [1, 2, 3, 4], [1, 2, 0, 4]).error == 0.25
    assert elementwise("x", torch.zeros(2), torch.zeros(2), 1e-5).error == 0


@pytest.mark.parametrize(
    "comparison",
    [
        relative("x", torch.zeros(3), torch.zeros(4), 1e-5),
        relative("x", torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 2.0]), 1e-5),
        elementwise("x", torch.tensor([torch.nan]), torch.tensor([1.0]), 1e-5),
        absolute("x", np.array([np.nan]), np.array([1.0]), 1e-5),
        same("x", [1, 2], [1, 2, 3]),
        relative("x", torch.tensor([1.0, 2.0]), torch.tensor([torch.inf, 1.0]), 1e-5),
        relative("x", torch.tensor([torch.inf, 2.0]), torch.tensor([torch.inf, 1.0]), 1e-5),
        absolute("x", np.array([-np.inf]), np.array([np.inf]), 1e-5),
        elementwise("x", torch.zeros(2), torch.zeros(3), 1e-5),
        same("x", ["1"], [1]),
    ],
)
def test_other_shapes_and_nan_are_over(comparison):
    assert comparison.over


def test_nan_and_infinity_in_the_same_places_agree():
    values = np.array([np.nan, np.inf, -np.inf, 1.0])
    for comparison in (relative, elementwise, absolute):
        assert comparison("x", values, values, 1e-5).error == 0
        assert comparison("x", values + 0.5, values, 1e-5).error == 0.5
    assert same("x", values, values).error == 0
    assert relative("x", np.zeros((0, 3)), np.zeros((0, 3)), 1e-5).error == 0


def test_dimensions_of_one_do_not_count():
    assert relative("x", torch.ones(2, 3), torch.ones(2, 1, 3, 1), 1e-5).error == 0


def test_a_broken_part_is_noticed(monkeypatch):
    """Sampling places with the other grid convention, one of the changes the limits are made to notice."""
    original = GlossAttention.sampling_positions
    monkeypatch.setattr(GlossAttention, "sampling_positions", lambda self, *inputs: original(self, *inputs) + 0.5)
    assert {c.name for c in components.fusion(SMALL32) if isinstance(c, Comparison) and c.over} >= {"small_cgaf/fused"}


# ---- other folders ---------------------------------------------------------------------------------------------------


def _folder(tmp_path, *names):
    for name in names:
        shutil.copy(GOLDEN / name, tmp_path)
    return tmp_path


def test_another_prefix_is_found_and_missing_files_are_named(tmp_path):
    folder = _folder(tmp_path, "small_weights.json", "small_cgaf.npz")
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("small", "other-1"))
    assert prefixes(folder) == ["other-1"]
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert result.exit_code == 0, result.output
    assert "other-1_cgaf/fused" in result.output
    assert "note  other-1_gcn.npz: not in the folder" in result.output
    assert "0 over the limit" in result.output


def test_stored_weights_serve_without_a_recipe(tmp_path):
    """Sizes then come from the tensors' shapes."""
    folder = _folder(tmp_path, "small_cgaf.npz")
    np.savez(
        folder / "small_weights.npz", **{name: tensor.numpy() for name, tensor in weights(GOLDEN, "small").items()}
    )
    assert Recording(folder, "small").sizes == SMALL
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0


def test_a_difference_exits_with_1_and_is_listed(tmp_path):
    folder = _folder(tmp_path, "small_weights.json", "small_cgaf.npz", "small_text.npz")
    with np.load(folder / "small_cgaf.npz") as file:
        arrays = {name: file[name] for name in file.files}
    arrays["fused"][0, 3, 5] += 1e-3
    np.savez(folder / "small_cgaf.npz", **arrays)
    result = CliRunner().invoke(app, ["verify", str(folder), "--only", "*cgaf*"])
    assert result.exit_code == 1
    assert "OVER  small_cgaf/fused" in result.output
    assert "small_text" not in result.output


def test_a_damaged_file_counts_as_over_and_the_rest_goes_on(tmp_path):
    folder = _folder(tmp_path, "graph_adjacency.npz", "clip_selection.npz")
    (folder / "graph_adjacency.npz").write_bytes(b"PK\x03\x04 no archive")
    result = CliRunner().invoke(app, ["verify", str(folder)])
    assert result.exit_code == 1
    assert "FAIL  graph_adjacency.npz" in result.output
    assert "clip_selection/w16_s1_f64/mask" in result.output


def test_weights_unlike_their_sha256_are_refused(tmp_path):
    folder = _folder(tmp_path, "small_weights.json")
    recipe = json.loads((folder / "small_weights.json").read_text())
    recipe["keys"]["clip.text_projection"]["exp"] += 1
    (folder / "small_weights.json").write_text(json.dumps(recipe))
    with pytest.raises(RecordingError, match=r"clip\.text_projection should have sha256 e37866f6"):
        weights(folder, "small")


def test_a_folder_without_recordings_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no recordings: expected PREFIX_weights.json" in result.output
