"""A user's video, extracted as the stages extract the corpus's: keypoints, RGB features and windows for the model.

The extraction runs in a process of its own: native decoders and detectors may crash on what a file holds, and must not
take their caller with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from seds.config import Params, SampleRules
from seds.data import samples
from seds.errors import unicode_text
from seds.extraction import imported
from seds.extraction.extractor import Extraction, Extractor, ExtractorSpec, Video
from seds.index.store import Header, SearchError
from seds.messages import printable
from seds.pose import estimators
from seds.recognizers import extractor
from seds.system import workers
from seds.timing import FRAME_TIMES, frame_edges
from seds.video import VideoError, VideoInfo, probe

# Settings that change results only by rounding: what a GPU extracted in half precision can be searched on a laptop.
_ROUNDING = {"precision", "compiled"}
_SOMETIMES = ("adapted", "alpha")  # settings of features that an adapted encoder has a share in


@dataclass(frozen=True)
class ClipSample:
    """A video ready for the model. edges: float64 [T+1] s, when each of its frames begins and the last one ends."""

    video: samples.Video
    edges: np.ndarray


@dataclass(frozen=True)
class Extracted:
    """A file's keypoints and RGB features."""

    info: VideoInfo
    pose: Extraction
    rgb: Extraction


@dataclass(frozen=True)
class Extractors:
    """How the keypoints and RGB features of a corpus are extracted."""

    pose: ExtractorSpec
    rgb: ExtractorSpec | None  # None if the model reads no features
    rgb_window: int  # frames

    def make(self) -> tuple[Extractor, Extractor]:
        """The extractors of keypoints and of features, in the process that uses them."""
        return self.pose.make(), self.rgb.make() if self.rgb else _no_features


def extractors(header: Header, params: Params) -> Extractors:
    """The extractors that made the corpus of an index. Raises SearchError if params.yaml now describes others."""
    name = header.dataset
    if imported.is_imported(params.dataset(name)):
        raise SearchError(
            f"the keypoints and features of {name} were imported, and how they were extracted is not known, so a new "
            "video cannot be compared with them; search with one of the corpus's own videos, by its id"
        )
    pose, rgb = estimators.corpus_extractor(params, name), extractor.corpus_extractor(params, name)
    for spec, settings in ((pose, header.pose), (rgb, header.rgb)):
        gone = [key for key in _SOMETIMES if key in settings and key not in spec.settings]
        now = dict(spec.settings) | dict.fromkeys(gone)
        differing = [
            f"{key} {settings.get(key)!r}, now {value!r}"
            for key, value in now.items()
            if key not in _ROUNDING and settings.get(key) != value
        ]
        if differing:
            raise SearchError(
                f"the index of {name} was extracted with other settings than params.yaml has now ({spec.kind}: "
                f"{'; '.join(differing)}); run: dvc repro index@{name}"
            )
    return Extractors(pose, rgb if "rgb" in header.streams else None, int(rgb.settings["window"]))


def load_clip(path: Path, how: Extractors, rules: SampleRules) -> ClipSample:
    """Extract a file. Raises SearchError if it is not a video, is too damaged, or shows no hand."""
    name = printable(path.name)
    try:
        info = probe(path)
    except (VideoError, OSError) as error:
        raise SearchError(f"{name} cannot be read: {_reason(error, path)}") from None
    ((_, outcome),) = workers.run_tasks([partial(_ExtractInProcess, how)], [whole_file(path, info)])
    if isinstance(outcome, workers.Death):
        raise SearchError(f"{name} cannot be read: {outcome.how}")
    if isinstance(outcome, str):
        raise SearchError(f"{name} cannot be read: {outcome}")
    return ready_clip(path, outcome, how, rules)


def whole_file(path: Path, info: VideoInfo) -> Video:
    """A file from its first frame to its last, as extractors take it."""
    return Video(
        unicode_text(path.name), str(path), None, None, info.frames, info.fps, info.width, info.height, sha256=""
    )


def ready_clip(path: Path, extracted: Extracted, how: Extractors, rules: SampleRules) -> ClipSample:
    """The clip of a file's keypoints and features. Raises SearchError if no hand is visible in it."""
    info, keypoints, features = extracted.info, extracted.pose.tensors["keypoints"], extracted.rgb.tensors
    prepared = samples.make_sample(keypoints, info.width, info.height, features["starts"], how.rgb_window, rules)
    if not len(prepared.raw_frames):
        raise SearchError(
            f"{printable(path.name)}: no hand is visible in any of its {len(keypoints)} frames; nothing to compare"
        )
    ready = samples.Video(
        **vars(prepared), features=features["features"], video_id=unicode_text(path.name), sentence_id="", text=""
    )
    return ClipSample(ready, frame_edges(extracted.pose.tensors.get(FRAME_TIMES), len(keypoints), info.fps))


class _ExtractInProcess:
    """In the process of its own: Video -> what was extracted, or what is wrong with the file."""

    def __init__(self, how: Extractors) -> None:
        self._pose, self._rgb = how.make()

    def __call__(self, video: Video) -> Extracted | str:
        info = VideoInfo(video.frames, video.fps, video.width, video.height)
        try:
            return Extracted(info, self._pose(video), self._rgb(video))
        except (ValueError, OSError, MemoryError) as error:
            return _reason(error, Path(video.path))


def _no_features(video: Video) -> Extraction:
    return Extraction({"features": np.zeros((1, 1), np.float16), "starts": np.zeros(1, np.int32)}, 0, 1)


def _reason(error: BaseException, path: Path) -> str:
    """Without the path, which is no use to a server's visitor."""
    return unicode_text(str(error)).removeprefix(unicode_text(f"{path}: ")) or type(error).__name__
