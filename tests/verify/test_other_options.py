"""Recordings made with options that are not offered, of other sizes, empty, or without windows."""

import json

import numpy as np
import pytest
from helpers.recorded import GOLDEN
from helpers.recordings import WEIGHTS, command, compared, notes, recorded, results, save, wrong

from seds import text


@pytest.mark.parametrize(
    ("option", "value", "note", "still"),
    [
        ("crop_size", 128, "crop_size 128 is not offered, only 256; coordinates are not compared", "clips_start"),
        ("windows_stride", 2, "windows_stride 2 is not offered, only 1; windows are not compared", "left"),
        ("interval", 4, "interval 4 is not offered; of 301 frames ours keeps one in 2", None),
        ("THRE", 1.5, "options that are not offered: THRE 1.5", None),
        ("flip", 1, "options that are not offered: flip 1", None),
    ],
)
def test_option_of_keypoints_is_a_note(tmp_path, option, value, note, still):
    arrays = recorded("keypoints_ph.npz")
    arrays = {key: value for key, value in arrays.items() if "/" not in key or key.startswith(("plain/", "n301"))}
    names, values = arrays["cfg_names"].tolist(), arrays["cfg_values"].tolist()
    options = dict(zip(names, values, strict=True)) | {option: value}
    arrays |= {"cfg_names": np.array(list(options)), "cfg_values": np.array(list(options.values()), float)}
    for key in ("clips_start", "mask") if option == "windows_stride" else ("left", "right", "body"):
        if option in ("windows_stride", "crop_size"):
            arrays[f"plain/{key}"] = arrays[f"plain/{key}"] + 1
    save(tmp_path, "keypoints_ph.npz", arrays)
    some = results(tmp_path, "keypoints_ph.npz")
    assert wrong(some) == []
    assert note in notes(some)
    if still:
        assert {"keypoints_ph/plain/bbox_left", f"keypoints_ph/plain/{still}"} <= compared(some)


def test_other_loaders_keypoints_are_compared_where_rules_agree(tmp_path):
    save(tmp_path, "keypoints_other.npz", recorded("keypoints_ph.npz"))
    some = results(tmp_path, "keypoints_other.npz")
    assert wrong(some) == []
    assert "unknown loader 'other'" in notes(some)
    assert "keypoints_other/wrist_near_bottom: not compared: the loaders differ" in notes(some)
    assert "keypoints_other/plain/left" in compared(some)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"windows_stride": 2}, "recorded with windows_stride: 2, which ours does not offer"),
        ({"new": "x"}, "recorded with new: x, which ours does not offer"),
        ({"in_channels": 3}, "in_channels 3 is not offered, only 2"),
        ({"fusion_num_keys": [7, 3]}, "config is not offered: 7 sampled keys"),
        ({"embed_dim": 4}, "config is not offered: embed"),
    ],
)
def test_option_of_a_configuration_is_a_note(tmp_path, change, note):
    recipe = json.loads((GOLDEN / WEIGHTS).read_text())
    recipe["config"] |= change
    save(tmp_path, "small_cgaf.npz", recorded("small_cgaf.npz"))
    (tmp_path / WEIGHTS).write_text(json.dumps(recipe))
    result = command(tmp_path)
    assert result.exit_code == 0, result.output
    assert note in result.output


@pytest.mark.parametrize("change", [{"b1": 0.8}, {"e": 1e-8}, {"amsgrad": True}])
def test_option_of_the_optimiser_is_a_note(tmp_path, change):
    arrays = recorded("optimizer.npz")
    settings = json.loads(str(arrays["warmup_cosine/settings"])) | change
    save(tmp_path, "optimizer.npz", arrays | {"warmup_cosine/settings": np.array(json.dumps(settings))})
    some = results(tmp_path, "optimizer.npz")
    ((option, value),) = change.items()
    assert wrong(some) == []
    assert f"note  optimizer/warmup_cosine: not compared: not offered: {option} {value}" in notes(some)
    assert "optimizer/warmup_cosine_f64/p0_after" in compared(some)


