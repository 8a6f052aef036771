"""Annotation texts, ids and paths as nobody wants them, for the tests of every reader: nothing may vanish.

`assert_nothing_vanishes` holds a reader to it by way of `seds.corpora.prepare`; `texts`, `names` and `paths` are
strategies of hypothesis to make tables of.
"""

from pathlib import Path

import pandas as pd
from hypothesis import strategies as st

from seds.config import Dataset
from seds.corpora import prepare

TEXTS = (
    "", " ", "Rain falls.", 'She said "no"', "a,b;c|d", "tab\there", "two\nlines", "carriage\r\nreturn", "nan", "None",
    "e\u0301te\u0301", "ete\u0301 \u00e9t\u00e9", "\U0001f926\U0001f3fd\u200d\u2642\ufe0f",
    "\u4eca\u5929\u661f\u671f\u51e0", "\u202eright to left", "NULL", "=1+1",
    "\ufeffmark", "word " * 2000, "'; DROP TABLE videos; --", "\x1b[31mred",
    "\u2028line separator", "\x85next line",
)  # fmt: skip
PATHS = (
    "good.mp4", "gone.mp4", "broken.mp4", "loop", "loop/x.mp4", "clips", "", ".", "..", "../../etc/passwd", "con:x",
    "clips/../../../../etc/passwd", "/etc/passwd", "//etc/passwd", "~/x.mp4", "clips/../good.mp4", "./good.mp4",
    "file:///etc/passwd", "http://example.org/x.mp4", "e\u0301.mp4", "\u00e9.mp4", "-rf.mp4", "good.mp4/x", "a" * 5000,
)  # fmt: skip
# What a table can hold: no lone surrogates, which are no text, and no NUL, which ends a path.
_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.sampled_from(TEXTS) | st.text(_characters, max_size=40)
names = st.sampled_from(("a", "a", "b", "a#2", "a/b", "../a", "")) | st.text(_characters, max_size=8)
paths = st.sampled_from(PATHS) | st.text(_characters, max_size=12)

STATUSES = {"ok", "refused", "duplicate", "missing", "unreadable"}


def make_folder(root: Path, film: Path) -> None:
    """The files that PATHS speak of. film: a sound video."""
    (root / "clips").mkdir(parents=True, exist_ok=True)
    for name in ("good.mp4", "\u00e9.mp4"):
        (root / name).write_bytes(film.read_bytes())
    (root / "broken.mp4").write_bytes(film.read_bytes()[:200])
    (root / "loop").symlink_to("loop")


def assert_nothing_vanishes(root: Path, dataset: Dataset, rows: int) -> pd.DataFrame:
    """Prepares the corpus: every row is in the table once, usable or listed with a reason. Returns the table."""
    videos = prepare.prepare("hostile", dataset, root)
    assert len(videos) == rows
    assert videos["video_id"].is_unique
    assert set(videos["status"]) <= STATUSES
    usable = videos["status"] == "ok"
    assert (videos.loc[~usable, "detail"] != "").all()
    assert (videos.loc[usable, ["frames", "width", "height"]] > 0).all(axis=None)
    for path in videos.loc[usable, "path"]:  # nothing was opened that lies elsewhere
        assert Path(path).is_relative_to(root)
        assert ".." not in Path(path).parts
    return videos
