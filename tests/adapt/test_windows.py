"""Windows of pixels: which frames they hold, how they are cut, and that memory decides nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import shown
from helpers.films import film

from seds.adapt.signs import Marker, Sign
from seds.adapt.windows import HUES, Draw, Windows, draw_hues, jitter, recolour
from seds.config import Contrast, load_params
from seds.extraction.extractor import Video
from seds.rgb.extractor import crop_middle, make_extractor, resize_to_square
from seds.video import frames

T, SIZE, CROP = 16, 64, 56
UNCHANGED = Draw(0.0, 1.0, (0.0, 0.0), (1.0, 1.0, 1.0), 1.0, mirrored=False)


def video_of(path: Path, frames: int, start_s: float | None = None, end_s: float | None = None) -> Video:
    return Video(path.stem, str(path), start_s, end_s, frames, float(shown.FPS), shown.WIDTH, shown.HEIGHT, "")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 23 frames, each of which is as bright as its number says."""
    path = tmp_path_factory.mktemp("windows") / "v.mp4"
    shown.write_video(path, 23)
    return path


def windows(*signs: Sign, memory: int = 1 << 30, jitter: float = 3, contrast: Contrast = "raw") -> Windows:
    return Windows(signs, 1, SIZE, CROP, T, jitter, contrast, memory)


def numbers(inputs: torch.Tensor) -> list[list[int]]:
    """The frames that a batch [B,3,T,C,C] shows, by their brightness."""
    levels = (inputs.mean(dim=(1, 3, 4)) + 0.5) * 255
    return ((levels - shown.grey(0)) / (shown.grey(1) - shown.grey(0))).round().int().tolist()


def test_middle_window_is_around_its_sign_and_inside_its_video(path: Path) -> None:
    found = windows(*(Sign(video_of(path, 23), 0.0, start, start + 6, 0, ()) for start in (8, 0, 17)))
    (batch,) = found.middle_batches(8, 1)
    assert numbers(batch.inputs) == [[*range(3, 19)], [*range(16)], [*range(7, 23)]]


def test_window_of_a_cut_counts_from_the_start_of_the_cut(path: Path) -> None:
    cut = video_of(path, 23, start_s=0.4, end_s=2.1)  # frames 4 to 20
    (batch,) = windows(Sign(cut, 0.4, 6, 12, 0, ()), Sign(cut, 0.4, 13, 17, 0, ())).middle_batches(8, 1)
    assert numbers(batch.inputs) == [[*range(5, 21)], [*range(5, 21)]]


def test_video_shorter_than_a_window_repeats_its_last_frame(path: Path) -> None:
    cut = video_of(path, 23, start_s=0.4, end_s=1.0)
    (batch,) = windows(Sign(cut, 0.4, 0, 6, 0, ())).middle_batches(8, 1)
    assert numbers(batch.inputs) == [[4, 5, 6, 7, 8, *[9] * 11]]


@pytest.mark.parametrize("contrast", ["raw", "local"])
def test_middle_window_is_what_features_are_extracted_from(path: Path, contrast: Contrast) -> None:
    """The network's features of it are those of the extraction's window that starts at the same frame."""
    profile = load_params(shown.ROOT / "params.yaml").rgb.small.model_copy(
        update={"size": SIZE, "crop": CROP, "width": 0.125, "stride": 1, "contrast": contrast}
    )
    extractor = make_extractor(profile, T, None, "cpu")
    expected = extractor(video_of(path, 23)).tensors["features"]
    (batch,) = windows(Sign(video_of(path, 23), 0.0, 8, 14, 0, ()), contrast=contrast).middle_batches(8, 1)
    found = extractor.features([[*batch.inputs[0].unbind(dim=1)]]).numpy()
    np.testing.assert_allclose(found[0], expected[3], rtol=2**-9, atol=1e-4)


def test_offset_moves_the_window_by_frames(path: Path) -> None:
    found = windows(Sign(video_of(path, 23), 0.0, 8, 14, 0, (Marker(0, 0, 6),)))
    draws = [Draw(offset, 1.0, (0.0, 0.0), (1.0, 1.0, 1.0), 1.0, mirrored=False) for offset in (-3, 3)]
    (batch,) = found.training_batches([([0, 0], draws)], 2)
    assert numbers(batch.inputs) == [[*range(16)], [*range(6, 22)]]
    assert batch.markers.flatten().tolist() == [1.0, 0.0], "counted where the window is, not where the sign is"


def test_unchanged_draw_gives_the_extraction_s_crop() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    found = jitter(frame[None], UNCHANGED, CROP)[0]
    expected = (crop_middle(torch.from_numpy(frame), CROP).permute(1, 2, 0).numpy() + 0.5) * 255
    # OpenCV places pixels on a grid of 1/32 px, where colours between two pixels differ by up to 255.
    assert np.abs(found - expected).max() <= 1 + 2 * 255 / 32
    assert np.abs(found - expected).mean() < 2


