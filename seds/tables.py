"""The table contracts: what each Parquet file between two stages holds, checked on writing and on reading."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors

from seds.errors import SedsError, first_few
from seds.system.files import atomic_write

SPLITS = ("train", "dev", "test")
TIERS = MANUAL, NONMANUAL = ("manual", "nonmanual")  # of signs: made by the hands; by face and head


class TableError(SedsError, ValueError):
    """A table that breaks its contract; the message names the file, the column, the value and what was expected."""


def _text(**options: object) -> pa.Column:
    return pa.Column(str, **options)  # type: ignore[arg-type]


# What a corpus reader returns: one row for each of the corpus's own, before any file has been opened. What the reader
# cannot make sense of it fills as well as it can, and says so in `problem`; seds.corpora.prepare lists such a row.
ANNOTATIONS = pa.DataFrameSchema(
    {
        "video_id": _text(),  # where two rows have the same, the first keeps it
        "sentence_id": _text(),  # a sentence may own several videos
        "split": _text(checks=pa.Check.isin((*SPLITS, ""))),  # "" only in a row with a problem
        "text": _text(),  # what the model reads
        "text_original": _text(),  # as the corpus has it
        "language": _text(),  # of text, ISO 639-1
        "signer": _text(),  # "" where unknown
        "path": _text(),  # of the video, relative to the repository's top; "" where only its features were released
        "start_s": pa.Column(float, nullable=True),  # a cut of a longer file, else null
        "end_s": pa.Column(float, nullable=True),
        "fps": pa.Column(float, pa.Check.gt(0), nullable=True),  # of a folder of frames; null where the file says it
        "bbox": _text(
            default=""
        ),  # the signer, "left,top,right,bottom" px as shown (seds.video.boxes); "" = the whole frame
        "sign": _text(default=""),  # the one sign that the video shows, as in a dictionary; "" = it shows sentences
        "pair": _text(default=""),  # of the two sentences of a minimal pair, the same; "" in none
        "contrast": _text(default=""),  # what the two differ in, such as mouth
        "problem": _text(default=""),  # why the row cannot be used, for a person; "" = it can
        "stated_frames": pa.Column(float, pa.Check.ge(0), nullable=True),  # as the corpus says; null where it does not
    },
    strict=True,
    coerce=True,
    add_missing_columns=True,
)

# data/videos/<dataset>.parquet: `fps` is known of every readable video.
_FOUND = ANNOTATIONS.remove_columns(["sign", "problem", "stated_frames"]).update_column("video_id", unique=True)
VIDEOS = _FOUND.add_columns(
    {
        "dataset": _text(),
        "frames": pa.Column(int, pa.Check.ge(0)),  # 0 where the file cannot be read
        "fps": pa.Column(float, pa.Check.ge(0)),
        "width": pa.Column(int, pa.Check.ge(0)),  # px, as shown (rotation applied)
        "height": pa.Column(int, pa.Check.ge(0)),
        "begin_s": pa.Column(float, pa.Check.ge(0), default=0.0),  # when its first frame is shown, by the file's clock
        "sha256": _text(),  # of the file's bytes, or of imported tensors; "" where it is missing
        "status": _text(),  # ok, refused, duplicate, missing, unreadable
        "detail": _text(),  # why not, for a person; if ok, what to look at in its file
    }
)

# data/signs/<dataset>.parquet: a row a sign whose time is known; those of different tiers may overlap. Empty for most
# corpora.
SIGNS = pa.DataFrameSchema(
    {
        "video_id": _text(),  # of a video whose status is ok
        "start_s": pa.Column(float, pa.Check.ge(0)),  # from the start of the video, which may be a cut of a file
        "end_s": pa.Column(float, pa.Check.gt(0)),
        "tier": _text(checks=pa.Check.isin(TIERS)),
        "label": _text(checks=pa.Check.str_length(min_value=1)),  # a gloss, or the name of a marker in face and head
        "source": _text(checks=pa.Check.isin(("annotation", "dictionary"))),  # dictionary: the video shows but this
        "score": pa.Column(float, pa.Check.in_range(0, 1)),  # how sure it is; 1 = people say so
    },
    checks=pa.Check(lambda table: table["start_s"] < table["end_s"], name="start_s < end_s"),
    strict=True,
    coerce=True,
)

# data/<pose|rgb>/<dataset>/index.parquet: every video of the videos table whose status is ok, in its order.
SHARD_INDEX = pa.DataFrameSchema(
    {
        "video_id": _text(unique=True),
        "shard": _text(),  # file name beside the index; "" where extraction failed
        "frames": pa.Column(int, pa.Check.ge(0)),  # decoded
        "rows": pa.Column(int, pa.Check.ge(0)),  # length of the main tensor: frames (pose) or windows (rgb)
        "status": _text(),  # ok, failed
        "detail": _text(),
    },
    strict=True,
    coerce=True,
)

# data/manifest/<dataset>.parquet
MANIFEST = VIDEOS.add_columns(
    {
        "pose_shard": _text(),
        "rgb_shard": _text(),
        "retained": pa.Column(int, pa.Check.ge(0)),  # frames with at least one hand
        "windows": pa.Column(int, pa.Check.ge(0)),  # pose windows, at most max_windows
        "rgb_windows": pa.Column(int, pa.Check.ge(0)),
        "left_visible": pa.Column(float, pa.Check.in_range(0, 1)),  # share of the frames
        "right_visible": pa.Column(float, pa.Check.in_range(0, 1)),
        "usable": pa.Column(bool),
        "reason": _text(),  # why not; "" when usable
    }
)

# results/<dataset>/ranks.parquet: one row a query, direction and stream.
RANKS = pa.DataFrameSchema(
    {
        "direction": _text(checks=pa.Check.isin(("t2v", "v2t"))),
        "stream": _text(checks=pa.Check.isin(("fusion", "pose", "rgb", "late"))),
        "query": _text(),  # sentence_id (t2v) or video_id (v2t)
        "rank": pa.Column(int, pa.Check.ge(1)),
        "score": pa.Column(float),  # of the right answer
        "best": _text(),  # the sentence ranked first
        "best_score": pa.Column(float),
        "candidates": pa.Column(int, pa.Check.ge(1)),
    },
    strict=True,
    coerce=True,
)

# index/<dataset>/videos.parquet and sentences.parquet, in the order of the tokens beside them.
INDEX_VIDEOS = pa.DataFrameSchema(
    {
        "video_id": _text(unique=True),
        "sentence_id": _text(),
        "text": _text(),
        "text_original": _text(),
        "language": _text(),
        "split": _text(checks=pa.Check.isin(SPLITS)),
        "signer": _text(),
        "path": _text(),  # of the video file or folder of frames; "" where only its features were released
        "start_s": pa.Column(float, nullable=True),  # the cut of a longer file that it is, else null
        "end_s": pa.Column(float, nullable=True),
        "duration_s": pa.Column(float, pa.Check.ge(0)),  # of the cut
        "fps": pa.Column(float, pa.Check.gt(0)),
        "width": pa.Column(int, pa.Check.ge(0)),  # px, as shown
        "height": pa.Column(int, pa.Check.ge(0)),
        "windows": pa.Column(int, pa.Check.ge(1)),
    },
    strict=True,
    coerce=True,
)
INDEX_SENTENCES = pa.DataFrameSchema(
    {"sentence_id": _text(unique=True), "text": _text(), "split": _text(checks=pa.Check.isin(SPLITS))},
    strict=True,
    coerce=True,
)


def check(table: pd.DataFrame, schema: pa.DataFrameSchema, name: str | Path) -> pd.DataFrame:
    """The table with the schema's dtypes and column order. Raises TableError naming `name`, column, value and rule."""
    try:
        checked = schema.validate(table, lazy=True)
    except (SchemaError, SchemaErrors) as error:
        cases = getattr(error, "failure_cases", None)
        if isinstance(cases, pd.DataFrame):
            rows = [f"column {c.column}: {c.check}, got {c.failure_case!r}" for c in cases.itertuples()]
            raise TableError("\n  ".join([f"{name} breaks its contract:", *first_few(rows, 5)])) from None
        raise TableError(f"{name} breaks its contract: {error}") from None
    return checked[list(schema.columns)]


def write(table: pd.DataFrame, schema: pa.DataFrameSchema, path: str | Path) -> None:
    """Check and write Parquet, whole or not at all. Raises TableError, StorageError."""
    checked = check(table, schema, path)
    with atomic_write(Path(path)) as temporary:
        checked.to_parquet(temporary, index=False)


def read(path: str | Path, schema: pa.DataFrameSchema, made_by: str) -> pd.DataFrame:
    """Read and check. Raises TableError; `made_by` is the command that makes a missing file."""
    if not Path(path).is_file():
        raise TableError(f"{path} not found; make it with: {made_by}")
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises several kinds for a damaged file
        raise TableError(f"{path} is not a readable Parquet file ({error}); make it again with: {made_by}") from None
    return check(table, schema, path)
