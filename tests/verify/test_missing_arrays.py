"""Recordings that lack arrays, or have more than the checks know."""

import json

import numpy as np
import pytest
from helpers.recorded import GOLDEN
from helpers.recordings import WEIGHTS, command, compared, notes, recorded, results, save, wrong

from seds import text
from seds.verify.recordings import weights

MISSING = [
    ("small_gcn_f64.npz", "hand_out_0"),
    ("small_gcn.npz", "body_in_2"),
    ("small_clips.npz", "in_num_frames"),
    ("small_clips.npz", "padT_extra"),
    ("small_visual.npz", "pose_in"),
    ("small_text.npz", "ids"),
    ("small_cgaf.npz", "mask"),
    ("small_cgaf.npz", "fused"),
    ("small_sim_f64.npz", "eval/R2P"),
    ("small_sim.npz", "text_hidden_aug"),
    ("small_sim.npz", "rgb_hidden"),
    ("graph_adjacency.npz", "hand_A_pool"),
    ("keypoints_ph.npz", "plain/keypoints"),
    ("keypoints_ph.npz", "plain/img_list"),
    ("keypoints_ph.npz", "cfg_names"),
    ("clip_selection.npz", "w16_s1_f64/mask"),
    ("metrics.npz", "two/dual_mix"),
    ("metrics.npz", "single_51/pose/T2V_ranks0"),
    ("optimizer.npz", "as_in_training/p1_grads"),
    ("optimizer.npz", "schedule_x"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "array"), MISSING, ids=lambda value: value.replace("/", "."))
def test_a_file_is_compared_in_what_it_has(tmp_path, name, array):
    arrays = recorded(name)
    others = [WEIGHTS, name.replace("_f64", "")] if name.startswith("small") else []
    save(tmp_path, name, arrays, *others)
    np.savez_compressed(tmp_path / name, **arrays)
    whole = results(tmp_path, name)
    np.savez_compressed(tmp_path / name, **{key: value for key, value in arrays.items() if key != array})
    part = results(tmp_path, name)
    assert wrong(part) == []
    assert compared(part)
    assert compared(part) <= compared(whole)


@pytest.mark.parametrize("array", ["hand_out_0", "hand_in_0"])
def test_missing_array_is_named(tmp_path, array):
    arrays = recorded("small_gcn.npz")
    del arrays[array]
    save(tmp_path, "small_gcn.npz", arrays, WEIGHTS)
    assert f"note  small_gcn/hand_out_0: not compared: small_gcn.npz has no {array}" in notes(
        results(tmp_path, "small_gcn.npz")
    )


def test_gradients_without_names_are_a_note(tmp_path):
    arrays = recorded("small_step.npz")
    arrays = {key: value for key, value in arrays.items() if key.startswith(("in_", "evalbn/"))}
    del arrays["evalbn/grad_names"], arrays["evalbn/loss_parts"]
    save(tmp_path, "small_step.npz", arrays, WEIGHTS)
    some = results(tmp_path, "small_step.npz")
    assert wrong(some) == []
    assert "small_step/evalbn/fused" in compared(some)
    assert "note  small_step/evalbn/loss_parts: not recorded" in notes(some)
    assert "grad_norms: not compared: no evalbn/grad_names says whose they are" in notes(some)


def test_float64_file_may_hold_its_own_inputs(tmp_path):
    arrays = recorded("small_visual.npz")
    arrays = {key: value.astype(np.float64) for key, value in arrays.items() if key.endswith("_in") or key == "mask"}
    save(tmp_path, "small_visual_f64.npz", arrays | recorded("small_visual_f64.npz"), WEIGHTS)
    assert wrong(results(tmp_path, "small_visual_f64.npz")) == []
    assert compared(results(tmp_path, "small_visual_f64.npz")) == {
        "small_visual_f64/pose_hidden",
        "small_visual_f64/rgb_hidden",
    }


def test_unknown_arrays_variants_and_files_are_notes(tmp_path):
    arrays = recorded("small_sim.npz")
    arrays |= {"loss/other": arrays["loss/default"], "extra": np.zeros(3), "eval/extra": np.zeros(3)}
    save(tmp_path, "small_sim.npz", arrays, WEIGHTS)
    np.savez(tmp_path / "small_sim_new.npz", a=np.zeros(1))
    (tmp_path / "folder").mkdir()
    result = command(tmp_path)
    assert result.exit_code == 0, result.output
    assert "note  small_sim/loss/other: unknown variant; known: default" in result.output
    assert "note  small_sim: not read: extra, eval/extra" in result.output
    assert "note  small_sim_new.npz: no check reads it" in result.output
    assert "note  folder: no check reads it" in result.output


def test_batch_without_its_keypoints_is_compared_in_its_texts(tmp_path):
    captions = ["A dog sleeps.", "Where do you live?"]
    ids = text.tokenise(captions, 12)
    arrays = {"captions": np.array(captions), "batch/pairs_text": ids[:, None], "sample0/rgb_feature": np.zeros((2, 8))}
    save(tmp_path, "collate_ph.npz", arrays)
    some = results(tmp_path, "collate_ph.npz")
    assert wrong(some) == []
    assert compared(some) == {"collate_ph/pairs_text"}
    assert "collate_ph/videos: not compared: keypoints_ph.npz is not in the folder" in notes(some)


def test_part_without_its_weights_is_a_note(tmp_path):
    save(tmp_path, "small_cgaf.npz", recorded("small_cgaf.npz"))
    result = command(tmp_path)
    assert result.exit_code == 0
    assert "note  small_cgaf.npz: not compared: the PREFIX_weights.json or .npz" in result.output


def test_weights_of_one_part_serve_that_part(tmp_path):
    recipe = json.loads((GOLDEN / WEIGHTS).read_text())
    (tmp_path / WEIGHTS).write_text(json.dumps({"config": recipe["config"]}))
    fusion = {name: t.numpy() for name, t in weights(GOLDEN, "small").items() if name.startswith("fusion.")}
    save(tmp_path, "small_weights.npz", fusion, "small_cgaf.npz", "small_visual.npz")
    assert wrong(results(tmp_path, "small_cgaf.npz")) == []
    assert "small_cgaf/fused" in compared(results(tmp_path, "small_cgaf.npz"))
    assert "small_weights lacks clip.visual." in notes(results(tmp_path, "small_visual.npz"))
