"""Training videos changed at random, so that a model of few videos learns signs and not takes.

Joints are turned, scaled, sheared, moved and shaken, and the signing made faster or slower, as others of the field do
with keypoints (SignCLIP, Jiang et al., EMNLP 2024). Clips of single signs, as a dictionary has them, can be joined to
phrases. RGB features stay as they are: another speed only decides which of them a pose window goes with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seds.config import Augment
from seds.data import windows
from seds.data.hands import CROP
from seds.data.samples import Video

MOST_SIGNS = 4  # of a phrase
_MIDDLE = (0.35, 0.75)  # share of a clip that a phrase shows, drawn between these
_CENTRE = CROP / 2
_MIRROR = np.diag([-1.0, 1.0])  # the left hand is given mirrored (SPEC 4)
_STOPS = ".!?。！？"


@dataclass(frozen=True)
class Changes:
    """What may happen to the videos of a split in training. clips: int64, those that show a single sign, from which
    phrases are made.
    """

    settings: Augment
    clips: np.ndarray


@dataclass(frozen=True)
class Phrase:
    """Clips in the order in which they are joined, by their places in a split, and the share shown of each."""

    clips: tuple[int, ...]
    shares: tuple[float, ...]


def draw_phrase(clip: int, clips: np.ndarray, generator: np.random.Generator) -> Phrase:
    """A phrase of `clip` and one to three of the other `clips`."""
    others = clips[clips != clip]
    count = min(int(generator.integers(1, MOST_SIGNS)), len(others))
    chosen = generator.permutation([clip, *generator.choice(others, count, replace=False).tolist()])
    return Phrase(tuple(chosen.tolist()), tuple(generator.uniform(*_MIDDLE, len(chosen)).tolist()))


def phrase_text(texts: Sequence[str]) -> str:
    """The texts of clips as one, without the stops between them."""
    return " ".join(text.strip().rstrip(_STOPS) for text in texts)


def longest(frames: int, settings: Augment) -> int:
    """The most frames that `augmented` makes of a video with so many."""
    return math.ceil(frames * (1 + settings.speed))


def augmented(video: Video, settings: Augment, window: int, max_windows: int, generator: np.random.Generator) -> Video:
    """A video by a random change. window: frames of a pose window; max_windows: of the video."""
    speed, turn, shear = generator.uniform(-1, 1, 3)
    scale, shift = generator.uniform(-1, 1, (2, 2))
    if settings.speed:
        video = _at_speed(video, (1 + settings.speed) ** speed, window, max_windows)
    angle = math.radians(settings.rotation) * turn
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = rotation @ np.array([[1.0, settings.shear * shear], [0.0, 1.0]]) @ np.diag(1 + settings.scale * scale)

    def changed(joints: np.ndarray, by: np.ndarray, move: np.ndarray | float = 0.0) -> np.ndarray:
        moved = (joints - _CENTRE) @ by.T + _CENTRE + move
        if settings.noise:
            moved += generator.normal(0, settings.noise, joints.shape)
        found = (joints != 0).any(-1, keepdims=True)  # a joint that was not found is zeros, and stays so
        return np.where(found, moved, 0).astype(np.float32)

    return replace(
        video,
        left=changed(video.left, _MIRROR @ matrix @ _MIRROR),
        right=changed(video.right, matrix),
        body=changed(video.body, matrix, settings.shift * CROP * shift),
    )


def _at_speed(video: Video, factor: float, window: int, max_windows: int) -> Video:
    """`factor` times as many frames: some twice, or some left out. Its windows are chosen anew."""
    kept = np.linspace(0, len(video.left) - 1, max(1, round(len(video.left) * factor))).round().astype(np.int64)
    raw_frames = video.raw_frames[kept]
    starts = windows.pose_windows(len(kept), window, max_windows)
    before = windows.pose_centres(video.raw_frames, video.starts, window)
    now = windows.pose_centres(raw_frames, starts, window)
    return replace(
        video,
        **{part: getattr(video, part)[kept] for part in ("left", "right", "body")},
        raw_frames=raw_frames,
        starts=starts,
        nearest=video.nearest[np.abs(now[:, None] - before).argmin(1)],
    )


def joined(clips: Sequence[Video], shares: Sequence[float], window: int, max_windows: int) -> Video:
    """One video of the middles of several, in order: the hands that rise and rest, which a sentence does not have
    between its signs, are left out.

    shares: of each clip's frames, that are shown. No window shows two clips; of more than max_windows, that many evenly
    spaced ones are kept.
    """
    parts = [_middle(clip, share, window) for clip, share in zip(clips, shares, strict=True)]

    def moved(name: str, lengths: Sequence[int]) -> np.ndarray:
        begins = np.cumsum([0, *lengths[:-1]])
        return np.concatenate([getattr(part, name) + at for part, at in zip(parts, begins, strict=True)])

    frames = [len(part.left) for part in parts]
    starts, nearest = moved("starts", frames), moved("nearest", [len(part.features) for part in parts])
    kept = np.linspace(0, len(starts) - 1, min(len(starts), max_windows)).astype(np.int64)
    return replace(
        parts[0],
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("left", "right", "body")},
        raw_frames=moved("raw_frames", [int(part.raw_frames[-1]) + 1 for part in parts]).astype(np.int32),
        starts=starts[kept],
        nearest=nearest[kept],
        features=np.concatenate([part.features for part in parts]),
        text=phrase_text([clip.text for clip in clips]),
    )


def _middle(clip: Video, share: float, window: int) -> Video:
    """The middle of a clip, `share` of its frames and at least a window, with the windows within; of a clip whose
    windows are far apart, the one nearest to the middle. A shorter clip repeats its last frame, as the model does.
    """
    frames = len(clip.left)
    length = max(window, round(share * frames))
    first = max(0, (frames - length) // 2)
    within = np.flatnonzero((clip.starts >= first) & (clip.starts + window <= first + length))
    if len(within) == 0:
        within = np.abs(clip.starts + window / 2 - frames / 2).argmin()[None]
        first, length = int(clip.starts[within[0]]), window
    kept = np.minimum(np.arange(first, first + length), frames - 1)
    return replace(
        clip,
        **{part: getattr(clip, part)[kept] for part in ("left", "right", "body")},
        raw_frames=clip.raw_frames[kept] - clip.raw_frames[first],
        starts=clip.starts[within] - first,
        nearest=clip.nearest[within],
    )
