"""A contact sheet: frames of one video with what was found in them, under its confidence over time."""

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
from seds.show.quality import Track, follow
from seds.show.strip import strip
from seds.system.files import write_bytes
from seds.timing import FRAME_TIMES, frame_edges
from seds.video import VideoError, frames
from seds.video.boxes import Box, parse_box
from seds.video.cuts import cut_bounds

FOLDER = Path("show")  # of sheets and pages, below it one folder a corpus; nothing of the pipeline's
WIDTH = 1600  # px of a sheet
_IMAGES = (".png", ".jpg", ".jpeg")
_LABEL = 26  # px of the line above a frame
_GAP = 8  # px around frames
_PLAIN = 40  # grey level drawn on where a corpus has keypoints but no videos
_KEPT, _DROPPED, _SIGNER = (35, 35, 35), (176, 0, 32), (255, 255, 255)


class ShowError(SedsError, ValueError):
    """A video that cannot be shown; the message says which, why, and what could be."""


@dataclass(frozen=True)
class PosedVideo:
    """A video that has keypoints, and what the pipeline makes of them."""

    video_id: str
    text: str
    split: str
    signer: str
    path: str  # "" where only keypoints were released
    start_s: float | None
    end_s: float | None
    fps: float
    width: int  # px
    height: int
    bbox: Box | None
    keypoints: np.ndarray  # [T,133,3]
    times: np.ndarray  # [T] s since the cut's start, when each frame is shown
    track: Track


@dataclass(frozen=True)
class Corpus:
    """The tables and shards of a corpus that are looked at, and the rules of its hand crops."""

    name: str
    videos: pd.DataFrame  # VIDEOS
    pose: ShardReader
    rules: SampleRules

    def clip(self, video: Any) -> PosedVideo:
        """A row (of itertuples) of the videos table with its keypoints. Raises ShardError."""
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
            follow(keypoints, Frame.of(video.width, video.height, self.rules), self.rules),
        )


def open_corpus(name: str, params: Params, data: Path = Path("data")) -> Corpus:
    """What stages prepare and pose made of a corpus. Raises ConfigError, TableError, ShardError: what to run."""
    rules = params.rules(name)
    videos = tables.read(data / "videos" / f"{name}.parquet", tables.VIDEOS, f"dvc repro prepare@{name}")
    return Corpus(name, videos, ShardReader(data / "pose" / name, "pose"), rules)


def find(corpus: Corpus, video_id: str) -> PosedVideo:
    """The video of that id. Raises ShowError: unknown, with ids like it, or without keypoints, with the reason."""
    rows = corpus.videos[corpus.videos["video_id"] == video_id]
    if rows.empty:
        raise ShowError(
            f"{corpus.name} has no video {printable(video_id)!r}{_like(video_id, corpus.videos['video_id'])}"
        )
    video = next(rows.itertuples())
    if video.status != "ok":
        raise ShowError(
            f"{printable(video_id)!r} has no keypoints, it is {video.status}: {printable(video.detail, 400)}"
        )
    if video_id not in corpus.pose:
        index = corpus.pose.index
        details = index.loc[index["video_id"] == video_id, "detail"].tolist()
        why = details[0] if details else f"not in the pose index; run: dvc repro pose@{corpus.name}"
        raise ShowError(f"{printable(video_id)!r} has no keypoints: {printable(why, 400)}")
    return corpus.clip(video)


def evenly(track: Track, count: int) -> list[int]:
    """The first, the last and evenly spaced ones between of the frames that are read; all where there are fewer."""
    places = np.linspace(0, len(track.read) - 1, min(count, len(track.read)))
    return track.read[np.rint(places).astype(int)].tolist()


def pictures(clip: PosedVideo, numbers: Sequence[int], width: int, rules: Manifest) -> list[np.ndarray]:
    """Frames of a clip, `width` px wide, with skeleton, hand crops and the signer's box; uint8 [H,width,3] RGB each.

    numbers: ascending. Joints at or below the gate are not drawn. Raises VideoError.
    """
    scale = width / clip.width
    size = (width, max(1, round(clip.height * scale)))
    drawn = []
    for number, image in zip(numbers, _decoded(clip, numbers), strict=True):
        smoothing = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        points = np.nan_to_num(clip.keypoints[number]) * np.array([scale, scale, 1])
        picture = draw(cv2.resize(image, size, interpolation=smoothing), points, rules.gate)
        draw_crops(picture, clip.track, number, scale)
        if clip.bbox is not None:
            draw_box(picture, clip.bbox, _SIGNER, scale)
        drawn.append(picture)
    return drawn


def state(track: Track, number: int) -> str:
    """What of a frame that is read the model gets: "kept: both hands", "kept: left hand", ..., or "dropped"."""
    left, right = track.left.seen[number], track.right.seen[number]
    if not (left or right):
        return "dropped"
    return "kept: both hands" if left and right else "kept: left hand" if left else "kept: right hand"


