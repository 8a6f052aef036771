"""The keypoint quality of a whole corpus: one row per video."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pandas as pd
import pandera.pandas as pa
from tqdm import tqdm

from seds import tables
from seds.show.contact_sheet import Corpus
from seds.show.quality import Quality, measure

MEASURES = tuple(field.name for field in fields(Quality))
_COUNTS = ("frames", "frames_read")

# show/<dataset>/keypoints.parquet: a row for each of the videos table, with the measures of seds.show.quality. They are
# null if a video has no keypoints (`status` is not ok, `detail` says why) or nothing to measure.
KEYPOINT_QUALITY = pa.DataFrameSchema(
    {
        **{name: pa.Column(str) for name in ("video_id", "split", "signer", "text", "status", "detail")},
        **{name: pa.Column(int if name in _COUNTS else float, nullable=name not in _COUNTS) for name in MEASURES},
    },
    strict=True,
    coerce=True,
)


def measure_corpus(corpus: Corpus) -> pd.DataFrame:
    """The KEYPOINT_QUALITY table of a corpus, worst video first, those without keypoints last.

    Videos are read one at a time, in the order of the shards. Raises ShardError.
    """
    failures = dict(zip(corpus.pose.index["video_id"], corpus.pose.index["detail"], strict=True))
    empty = dict.fromkeys(MEASURES, np.nan) | dict.fromkeys(_COUNTS, 0)
    rows = []
    for video in tqdm(corpus.videos.itertuples(), total=len(corpus.videos), unit="video", disable=None):
        row = {"video_id": video.video_id, "split": video.split, "signer": video.signer, "text": video.text}
        if video.status != "ok":
            rows.append(row | empty | {"status": video.status, "detail": video.detail})
        elif video.video_id not in corpus.pose:
            detail = failures.get(video.video_id, f"not in the pose index; run: dvc repro pose@{corpus.name}")
            rows.append(row | empty | {"status": "pose failed", "detail": detail})
        else:
            posed = corpus.posed(video)
            quality = measure(posed.keypoints, posed.track, corpus.rules)
            rows.append(row | asdict(quality) | {"status": "ok", "detail": ""})
    table = pd.DataFrame(rows, columns=list(KEYPOINT_QUALITY.columns))
    table = table.sort_values("badness", ascending=False, kind="stable", na_position="last", ignore_index=True)
    return tables.check(table, KEYPOINT_QUALITY, f"keypoint quality of {corpus.name}")
