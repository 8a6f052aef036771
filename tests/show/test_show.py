from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import shown
from typer.testing import CliRunner, Result

from seds.cli import app
from seds.config import load_params
from seds.shards import write_shard
from seds.show.contact_sheet import (
    WIDTH,
    PosedVideo,
    contact_sheet,
    draw_frames,
    find_video,
    frame_state,
    open_corpus,
    spaced_frames,
)
from seds.show.draw import LEFT, RIGHT
from seds.show.timeline import sign_lanes, tick
from seds.video import VideoError

Show = Callable[..., Result]


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PosedVideo]:
    """Writes a corpus of one video and opens it; values: of its row in the videos table."""
    monkeypatch.chdir(tmp_path)

    def make(keypoints: np.ndarray, path: str = "video.mp4", **values: object) -> PosedVideo:
        shown.write_corpus(tmp_path, [shown.row("one", path, **values)], {"one": keypoints})
        return find_video(open_corpus(shown.NAME, load_params()), "one")

    return make


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """The command `seds show demo ...` in the temporary folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["show", shown.NAME, *arguments])


def level(picture: np.ndarray) -> float:
    """The grey of a picture's upper left corner, where nothing is drawn."""
    return float(picture[:8, :8].mean())


def rules():
    return load_params().manifest


def test_draw_frames_shows_the_frames_with_those_numbers(clip: Callable[..., PosedVideo], tmp_path: Path) -> None:
    shown.write_video(tmp_path / "video.mp4")
    one = clip(shown.keypoints())
    assert spaced_frames(one.track, 4) == [0, 6, 13, 19]
    assert spaced_frames(one.track, 99) == list(range(20))
    drawn = draw_frames(one, [0, 7, 19], 320, rules())
    assert [picture.shape for picture in drawn] == [(240, 320, 3)] * 3
    assert [level(picture) for picture in drawn] == pytest.approx([shown.grey(i) for i in (0, 7, 19)], abs=2)


def test_spaced_frames_of_a_long_video_are_among_those_read(clip: Callable[..., PosedVideo]) -> None:
    one = clip(shown.keypoints(700), path="")
    assert len(one.track.read) == 234
    assert spaced_frames(one.track, 3) == [0, 348, 699]
    assert contact_sheet(one, rules(), 3).shape[1] == WIDTH


def test_a_cut_shows_its_own_frames(clip: Callable[..., PosedVideo], tmp_path: Path) -> None:
    shown.write_video(tmp_path / "video.mp4")
    one = clip(shown.keypoints(8), start_s=0.5, end_s=1.3)
    drawn = draw_frames(one, [0, 7], shown.WIDTH, rules())
    assert [level(picture) for picture in drawn] == pytest.approx([shown.grey(5), shown.grey(12)], abs=2)


def test_a_cut_of_a_folder_of_frames_shows_its_own_frames(clip: Callable[..., PosedVideo], tmp_path: Path) -> None:
    shown.write_frame_folder(tmp_path / "frames")
    one = clip(shown.keypoints(8), "frames", start_s=0.5, end_s=1.3)
    drawn = draw_frames(one, [0, 7], shown.WIDTH, rules())
    assert [level(picture) for picture in drawn] == [shown.grey(5), shown.grey(12)]


def test_crops_and_signer_box_are_drawn_where_they_are(clip: Callable[..., PosedVideo]) -> None:
    one = clip(shown.lose_hand(shown.keypoints(), "left", slice(0, 1)), path="", bbox="4,2,150,110")
    drawn = draw_frames(one, [0, 10], shown.WIDTH, rules())
    for hand, colour in ((one.track.left, LEFT), (one.track.right, RIGHT)):
        x, y, side = hand.boxes[10]
        assert (drawn[1][[y, y + side], x + 2] == colour).all()
    x, y, side = one.track.left.boxes[10]
    assert not (drawn[0][y : y + side, x + side] == LEFT).all(axis=1).any(), "a hand that is not there has no crop"
    assert (drawn[0][2, 4:150] == 255).all()


def test_frame_state_says_which_hands_are_kept(clip: Callable[..., PosedVideo]) -> None:
    keypoints = shown.lose_hand(shown.keypoints(), "left", slice(0, 2))
    one = clip(shown.lose_hand(keypoints, "right", slice(1, 3)), path="")
    assert [frame_state(one.track, i) for i in range(4)] == [
        "kept: right hand", "dropped", "kept: left hand", "kept: both hands",
    ]  # fmt: skip
    sheet = contact_sheet(one, rules(), 20)
    red = (sheet == (176, 0, 32)).all(axis=2)
    assert red.sum() > 3000, "the label of the dropped frame"
    assert not (contact_sheet(clip(shown.keypoints(), path=""), rules(), 20) == (176, 0, 32)).all(axis=2).any()


def test_contact_sheet_gives_frames_their_own_times(clip: Callable[..., PosedVideo], tmp_path: Path) -> None:
    keypoints = shown.keypoints(8)
    even = clip(keypoints, path="")
    np.testing.assert_allclose(even.times, np.arange(8) / even.fps)
    shard = tmp_path / "data" / "pose" / shown.NAME / "shard-00000.safetensors"
    edges = np.append(even.times, 9.0) + 3 * (np.arange(9) > 4)
    write_shard(shard, "pose", {"one": {"keypoints": keypoints, "frame_times": edges}}, {})
    uneven = find_video(open_corpus(shown.NAME, load_params()), "one")
    np.testing.assert_array_equal(uneven.times, edges[:-1])
    sheets = [contact_sheet(one, rules(), 8) for one in (even, uneven)]
    assert (sheets[0] != sheets[1]).any(), "the labels"
    assert [tick(frame, uneven.times) for frame in (-1.0, 4.0, 5.0, 8.0)] == ["", "4 · 0.40 s", "5 · 3.50 s", ""]