def test_training_window_has_the_contrast_of_its_profile(path: Path) -> None:
    """An unchanged draw shows what the middle window shows."""
    found = windows(Sign(video_of(path, 23), 0.0, 8, 14, 0, ()), contrast="local")
    (middle,) = found.middle_batches(8, 1)
    (drawn,) = found.training_batches([([0], [UNCHANGED])], 1)
    torch.testing.assert_close(drawn.inputs, middle.inputs, rtol=0, atol=0.02)  # of levels, which are whole in training
    assert drawn.inputs.abs().max() < 0.1, "frames of one grey have no contrast"


def test_draw_mirrors_moves_scales_and_recolours() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, SIZE, dtype=np.uint8)[None, :, None], (1, SIZE, SIZE, 3)).copy()

    def row(**changes: object) -> np.ndarray:
        return jitter(ramp, Draw(**(vars(UNCHANGED) | changes)), CROP)[0, 0, :, 0].astype(int)

    plain = row()
    np.testing.assert_allclose(row(mirrored=True), plain[::-1], atol=1)
    assert row(shift=(0.1, 0.0))[0] - plain[0] == pytest.approx(25.5, abs=3)
    assert np.ptp(row(scale=0.5)) == pytest.approx(np.ptp(plain) / 2, abs=3)
    np.testing.assert_allclose(row(gain=(0.5, 1.0, 1.0)), plain * 0.5, atol=1)
    np.testing.assert_allclose(row(contrast=0.5), 127.5 + (plain - 127.5) * 0.5, atol=2)


def test_recolouring_changes_each_hue_by_itself() -> None:
    skin, shade, shirt = (236, 188, 158), (118, 94, 79), (44, 92, 128)
    hues = np.ones((HUES, HUES, 3), np.float32)
    hues[:, HUES // 2 :] = 0.5  # no less red than green
    found = recolour(np.array([[skin, shade, shirt]], np.uint8), hues)[0].astype(int)
    np.testing.assert_allclose(found[:2], np.array([skin, shade]) / 2, atol=3)  # half a level of the table
    assert found[2].tolist() == [*shirt]
    again = jitter(np.full((1, SIZE, SIZE, 3), skin, np.uint8), replace(UNCHANGED, hues=hues), CROP)
    assert (again == found[0]).all()


def test_recolouring_of_no_strength_changes_nothing() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(recolour(frame, draw_hues(0.0, np.random.default_rng(0))), frame)


def test_draws_stay_within_the_profile() -> None:
    profile = load_params(shown.ROOT / "params.yaml").adapt.small
    found = windows(Sign(video_of(Path("v.mp4"), 99), 0.0, 20, 30, 0, ()))
    generator = np.random.default_rng(0)
    draws = [found.draw(profile, 0, generator) for _ in range(500)]
    assert max(abs(draw.offset) for draw in draws) <= 3
    assert max(abs(draw.scale - 1) for draw in draws) <= profile.scale
    assert len({draw.mirrored for draw in draws}) == 1, "never mirrored"


@pytest.mark.parametrize("memory", [0, 23 * SIZE * SIZE * 3])
def test_memory_changes_no_window(path: Path, tmp_path: Path, memory: int) -> None:
    other = film(tmp_path / "b.mp4", frames=30)
    signs = [Sign(video_of(name, 23), 0.0, start, start + 6, 0, ()) for name in (path, other) for start in (0, 9, 15)]
    plenty, little = windows(*signs), windows(*signs, memory=memory)
    assert plenty.drop_unreadable(2) == little.drop_unreadable(1) == []
    for one, two in zip(plenty.middle_batches(4, 2), little.middle_batches(4, 1), strict=True):
        torch.testing.assert_close(one.inputs, two.inputs, rtol=0, atol=0)
    assert sum(frames.nbytes for frames in little.frames._kept.values()) <= memory


def test_signs_of_a_file_that_cannot_be_decoded_are_dropped(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    found = windows(*(Sign(video_of(name, 23), 0.0, 8, 14, 0, ()) for name in (broken, path)))
    ((reason, video_id, detail),) = found.drop_unreadable(2)
    assert (reason, video_id) == ("cannot be decoded", "broken")
    assert "broken.mp4" in detail
    assert [sign.video.video_id for sign in found.signs] == ["v"]
    (batch,) = found.middle_batches(8, 1)
    assert numbers(batch.inputs) == [[*range(3, 19)]]


def test_frames_are_resized_as_those_of_features(path: Path) -> None:
    found = windows(Sign(video_of(path, 23), 0.0, 8, 14, 0, ()))
    expected = [resize_to_square(frame, SIZE) for frame in frames(path)][: len(found.frames[0])]
    np.testing.assert_array_equal(found.frames[0], expected)
