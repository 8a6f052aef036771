"""The manifest: every video of a corpus, what was extracted from it, and whether it can be used.

Nothing vanishes: each row of the videos table is in it, and one that cannot be used says why, as a countable `reason`
and as a `detail` for a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds import tables
from seds.config import Manifest, SampleRules
from seds.data import hands
from seds.data.windows import pose_windows
from seds.messages import summarise_skipped
from seds.shards import ShardReader
from seds.skeleton import JOINTS

_ARMS = [joint for hand in (hands.LEFT, hands.RIGHT) for joint in (hand.shoulder, hand.elbow, hand.wrist)]
# Only the joints that decide whether a hand is visible, a third of all, are copied.
_JUDGED = (slice(min(_ARMS), max(_ARMS) + 1), hands.LEFT.joints, hands.RIGHT.joints)
_BATCH = 4_000  # frames judged together: enough to make Python's overhead small, few enough for the processor's cache


@dataclass(frozen=True)
class _Visibility:
    """What is visible in a video; the defaults are those of a video without keypoints."""

    retained: int = 0
    windows: int = 0
    left_visible: float = 0.0
    right_visible: float = 0.0


def build(
    videos: pd.DataFrame,
    pose: ShardReader,
    rgb: ShardReader | None,
    rules: SampleRules,
    workers: int | None = None,
) -> pd.DataFrame:
    """The MANIFEST table of a VIDEOS table and the two shard folders made from it.

    rgb: None for a corpus of which only keypoints exist, so that none of its videos needs RGB features.
    left_visible and right_visible are shares of the frames that are read, which in a long video are not all (SPEC 3).
    workers: threads; None = as the machine suggests.
    Raises ShardError for a missing or damaged shard.
    """
    pose_of = {row.video_id: row for row in pose.index.itertuples()}
    rgb_of = {} if rgb is None else {row.video_id: row for row in rgb.index.itertuples()}
    kinds = ("pose",) if rgb is None else ("pose", "rgb")
    seen_of = _visibility([v for v in videos.itertuples() if v.video_id in pose], pose, rules, workers)
    rows = []
    for video in videos.itertuples():
        posed, featured = pose_of.get(video.video_id), rgb_of.get(video.video_id)
        seen = seen_of.get(video.video_id, _Visibility())
        reason, detail = _reason(video, dict(zip(kinds, (posed, featured), strict=False)), seen)
        rows.append(
            vars(seen)
            | {
                "pose_shard": posed.shard if posed else "",
                "rgb_shard": featured.shard if featured else "",
                "rgb_windows": featured.rows if featured else 0,
                "usable": not reason,
                "reason": reason,
                "detail": detail,
            }
        )
    joined = pd.DataFrame(rows, index=videos.index)
    return tables.check(videos.drop(columns="detail").join(joined), tables.MANIFEST, "the manifest")


def summary(manifest: pd.DataFrame) -> str:
    """How many videos of each split are usable, what is left out and why, and a warning for an empty split."""
    lines = [
        f"{'split':<6}{'videos':>8}{'usable':>8}{'sentences':>11}{'windows':>9}{'left seen':>11}{'right seen':>12}"
    ]
    empty = []
    for split in tables.SPLITS:
        rows = manifest[manifest["split"] == split]
        usable = rows[rows["usable"]]
        left, right = (usable[column].mean() if len(usable) else 0.0 for column in ("left_visible", "right_visible"))
        lines.append(
            f"{split:<6}{len(rows):>8}{len(usable):>8}{usable['sentence_id'].nunique():>11}{usable['windows'].sum():>9}"
            f"{left:>11.1%}{right:>12.1%}"
        )
        empty += [] if len(usable) else [split]
    bad = manifest[~manifest["usable"]]
    if len(bad):
        lines.append(summarise_skipped(zip(bad["reason"], bad["video_id"], bad["detail"], strict=True), len(manifest)))
    lines += [f"warning: no usable video in split {split!r}" for split in empty]
    return "\n".join(lines)


def _visibility(
    videos: Sequence[Any], pose: ShardReader, rules: SampleRules, workers: int | None
) -> dict[str, _Visibility]:
    """By video_id, of videos that have keypoints."""

    def judge(batch: Sequence[Any]) -> dict[str, _Visibility]:
        read = []
        for video in batch:
            (keypoints,) = pose.read(video.video_id, ("keypoints",))
            sampled = hands.sample_frames(len(keypoints), rules.max_frames)
            read.append(keypoints if len(sampled) == len(keypoints) else keypoints[sampled])
        ends = np.cumsum([len(frames) for frames in read])
        points = np.zeros((ends[-1], JOINTS, 3), read[0].dtype)
        for end, frames in zip(ends, read, strict=True):
            for joints in _JUDGED:
                points[end - len(frames) : end, joints] = frames[:, joints]
        frame = hands.Frame.of(batch[0].width, batch[0].height, rules)
        left, right = (np.split(side, ends[:-1]) for side in hands.seen(points, frame, rules))
        return {
            video.video_id: _of_frames(left_seen, right_seen, rules)
            for video, left_seen, right_seen in zip(batch, left, right, strict=True)
        }

    result: dict[str, _Visibility] = {}
    frames = dict(zip(pose.index["video_id"], pose.index["frames"], strict=True))
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(videos), desc="manifest", unit="video", disable=None) as bar,
    ):  # threads: numpy releases the interpreter lock
        for part in pool.map(judge, _batches(videos, frames)):
            result |= part
            bar.update(len(part))
    return result


def _batches(videos: Sequence[Any], frames: Mapping[str, int]) -> Iterator[list[Any]]:
    """Consecutive videos with frames of one size, about _BATCH frames of them."""
    batch: list[Any] = []
    held = 0
    for video in videos:
        if batch and (held >= _BATCH or (video.width, video.height) != (batch[0].width, batch[0].height)):
            yield batch
            batch, held = [], 0
        batch.append(video)
        held += frames[video.video_id]
    if batch:
        yield batch


def _of_frames(left_seen: np.ndarray, right_seen: np.ndarray, rules: Manifest) -> _Visibility:
    """left_seen, right_seen: bool [K], of the frames that are read."""
    retained = int(np.count_nonzero(left_seen | right_seen))
    read = max(1, len(left_seen))
    return _Visibility(
        retained=retained,
        windows=len(pose_windows(retained, rules.window, rules.max_windows)),
        left_visible=np.count_nonzero(left_seen) / read,
        right_visible=np.count_nonzero(right_seen) / read,
    )


def _reason(video: Any, extracted: Mapping[str, Any], seen: _Visibility) -> tuple[str, str]:
    """Why a video cannot be used, (reason, detail), or ("", ""). Of several, the one that a stage would meet first.

    extracted: by kind, its row of that index, or None.
    """
    if video.status != "ok":
        return video.status, video.detail
    for kind, row in extracted.items():
        if row is None:
            return f"{kind} failed", f"not in the {kind} index; run: dvc repro {kind}@{video.dataset}"
        if row.status != "ok":
            return f"{kind} failed", row.detail
    frames = {kind: row.frames for kind, row in extracted.items()}
    if len(set(frames.values())) > 1:
        return (
            "frames differ",
            f"pose has {frames['pose']} frames, rgb {frames['rgb']}; both must read the same file",
        )
    if not seen.retained:
        return "no hand seen", f"no hand seen in any of {frames['pose']} frames"
    if not video.text:
        return "no text", "its sentence is empty"
    return "", ""