@pytest.mark.parametrize("frames", [1, 2, 12])
def test_a_sheet_has_room_for_any_number_of_frames(clip: Callable[..., PosedVideo], frames: int) -> None:
    one = clip(shown.keypoints(frames), path="")
    sheet = contact_sheet(one, rules(), 12)
    assert sheet.shape[1] == WIDTH
    assert sheet.shape[0] < 2500
    one = clip(shown.keypoints(), path="", width=3, height=4000)
    assert contact_sheet(one, rules(), frames).shape[1] == WIDTH


def test_a_video_that_has_lost_frames_says_what_to_run(clip: Callable[..., PosedVideo], tmp_path: Path) -> None:
    shown.write_video(tmp_path / "video.mp4", frames=5)
    with pytest.raises(VideoError, match=r"video\.mp4: has 5 frames, but keypoints of 20.*dvc repro"):
        contact_sheet(clip(shown.keypoints()), rules(), 4)


def test_the_command_writes_a_sheet_for_any_id(show: Show, tmp_path: Path) -> None:
    shown.write_video(tmp_path / "video.mp4")
    ids = ["--8pSDeC-fg_8-5-rgb_front", "-g0iPSnQt6w", "../../escape", "a/b\n\x1b[31m$x^2$", "手話"]
    rows = [shown.row(video_id, "video.mp4", text="$\\frac{<b>\x07") for video_id in ids]
    shown.write_corpus(tmp_path, rows, dict.fromkeys(ids, shown.keypoints()))
    for video_id in ids:
        result = show(video_id, "--frames", "3")
        assert result.exit_code == 0, result.output
        written = Path(result.output.partition(".png: ")[0] + ".png")
        assert written.parent == Path("show/demo")
        assert cv2.imread(str(written)).shape[1] == WIDTH
    assert len(list(tmp_path.rglob("*.png"))) == len(ids)
    assert (tmp_path / "show/demo/--8pSDeC-fg_8-5-rgb_front.png").is_file()
    assert show(ids[0], "--output", "elsewhere/sheet.jpg").exit_code == 0
    assert cv2.imread("elsewhere/sheet.jpg").shape[1] == WIDTH


def test_errors_name_what_exists_and_what_to_run(show: Show, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["show", "demo"])
    assert result.exit_code == 1
    assert "params.yaml not found" in result.output

    rows = [shown.row("train-0001", ""), shown.row("train-0002", "", status="missing", detail="x.mp4: no such\nfile")]
    rows += [shown.row("train-0003", ""), shown.row("train-0004", "")]
    shown.write_corpus(tmp_path, rows, {"train-0001": shown.keypoints(), "train-0003": "x.mp4: truncated"})
    for video_id, message in (
        ("train-001", "demo has no video 'train-001'; similar: train-0001"),
        ("0003", "similar: train-0003"),
        ("--frmaes", "demo has no video '--frmaes'; it has 4 videos"),
        ("train-0002", r"no keypoints; its status is 'missing': x.mp4: no such\nfile"),
        ("train-0003", "no keypoints: x.mp4: truncated"),
        ("train-0004", "no keypoints: not in the pose index; run: dvc repro pose@demo"),
    ):
        result = show(video_id)
        assert result.exit_code == 1
        assert message in result.output
    assert "not '.gif'" in show("train-0001", "--output", "sheet.gif").output

    (tmp_path / "data/pose/demo/index.parquet").unlink()
    assert "make it with: dvc repro pose@demo" in show("train-0001").output
    (tmp_path / "data/videos/demo.parquet").unlink()
    assert "make it with: dvc repro prepare@demo" in show("train-0001").output
    assert "datasets in params.yaml has: demo" in CliRunner().invoke(app, ["show", "dmeo"]).output


def test_signs_are_drawn_below_the_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(0.0, 0.8, "manual", "RAIN"), (0.8, 1.5, "manual", "$NOW"), (0.2, 1.9, "nonmanual", "question")]
    signs = pd.DataFrame(rows, columns=["start_s", "end_s", "tier", "label"]).assign(
        video_id="one", source="annotation", score=1.0
    )
    shown.write_corpus(tmp_path, [shown.row("one", "")], {"one": shown.keypoints()}, signs)
    with_signs = find_video(open_corpus(shown.NAME, load_params()), "one")
    assert [lane["label"].tolist() for lane in sign_lanes(with_signs.signs)] == [["RAIN", "$NOW"], ["question"]]
    shown.write_corpus(tmp_path, [shown.row("one", "")], {"one": shown.keypoints()})
    without = find_video(open_corpus(shown.NAME, load_params()), "one")
    sheet, plain = contact_sheet(with_signs, rules(), 3), contact_sheet(without, rules(), 3)
    assert len(sheet) == len(plain) + 60
    assert blue(sheet[:430]) > 1000
    assert blue(plain[:430]) == 0


def test_signs_that_overlap_are_in_lanes_of_their_own() -> None:
    rows = [(0, 2, "b"), (1, 3, "c"), (2, 4, "d"), (0, 1, "a"), (3.5, 5, "e")]
    signs = pd.DataFrame(rows, columns=["start_s", "end_s", "label"]).assign(tier="manual")
    assert [lane["label"].tolist() for lane in sign_lanes(signs)] == [["b", "d"], ["a", "c", "e"]]


def blue(picture: np.ndarray) -> int:
    """How many pixels have the colour of a manual sign's bar."""
    expected = 255 - 0.25 * (255 - np.array([0x3B, 0x6E, 0xA8]))
    return int((np.abs(picture.astype(float) - expected).max(axis=2) < 3).sum())
