"""Files that cannot be read, or hold something else than a recording."""

import zipfile

import numpy as np
import pytest
from helpers.recorded import GOLDEN
from helpers.recordings import WEIGHTS, command, recorded, results, save, wrong

from seds.verify.recordings import weights


def test_damaged_array_is_named_and_the_others_compared(tmp_path):
    save(tmp_path, "small_text.npz", recorded("small_text.npz"), WEIGHTS)
    path = tmp_path / "small_text.npz"
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("short_ids.npy")
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len("short_ids.npy") + 20
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    result = command(tmp_path)
    assert result.exit_code == 1
    assert "FAIL  small_text/short_ids: small_text.npz: short_ids cannot be read" in result.output
    assert "ok    small_text/hidden" in result.output


def test_damaged_weights_fail_though_their_part_is_a_note(tmp_path):
    stored = {name: tensor.numpy() for name, tensor in weights(GOLDEN, "small").items()}
    stored["clip.logit_scale"] = np.array([object()])
    np.savez(tmp_path / "small_weights.npz", **stored)
    save(tmp_path, "small_cgaf.npz", recorded("small_cgaf.npz"))
    result = command(tmp_path)
    assert result.exit_code == 1
    assert "small_weights.npz: clip.logit_scale cannot be read" in result.output
    assert "note  small_weights: not compared: small_weights lacks clip.logit_scale" in result.output
    assert "ok    small_cgaf/fused" in result.output


FOREIGN = [
    ("pose", np.zeros((7, 65, 63), np.float32), "small_cgaf.npz: pose has shape [7, 65, 63], expected [B, T, 64]"),
    ("rgb", np.zeros((6, 65, 64), np.float32), "small_cgaf.npz: rgb has shape [6, 65, 64], expected [7, 65, 64]"),
    ("mask", np.full((7, 65), "x"), "small_cgaf.npz: mask holds <U1, expected numbers"),
    ("pose", np.array([object()]), "small_cgaf.npz: pose cannot be read: ValueError: Object arrays cannot be loaded"),
]


@pytest.mark.parametrize(("array", "value", "message"), FOREIGN, ids=["width", "batch", "strings", "objects"])
def test_foreign_array_is_named_with_what_was_expected(tmp_path, array, value, message):
    np.savez(tmp_path / "small_cgaf.npz", **(recorded("small_cgaf.npz") | {array: value}))
    save(tmp_path, "small_text.npz", recorded("small_text.npz"), WEIGHTS)
    result = command(tmp_path)
    assert result.exit_code == 1
    assert message in result.output
    assert "ok    small_text/hidden" in result.output


def test_foreign_indices_are_named(tmp_path):
    arrays = recorded("small_text.npz")
    arrays["ids"][1, 2] = 300
    save(tmp_path, "small_text.npz", arrays, WEIGHTS)
    (failure,) = wrong(results(tmp_path, "small_text.npz"))
    assert "small_text.npz: ids holds 300, expected whole numbers from 0 to 299" in failure


@pytest.mark.parametrize("name", ["metrics.npz", "small_gcn.npz", WEIGHTS, "text_tokens_x.json"])
def test_file_that_cannot_be_read_fails_alone(tmp_path, name):
    save(tmp_path, "clip_selection.npz", recorded("clip_selection.npz"), *({WEIGHTS, "small_cgaf.npz"} - {name}))
    (tmp_path / name).write_bytes(b"\x93NUMPY or not")
    result = command(tmp_path)
    assert result.exit_code == 1
    assert f"{name} is not a readable" in result.output
    assert "ok    clip_selection/w16_s1_f64/mask" in result.output


def test_folder_and_pattern_that_match_nothing_are_refused(tmp_path):
    assert "is not a folder of recordings" in command(tmp_path / "none").output
    save(tmp_path, "clip_selection.npz", recorded("clip_selection.npz"))
    result = command(tmp_path, "--only", "nothing*")
    assert result.exit_code == 1
    assert "no file matches 'nothing*'; it has graph_adjacency*.npz" in result.output
