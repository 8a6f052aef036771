"""A contact sheet: frames of one video with their keypoints and hand crops, below a plot of confidence over time and of
the signs whose time is known.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from seds import tables
from seds.config import Manifest, Params, SampleRules
from seds.data.hands import Frame
from seds.errors import SedsError
from seds.messages import printable, safe_filename
from seds.shards import ShardReader
from seds.show.draw import Colour, draw, draw_box, draw_crops
from seds.show.quality import Track, track_hands
from seds.show.timeline import timeline
from seds.system.files import write_bytes
from seds.system.workspace import require_outputs
from seds.timing import FRAME_TIMES, frame_edges
from seds.video import VideoError, frames
from seds.video.boxes import Box, parse_box
from seds.video.cuts import cut_bounds

FOLDER = Path("show")  # of sheets and pages, with a folder per corpus; not an output of the pipeline
WIDTH = 1600  # px of a sheet
_IMAGES = (".png", ".jpg", ".jpeg")
_LABEL = 26  # px, height of the label above a frame
_GAP = 8  # px between frames
_PLAIN = 40  # grey level of the background if a corpus has keypoints but no videos
_KEPT, _DROPPED, _SIGNER = (35, 35, 35), (176, 0, 32), (255, 255, 255)


class ShowError(SedsError, ValueError):
    """A video that cannot be shown; the message says which one and why."""


@dataclass(frozen=True)
class PosedVideo:
    """A video with its keypoints, and how the pipeline reads them."""

    video_id: str
    text: str
    split: str
    signer: str
    path: str  # "" if only keypoints were released
    start_s: float | None
    end_s: float | None
    fps: float
    width: int  # px
    height: int
    bbox: Box | None
    keypoints: np.ndarray  # [T,133,3]
    times: np.ndarray  # [T] s from the cut's start, when each frame is shown
    track: Track
    signs: pd.DataFrame  # its rows of SIGNS


@dataclass(frozen=True)
class Corpus:
    """The videos and keypoints of a corpus, and the rules of its hand crops."""

    name: str
    videos: pd.DataFrame  # VIDEOS
    signs: pd.DataFrame  # SIGNS
    pose: ShardReader
    rules: SampleRules

    def posed(self, video: Any) -> PosedVideo:
        """The keypoints of a video, a row (of itertuples) of the videos table. Raises ShardError."""
        (keypoints,) = self.pose.read(video.video_id, ("keypoints",))
        return PosedVideo(
            video.video_id,
            video.text,
            video.split,
            video.signer,
            video.path,
            *cut_bounds(video.start_s, video.end_s),
            video.fps,
            video.width,
            video.height,
            parse_box(video.bbox),
            keypoints,
            frame_edges(self.pose.find(video.video_id, FRAME_TIMES), len(keypoints), video.fps)[:-1],
            track_hands(keypoints, Frame.of(video.width, video.height, self.rules), self.rules),
            self.signs[self.signs["video_id"] == video.video_id],
        )


def open_corpus(name: str, params: Params, data: Path = Path("data")) -> Corpus:
    """Open the outputs of the stages prepare and pose. Raises MissingOutputError, TableError, ShardError."""
    require_outputs(name, "prepare", "pose", params=params, root=data.parent)
    rules = params.rules(name)
    made_by = f"dvc repro prepare@{name}"
    videos = tables.read(data / "videos" / f"{name}.parquet", tables.VIDEOS, made_by)
    signs = tables.read(data / "signs" / f"{name}.parquet", tables.SIGNS, made_by)
    return Corpus(name, videos, signs, ShardReader(data / "pose" / name, "pose"), rules)


def find_video(corpus: Corpus, video_id: str) -> PosedVideo:
    """The video with that id. Raises ShowError if it is unknown (naming similar ids) or has no keypoints (and why)."""
    rows = corpus.videos[corpus.videos["video_id"] == video_id]
    if rows.empty:
        raise ShowError(
            f"{corpus.name} has no video {printable(video_id)!r}{_similar(video_id, corpus.videos['video_id'])}"
        )
    video = next(rows.itertuples())
    if video.status != "ok":
        raise ShowError(
            f"{printable(video_id)!r} has no keypoints; its status is {video.status!r}: {printable(video.detail, 400)}"
        )
    if video_id not in corpus.pose:
        index = corpus.pose.index
        details = index.loc[index["video_id"] == video_id, "detail"].tolist()
        reason = details[0] if details else f"not in the pose index; run: dvc repro pose@{corpus.name}"
        raise ShowError(f"{printable(video_id)!r} has no keypoints: {printable(reason, 400)}")
    return corpus.posed(video)


def spaced_frames(track: Track, count: int) -> list[int]:
    """`count` evenly spaced frames among those that are read, including the first and last; all if there are fewer."""
    indices = np.linspace(0, len(track.read) - 1, min(count, len(track.read)))
    return track.read[np.rint(indices).astype(int)].tolist()


def draw_frames(video: PosedVideo, numbers: Sequence[int], width: int, rules: Manifest) -> list[np.ndarray]:
    """Frames of a video, `width` px wide, with skeleton, hand crops and the signer's box; uint8 [H,width,3] RGB each.

    numbers: of the frames, ascending. Joints at or below the gate are not drawn. Raises VideoError.
    """
    scale = width / video.width
    size = (width, max(1, round(video.height * scale)))
    drawn = []
    for number, image in zip(numbers, _decoded(video, numbers), strict=True):
        smoothing = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        points = np.nan_to_num(video.keypoints[number]) * np.array([scale, scale, 1])
        picture = draw(cv2.resize(image, size, interpolation=smoothing), points, rules.gate)
        draw_crops(picture, video.track, number, scale)
        if video.bbox is not None:
            draw_box(picture, video.bbox, _SIGNER, scale)
        drawn.append(picture)
    return drawn


def frame_state(track: Track, number: int) -> str:
    """What the model gets of a frame: "kept: both hands", "kept: left hand", "kept: right hand" or "dropped"."""
    left, right = track.left.visible[number], track.right.visible[number]
    if not (left or right):
        return "dropped"
    return "kept: both hands" if left and right else "kept: left hand" if left else "kept: right hand"


def contact_sheet(video: PosedVideo, rules: Manifest, count: int) -> np.ndarray:
    """`count` frames of a video, or all if there are fewer, below its timeline; uint8 [H,1600,3] RGB.

    Raises VideoError.
    """
    numbers = spaced_frames(video.track, count)
    # The sheet is about 10:16, whatever the frames' shape. Small frames are at most doubled in size.
    columns = round(math.sqrt(1.6 * len(numbers) * video.height / video.width))
    columns = min(len(numbers), max(1, columns, math.ceil(WIDTH / (2 * video.width + _GAP))))
    width = min((WIDTH - _GAP) // columns - _GAP, 2 * video.width)
    images = draw_frames(video, numbers, width, rules)
    top = timeline(video.track, video.times, rules.gate, numbers, _title(video), _captions(video), WIDTH, video.signs)

    cell = images[0].shape[0] + _LABEL + _GAP
    sheet = np.full((len(top) + math.ceil(len(images) / columns) * cell + _GAP, WIDTH, 3), 255, np.uint8)
    sheet[: len(top)] = top
    for i, (number, image) in enumerate(zip(numbers, images, strict=True)):
        y = len(top) + i // columns * cell
        x = _GAP + i % columns * (width + _GAP)
        state = frame_state(video.track, number)
        label = f"{number}   {video.times[number]:.2f} s   {state}"
        sheet[y : y + _LABEL, x : x + width] = _label(label, width, _DROPPED if state == "dropped" else _KEPT)
        sheet[y + _LABEL : y + _LABEL + len(image), x : x + width] = image
    return sheet


def write_sheet(corpus: Corpus, video_id: str, output: Path | None, frames: int) -> str:
    """Write the contact sheet of a video, by default to show/<corpus>/<video>.png. Returns a line to print.

    Raises ShowError (see find_video, or a suffix other than .png, .jpg, .jpeg), ShardError, VideoError.
    """
    video = find_video(corpus, video_id)
    path = output or FOLDER / corpus.name / f"{safe_filename(video_id)}.png"
    if path.suffix.lower() not in _IMAGES:
        raise ShowError(
            f"{path}: a contact sheet must end in {', '.join(_IMAGES)}, not {path.suffix or 'without suffix'!r}"
        )
    _, data = cv2.imencode(path.suffix.lower(), contact_sheet(video, corpus.rules, frames)[..., ::-1])
    write_bytes(path, data.tobytes())
    return f"{path}: {_captions(video)[1]}"


def _decoded(video: PosedVideo, numbers: Sequence[int]) -> Iterable[np.ndarray]:
    """The frames with those numbers; decoding ends at the last."""
    if not video.path:
        yield from [np.full((video.height, video.width, 3), _PLAIN, np.uint8)] * len(numbers)
        return
    wanted, count = set(numbers), 0
    for count, image in enumerate(frames(video.path, video.start_s, video.end_s, video.fps), start=1):
        if count - 1 in wanted:
            yield image
        if count > numbers[-1]:
            return
    raise VideoError(
        f"{video.path}: has {count} frames, but keypoints of {len(video.keypoints)}; it has changed; run: dvc repro"
    )


def _title(video: PosedVideo) -> str:
    parts = [printable(video.video_id, 90), video.split, video.signer and f"signer {printable(video.signer, 40)}"]
    return "  ·  ".join(filter(None, parts))


def _captions(video: PosedVideo) -> tuple[str, str]:
    read, total, dropped = len(video.track.read), len(video.keypoints), int(video.track.dropped.sum())
    counts = f"{total} frames" + (f", {read} read" if read < total else "") + f", {dropped} dropped"
    rate = f"{video.fps:.5g} fps, {video.width}×{video.height} px"
    legend = "solid box: hand detected, dashed: guessed from the arm" + (", white: signer" if video.bbox else "")
    cut = ""
    if video.start_s is not None or video.end_s is not None:
        end = "end" if video.end_s is None else f"{video.end_s:.2f} s"
        cut = f"{video.start_s or 0:.2f} s to {end} of {printable(Path(video.path).name, 40)}"
    missing = "" if video.path else "no video, only keypoints"
    return printable(video.text, 180), "   |   ".join(filter(None, [counts, rate, cut, missing, legend]))


def _label(text: str, width: int, colour: Colour) -> np.ndarray:
    """White on `colour`, uint8 [_LABEL,width,3]."""
    image = np.full((_LABEL, width, 3), colour, np.uint8)
    cv2.putText(image, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def _similar(video_id: str, known: pd.Series) -> str:
    """Ids that contain the text, else those with the most similar spelling, as the end of a message."""
    text = video_id[:200]
    containing = [name for name in known if text and text in name][:5]
    matches = containing or difflib.get_close_matches(text, known.tolist(), 5, 0.5)
    return (
        "; similar: " + ", ".join(printable(name) for name in matches) if matches else f"; it has {len(known)} videos"
    )