def test_empty_inputs_are_notes(tmp_path):
    arrays = recorded("small_gcn.npz")
    for key in ("hand_in_1", "hand_out_1", "body_in_2", "body_out_2"):
        arrays[key] = arrays[key][:0] if "1" in key else arrays[key][:, :0]
    save(tmp_path, "small_gcn.npz", arrays, WEIGHTS)
    some = results(tmp_path, "small_gcn.npz")
    assert wrong(some) == []
    assert "hand_out_1: not compared: hand_in_1 is empty, of shape [0, 1, 21, 2]" in notes(some)
    assert {"small_gcn/hand_out_0", "small_gcn/hand_out_2", "small_gcn/body_out_1"} <= compared(some)


def test_rows_of_other_batch_sizes_are_compared(tmp_path):
    arrays = recorded("small_cgaf.npz")
    arrays = {key: value[2:3] if value.shape[:1] == (7,) else value for key, value in arrays.items()}
    save(tmp_path, "small_cgaf.npz", {k: v for k, v in arrays.items() if not k.startswith("zero")}, WEIGHTS)
    some = results(tmp_path, "small_cgaf.npz")
    assert wrong(some) == []
    assert "small_cgaf/fused" in compared(some)


def test_sequences_of_other_lengths_are_a_note(tmp_path):
    arrays = recorded("small_cgaf.npz")
    arrays = {key: value[:, :40] if value.ndim > 1 else value for key, value in arrays.items()}
    save(tmp_path, "small_cgaf.npz", arrays, WEIGHTS)
    some = results(tmp_path, "small_cgaf.npz")
    assert wrong(some) == []
    assert "not compared: sequences of 40 tokens; the configuration's have 65" in notes(some)


def test_videos_without_a_window_are_left_out(tmp_path):
    """The release's fusion is NaN there, ours is not; a fusion row depends on its video alone."""
    fusion, similarity = recorded("small_cgaf.npz"), recorded("small_sim.npz")
    fusion["mask"][0, 1:] = 1
    for key in fusion:
        if key == "fused" or key.startswith("mid_"):
            fusion[key][0] = np.nan
    similarity = {key: value for key, value in similarity.items() if "/" not in key or key == "eval/I2T_fusion"}
    similarity["video_mask"][2, 1:] = 1
    similarity["eval/I2T_fusion"][2] = np.nan
    save(tmp_path, "small_cgaf.npz", fusion, WEIGHTS)
    save(tmp_path, "small_sim.npz", similarity)
    for name, array in (("small_cgaf", "small_cgaf/fused"), ("small_sim", "small_sim/eval/I2T_fusion")):
        some = results(tmp_path, f"{name}.npz")
        assert wrong(some) == []
        assert array in compared(some)
        assert "videos without a window: 1 of" in notes(some)


def test_no_frames_and_no_texts_are_notes(tmp_path):
    selection = recorded("clip_selection.npz")
    selection["w16_s1_f64/num_frames"][0] = 0
    save(tmp_path, "clip_selection.npz", selection)
    (tmp_path / "text_tokens_x.json").write_text(json.dumps({"text": [], "ids": [], "mask": []}))
    (tmp_path / "text_aug_x.json").write_text("[]")
    result = command(tmp_path)
    assert result.exit_code == 0, result.output
    assert "of 0 frames ours makes no window" in result.output
    assert result.output.count("not compared: no texts") == 2


def test_texts_are_compared_in_what_they_have(tmp_path):
    texts = ["A dog sleeps.", "Where do you live?"]
    tokens = {"text": texts, "ids": text.tokenise(texts, 20).tolist()}
    (tmp_path / "text_tokens_x.json").write_text(json.dumps(tokens))
    (tmp_path / "text_aug_x.json").write_text(json.dumps([{"text": texts[0], "ids": tokens["ids"][0]}]))
    result = command(tmp_path)
    assert result.exit_code == 0, result.output
    assert "ok    text_tokens_x/ids" in result.output
    assert "ok    text_aug_x/ids" in result.output
    assert "note  text_aug_x.json: not compared: no entry 'ids_aug'" in result.output
