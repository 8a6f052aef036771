"""From recorded keypoints to what the pose encoder reads: boxes, retained frames, coordinates, windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from seds.config import Manifest
from seds.data import hands
from seds.data.windows import pose_windows
from seds.skeleton import JOINTS
from seds.verify.arrays import Arrays, NotCompared, RecordingError, as_recorded
from seds.verify.comparison import Comparison, Note, Result, absolute, same

# The published loaders' names for the values of Manifest.
RULE_NAMES = {
    "gate": "threshold",
    "visible": "frames_threshold",
    "max_frames": "max_length_frames",
    "window": "slide_windows",
    "max_windows": "feature_len",
    "visible_joints": "LEN_KPS",
    "arm": "THRE",
}
CROP, STRIDE, INTERVAL = "crop_size", "windows_stride", "interval"  # options that ours has no setting for
# Loader -> how far from the frame's bottom its elbow fallback needs a wrist to be, px; None = anywhere.
WRIST_MARGINS = {"ph": None, "csl": 50.0, "h2s": 50.0}
SAMPLES_BY_INTERVAL = ("ph",)  # loaders that keep at most every `interval`-th frame of a video longer than max_frames
PARTS = ("left", "right", "body")
PIXELS = 1e-4  # limit of coordinates, px


@dataclass(frozen=True)
class Options:
    """How a file of keypoints was recorded. frames: with the wrist margins that it may have been recorded with."""

    rules: Manifest
    frames: tuple[hands.Frame, ...]
    stride: int = 1
    crop: float = hands.CROP
    interval: int = 1
    notes: list[str] = field(default_factory=list)

    def check_sampling(self, frames: int) -> None:
        """Raises NotCompared where the recorded loader keeps other frames than ours of a video of that many."""
        step = -(-frames // self.rules.max_frames)
        if step > 1 and self.interval > step:
            raise NotCompared(f"{INTERVAL} {self.interval} is not offered; of {frames} frames ours keeps one in {step}")


def keypoints(recorded: Arrays) -> Iterator[Result]:
    """Boxes, retained frames, coordinates, windows; and that what stops the published loader is answered."""
    options = read_options(recorded, recorded.label.removeprefix("keypoints_"))
    for note in options.notes:
        yield Note(recorded.label, note)
    for case in dict.fromkeys(name.rsplit("/", 1)[0] for name in recorded if name.endswith("/keypoints")):
        yield from as_recorded(f"{recorded.label}/{case}", _case(recorded, case, options))


def _case(recorded: Arrays, case: str, options: Options) -> Iterator[Result]:
    label, points, rules = f"{recorded.label}/{case}", read_points(recorded, case), options.rules
    retained = retained_frames(points, options)
    names = _frame_names(recorded, case, len(points))
    if error := recorded.text(f"{case}/error", ""):
        yield _answered(label, retained)
        yield Note(label, f"the release raises {error.split(':')[0]}; ours does not, {_summary(retained, points)}")
        return
    if missing := int((~np.isfinite(points).all(2)).sum()):
        yield _answered(label, retained)
        yield Note(
            label, f"ours takes {missing} joints that are not finite for not detected; {_summary(retained, points)}"
        )
        return
    options.check_sampling(len(points))
    yield from _boxes(recorded, case, points, names, options)
    if names is not None and f"{case}/kept_frames" in recorded:
        names_retained = names[retained.frames].tolist()
        yield same(f"{label}/kept_frames", names_retained, recorded.strings(f"{case}/kept_frames"))
    if options.crop == hands.CROP:
        for part in PARTS:
            yield from _either(recorded, case, part, filled(getattr(retained, part), rules.window), PIXELS)
    if options.stride == 1:
        starts = pose_windows(len(retained.frames), rules.window, rules.max_windows)
        for name, ours in (
            ("clips_start", window_slots(starts, rules.max_windows)),
            ("mask", window_mask(len(starts), rules.max_windows)),
        ):
            if f"{case}/{name}" in recorded:
                yield same(f"{label}/{name}", ours, recorded.numbers(f"{case}/{name}"))


def _boxes(
    recorded: Arrays, case: str, points: np.ndarray, names: np.ndarray | None, options: Options
) -> Iterator[Result]:
    sampled = hands.sample_frames(len(points), options.rules.max_frames)
    for side, hand in (("left", hands.LEFT), ("right", hands.RIGHT)):
        boxes = hands.hand_boxes(points[sampled], hand, options.frames[0], options.rules)
        seen = boxes[:, 2] > 0
        x, y, size = boxes[seen].T
        if names is not None and f"{case}/bbox_frames_{side}" in recorded:
            frames, expected = names[sampled][seen].tolist(), recorded.strings(f"{case}/bbox_frames_{side}")
            yield same(f"{recorded.label}/{case}/bbox_frames_{side}", frames, expected)
        yield from _either(recorded, case, f"bbox_{side}", np.stack([x, x + size, y, y + size], axis=1), 0.0)


def filled(frames: np.ndarray, window: int) -> np.ndarray:
    """A video shorter than a window repeats its last frame; the model does so itself, the recorded loader before it."""
    return np.concatenate([frames, np.repeat(frames[-1:], max(0, window - len(frames)), axis=0)])


def window_slots(starts: np.ndarray, slots: int) -> np.ndarray:
    """Starts as recorded: padded with -1."""
    return np.pad(starts, (0, slots - len(starts)), constant_values=-1)


def window_mask(windows: int, slots: int) -> np.ndarray:
    """As recorded: 0 = valid, the class token first."""
    return (np.arange(slots + 1) > windows).astype(np.int64)


def read_options(recorded: Arrays, corpus: str) -> Options:
    """Raises NotCompared where an option changes all that is compared."""
    values: dict[str, float] = {}
    if "cfg_names" in recorded:
        names = recorded.strings("cfg_names")
        values = dict(zip(names, recorded.numbers("cfg_values", len(names)).tolist(), strict=True))
    if unknown := [f"{name} {value:g}" for name, value in values.items() if name not in _KNOWN]:
        raise NotCompared(f"recorded with options that are not offered: {', '.join(unknown)}")
    whole = ("max_frames", "window", "max_windows", "visible_joints")
    chosen: dict[str, Any] = {ours: values[theirs] for ours, theirs in RULE_NAMES.items() if theirs in values}
    try:
        rules = Manifest(**{name: int(value) if name in whole else value for name, value in chosen.items()})
    except ValidationError as error:
        wrong = ", ".join(f"{RULE_NAMES[str(e['loc'][0])]} {e['input']}" for e in error.errors())
        raise NotCompared(f"recorded with options that are not offered: {wrong}") from None
    width, height = recorded.numbers("image_size_wh", 2).tolist()
    loader = corpus.split("_")[0]
    stride, crop = int(values.get(STRIDE, 1)), values.get(CROP, hands.CROP)
    notes = []
    if stride != 1:
        notes.append(f"{STRIDE} {stride} is not offered, only 1; windows are not compared")
    if crop != hands.CROP:
        notes.append(f"{CROP} {crop:g} is not offered, only {hands.CROP:g}; coordinates are not compared")
    if loader not in WRIST_MARGINS:
        notes.append(f"unknown loader {loader!r}; known: {', '.join(WRIST_MARGINS)}; compared where their rules agree")
    margins = (WRIST_MARGINS[loader],) if loader in WRIST_MARGINS else tuple(dict.fromkeys(WRIST_MARGINS.values()))
    interval = int(values.get(INTERVAL, 1)) if loader in SAMPLES_BY_INTERVAL else 1
    frames = tuple(hands.Frame(width, height, margin) for margin in margins)
    return Options(rules, frames, stride, crop, interval, notes)


_KNOWN = {*RULE_NAMES.values(), CROP, STRIDE, INTERVAL}


def read_points(recorded: Arrays, case: str) -> np.ndarray:
    return recorded.numbers(f"{case}/keypoints", "T", JOINTS, 3)


def _frame_names(recorded: Arrays, case: str, frames: int) -> np.ndarray | None:
    if f"{case}/img_list" not in recorded:
        return None
    names = np.array(recorded.strings(f"{case}/img_list"))
    if len(names) != frames:
        raise RecordingError(f"{recorded.path.name}: {case}/img_list has {len(names)} names for {frames} frames")
    return names


def retained_frames(points: np.ndarray, options: Options) -> hands.Retained:
    """Raises NotCompared where it depends on the loader which frames are retained."""
    first, *others = (hands.retain(points, frame, options.rules) for frame in options.frames)
    for other in others:
        if not all(np.array_equal(value, getattr(other, name)) for name, value in vars(first).items()):
            raise NotCompared("the loaders differ here in how near the frame's bottom a wrist may be")
    return first


def _answered(label: str, retained: hands.Retained) -> Comparison:
    finite = all(np.isfinite(getattr(retained, part)).all() for part in PARTS)
    return same(f"{label} (finite)", finite, True)


def _summary(retained: hands.Retained, points: np.ndarray) -> str:
    return (
        f"it keeps {len(retained.frames)} of {len(points)} frames, left hand in {retained.left_seen.sum()}, "
        f"right in {retained.right_seen.sum()}"
    )


def _either(recorded: Arrays, case: str, name: str, ours: np.ndarray, limit: float) -> Iterator[Result]:
    """Against the array, or the alternate that another NumPy's rounding of box halves gives; nothing without it."""
    key = f"{case}/{name}"
    if key in recorded:
        alternates = [recorded.numbers(theirs) for theirs in (key, f"np2/{key}") if theirs in recorded]
        results = [absolute(f"{recorded.label}/{key}", ours, expected, limit) for expected in alternates]
        yield min(results, key=lambda result: result.error)