def contact_sheet(clip: PosedVideo, rules: Manifest, count: int) -> np.ndarray:
    """`count` frames of a clip, or all there are, under its confidence over time; uint8 [H,1600,3] RGB.

    Raises VideoError.
    """
    numbers = evenly(clip.track, count)
    # About 10 : 16 as a whole, whatever the frames' shape; small frames are not blown up to more than twice their size.
    columns = round(math.sqrt(1.6 * len(numbers) * clip.height / clip.width))
    columns = min(len(numbers), max(1, columns, math.ceil(WIDTH / (2 * clip.width + _GAP))))
    width = min((WIDTH - _GAP) // columns - _GAP, 2 * clip.width)
    images = pictures(clip, numbers, width, rules)
    top = strip(clip.track, clip.times, rules.gate, numbers, _title(clip), _captions(clip), WIDTH)

    cell = images[0].shape[0] + _LABEL + _GAP
    sheet = np.full((len(top) + math.ceil(len(images) / columns) * cell + _GAP, WIDTH, 3), 255, np.uint8)
    sheet[: len(top)] = top
    for i, (number, image) in enumerate(zip(numbers, images, strict=True)):
        y = len(top) + i // columns * cell
        x = _GAP + i % columns * (width + _GAP)
        given = state(clip.track, number)
        label = f"{number}   {clip.times[number]:.2f} s   {given}"
        sheet[y : y + _LABEL, x : x + width] = _label(label, width, _DROPPED if given == "dropped" else _KEPT)
        sheet[y + _LABEL : y + _LABEL + len(image), x : x + width] = image
    return sheet


def write_sheet(corpus: Corpus, video_id: str, output: Path | None, frames: int) -> str:
    """Write the contact sheet of a video, by default to show/<corpus>/<video>.png. Returns a line that says so.

    Raises ShowError (unknown video, none to show, a suffix other than .png, .jpg, .jpeg), ShardError, VideoError.
    """
    clip = find(corpus, video_id)
    path = output or FOLDER / corpus.name / f"{safe_filename(video_id)}.png"
    if path.suffix.lower() not in _IMAGES:
        raise ShowError(
            f"{path}: a contact sheet is one of {', '.join(_IMAGES)}, not {path.suffix or 'without suffix'!r}"
        )
    _, data = cv2.imencode(path.suffix.lower(), contact_sheet(clip, corpus.rules, frames)[..., ::-1])
    write_bytes(path, data.tobytes())
    return f"{path}: {_captions(clip)[1]}"


def _decoded(clip: PosedVideo, numbers: Sequence[int]) -> Iterable[np.ndarray]:
    """The frames of those numbers; decoding ends at the last."""
    if not clip.path:
        yield from [np.full((clip.height, clip.width, 3), _PLAIN, np.uint8)] * len(numbers)
        return
    wanted, count = set(numbers), 0
    for count, image in enumerate(frames(clip.path, clip.start_s, clip.end_s, clip.fps), start=1):
        if count - 1 in wanted:
            yield image
        if count > numbers[-1]:
            return
    raise VideoError(
        f"{clip.path}: has {count} frames, but keypoints of {len(clip.keypoints)}: it changed since they were made; "
        "run: dvc repro"
    )


def _title(clip: PosedVideo) -> str:
    about = [clip.split, clip.signer and f"signer {printable(clip.signer, 40)}"]
    return "  ·  ".join([printable(clip.video_id, 90), *filter(None, about)])


def _captions(clip: PosedVideo) -> tuple[str, str]:
    read, total, lost = len(clip.track.read), len(clip.keypoints), int(clip.track.dropped.sum())
    counts = f"{total} frames" + (f", {read} read" if read < total else "") + f", {lost} dropped"
    rate = f"{clip.fps:.5g} fps, {clip.width}×{clip.height} px"
    legend = "whole box: hand found, dashes: guessed from the arm" + (", white: signer" if clip.bbox else "")
    cut = ""
    if clip.start_s is not None or clip.end_s is not None:
        end = "end" if clip.end_s is None else f"{clip.end_s:.2f} s"
        cut = f"{clip.start_s or 0:.2f} s to {end} of {printable(Path(clip.path).name, 40)}"
    video = "" if clip.path else "no video was released"
    return printable(clip.text, 180), "   |   ".join(filter(None, [counts, rate, cut, video, legend]))


def _label(text: str, width: int, colour: Colour) -> np.ndarray:
    """White on `colour`, uint8 [_LABEL,width,3]."""
    image = np.full((_LABEL, width, 3), colour, np.uint8)
    cv2.putText(image, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def _like(video_id: str, known: pd.Series) -> str:
    """Ids that hold the text, else those nearest in spelling, as the end of a sentence."""
    text = video_id[:200]
    holding = [name for name in known if text and text in name][:5]
    near = holding or difflib.get_close_matches(text, known.tolist(), 5, 0.5)
    return "; similar: " + ", ".join(printable(name) for name in near) if near else f"; it has {len(known)} videos"
