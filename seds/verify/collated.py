"""A batch that the published loader put together from keypoints, RGB features and captions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from seds import text
from seds.data import hands
from seds.data.batches import collate
from seds.data.samples import Video
from seds.data.windows import pose_windows
from seds.verify.arrays import ArrayFiles, Arrays, NotCompared, RecordingError, as_recorded
from seds.verify.comparison import Note, Result, absolute, same
from seds.verify.keypoints import PARTS, PIXELS, Options, filled, read_options, read_points, retained_frames


def collated(recorded: Arrays) -> Iterator[Result]:
    """Its texts, and its videos where the file of its keypoints is in the folder."""
    yield from as_recorded(f"{recorded.label}/pairs", _collated_texts(recorded))
    yield from as_recorded(f"{recorded.label}/videos", _collated_videos(recorded))


def _collated_texts(recorded: Arrays) -> Iterator[Result]:
    max_words = recorded.numbers("batch/pairs_text", "B", 1, "L").shape[2]
    ids = torch.from_numpy(text.tokenise(recorded.strings("captions"), max_words))
    valid = torch.arange(max_words) <= ids.argmax(1, True)
    yield same(f"{recorded.label}/pairs_text", ids[:, None], recorded.numbers("batch/pairs_text"))
    if "batch/pairs_mask" in recorded:
        yield same(f"{recorded.label}/pairs_mask", valid[:, None], recorded.numbers("batch/pairs_mask") > 0)


def _collated_videos(recorded: Arrays) -> Iterator[Result]:
    corpus = recorded.label.removeprefix("collate_")
    source = ArrayFiles(recorded.path.parent)[f"keypoints_{corpus}.npz"]
    options = read_options(source, corpus)
    for note in options.notes:
        yield Note(recorded.label, note)
    videos = [
        _video(source, case, recorded.numbers(f"sample{i}/rgb_feature", "V", "D"), options)
        for i, case in enumerate(recorded.strings("keypoint_cases"))
    ]
    if not videos:
        raise NotCompared("keypoint_cases is empty")
    no_ids = np.zeros((len(videos), 2), np.int64)
    batch = collate(videos, no_ids, no_ids, options.rules.max_windows)
    used = batch.window_starts >= 0
    ours: dict[str, Tensor] = {
        "body_mask": torch.cat([torch.zeros(len(used), 1), ~used], 1),
        "RGB_feature": batch.rgb.transpose(1, 2)[..., None],
    }
    if options.stride == 1:
        ours |= {f"{part}_clips_start": batch.window_starts for part in PARTS}
    for name, values in ours.items():
        if f"batch/{name}" in recorded:
            yield same(f"{recorded.label}/{name}", values, recorded.numbers(f"batch/{name}"))
    for part in PARTS if options.crop == hands.CROP else ():
        if f"batch/{part}_pose" in recorded:
            expected = recorded.numbers(f"batch/{part}_pose")
            yield absolute(f"{recorded.label}/{part}_pose", getattr(batch, part), expected, PIXELS)


def _video(source: Arrays, case: str, feature: np.ndarray, options: Options) -> Video:
    points, rules = read_points(source, case), options.rules
    options.check_sampling(len(points))
    retained = retained_frames(points, options)
    starts = pose_windows(len(retained.frames), rules.window, rules.max_windows)
    if options.stride != 1:
        starts = np.arange(len(feature))  # as many as there were; where they start is not compared
    if len(starts) != len(feature):
        raise RecordingError(f"{case} has {len(starts)} windows, but {len(feature)} rows of RGB features")
    left, right, body = (filled(getattr(retained, part), rules.window) for part in PARTS)
    frames, rows = retained.frames.astype(np.int32), np.arange(len(feature))
    return Video(left, right, body, frames, starts, rows, feature, case, case, "")
