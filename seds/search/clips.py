"""A video of any origin made what the model reads, as the stages make the corpus's: keypoints, features, windows.

The extraction runs in a process of its own: native decoders and detectors may die of what a file holds, and whoever
asked must not die with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from seds.config import Params, Windows
from seds.data import samples
from seds.extraction import imported
from seds.extraction.extractor import Build, Extraction, Extractor, Video
from seds.index.store import Header, SearchError
from seds.messages import printable
from seds.pose.estimators import estimator
from seds.rgb.extractor import build_extractor, describe
from seds.system import workers
from seds.timing import FRAME_TIMES, frame_edges
from seds.video import VideoError, VideoInfo, probe

# Settings that change results by rounding alone: what a GPU extracted in half precision is searched on a laptop, too.
_ROUNDING = {"precision", "compiled"}


@dataclass(frozen=True)
class ClipSample:
    """A video ready for the model. edges: float64 [T+1] s, when each of its frames begins and the last one ends."""

    video: samples.Video
    edges: np.ndarray


@dataclass(frozen=True)
class Extracted:
    """What was found in a file."""

    info: VideoInfo
    pose: Extraction
    rgb: Extraction


@dataclass(frozen=True)
class Extractors:
    """How a corpus's keypoints and features are extracted, as two picklable builders."""

    pose: Build
    rgb: Build | None  # None where the model reads no features
    rgb_window: int  # frames


def extractors(header: Header, params: Params) -> Extractors:
    """Those that made the corpus of an index. Raises SearchError where params.yaml now describes others."""
    name = header.dataset
    if params.dataset(name).corpus == imported.CORPUS:
        raise SearchError(
            f"the keypoints and features of {name} were imported, and what made them is not known: a new video cannot "
            "be made comparable; search with one of its own, by id"
        )
    profile = params.profile(name)
    pose_profile, rgb_profile = params.pose.of(profile), params.rgb.of(profile)
    device = params.device()
    pose_device = device if pose_profile.estimator == "mmpose" else "cpu"
    chosen = pose_profile.on(pose_device)
    pose = estimator(chosen.estimator, **chosen.model_dump(exclude={"estimator"}), device=pose_device)
    features = rgb_profile.on(device)
    for stage, made, now in (
        ("pose", header.pose, pose.settings),
        ("rgb", header.rgb, describe(features, params.rgb.window)),
    ):
        differing = [
            f"{key} {made.get(key)!r}, now {value!r}"
            for key, value in now.items()
            if key not in _ROUNDING and made.get(key) != value
        ]
        if differing:
            raise SearchError(
                f"what the index of {name} holds was extracted otherwise than a new video would be ({stage}: "
                f"{'; '.join(differing)}); run: dvc repro index@{name}"
            )
    build_rgb = partial(build_extractor, features, params.rgb.window, device)
    return Extractors(pose.build, build_rgb if "rgb" in header.streams else None, params.rgb.window)


def load_clip(path: Path, how: Extractors, rules: Windows, wrist_margin: float | None) -> ClipSample:
    """Raises SearchError: no video, too damaged, or no hand in it."""
    name = printable(path.name)
    try:
        info = probe(path)
    except (VideoError, OSError) as error:
        raise SearchError(f"{name} is no video that can be read: {_reason(error, path)}") from None
    ((_, outcome),) = workers.run_tasks([partial(_ExtractInProcess, how)], [whole(path, info)])
    if isinstance(outcome, workers.Death):
        raise SearchError(f"{name} cannot be read: {outcome.how}")
    if isinstance(outcome, str):
        raise SearchError(f"{name} cannot be read: {outcome}")
    return ready_clip(path, outcome, how, rules, wrist_margin)


def whole(path: Path, info: VideoInfo) -> Video:
    """A file from its first frame to its last, as extractors take it."""
    return Video(path.name, str(path), None, None, info.frames, info.fps, info.width, info.height, sha256="")


def ready_clip(path: Path, found: Extracted, how: Extractors, rules: Windows, wrist_margin: float | None) -> ClipSample:
    """The clip of what was extracted from a file. Raises SearchError: no hand in it."""
    info, keypoints, features = found.info, found.pose.tensors["keypoints"], found.rgb.tensors
    prepared = samples.prepare(
        keypoints, info.width, info.height, features["starts"], how.rgb_window, rules, wrist_margin
    )
    if not len(prepared.raw_frames):
        raise SearchError(
            f"{printable(path.name)}: no hand is visible in any of its {len(keypoints)} frames; nothing to compare"
        )
    ready = samples.Video(**vars(prepared), features=features["features"], video_id=path.name, sentence_id="", text="")
    return ClipSample(ready, frame_edges(found.pose.tensors.get(FRAME_TIMES), len(keypoints), info.fps))


def build_both(how: Extractors) -> tuple[Extractor, Extractor]:
    """The two extractors, pose and rgb, in the process that uses them."""
    return how.pose(), how.rgb() if how.rgb else _no_features


class _ExtractInProcess:
    """Video -> what was found in it, or what is wrong with it."""

    def __init__(self, how: Extractors) -> None:
        self._pose, self._rgb = build_both(how)

    def __call__(self, video: Video) -> Extracted | str:
        info = VideoInfo(video.frames, video.fps, video.width, video.height)
        try:
            pose, rgb = self._pose(video), self._rgb(video)
            return Extracted(info, pose, rgb)
        except (ValueError, OSError, MemoryError) as error:
            return _reason(error, Path(video.path))


def _no_features(video: Video) -> Extraction:
    return Extraction({"features": np.zeros((1, 1), np.float16), "starts": np.zeros(1, np.int32)}, 0, 1)


def _reason(error: BaseException, path: Path) -> str:
    """Without the path, which a server's visitor has no use for."""
    return str(error).removeprefix(f"{path}: ") or type(error).__name__
