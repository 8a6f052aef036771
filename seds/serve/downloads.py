"""What the page shows, as files to keep: a table, or ELAN files and subtitles of the files in which it was found.

They hold no path of this machine: a video is called by the name of its file, beside which its .eaf belongs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import pandas as pd

from seds.export.elan import document, subtitles
from seds.export.timelines import SENTENCES, Timeline, found
from seds.search import printed

if TYPE_CHECKING:
    from seds.search.answer import SentenceHit, VideoHit
    from seds.search.gallery import Gallery

README = """Each .eaf opens in ELAN, which looks for the video in the same folder. Each .vtt is a track of subtitles
for a player. The tier `search` has the places that were found, with rank and score; `moments` the words of the
sentence.
"""


def table(hits: Sequence[VideoHit] | Sequence[SentenceHit]) -> str:
    """A CSV, with a byte order mark, or Excel would not take it for UTF-8."""
    return "\ufeff" + printed.as_csv(list(hits), without=("path",))


def places(gallery: Gallery, text: str, k: int, stream: str | None) -> bytes:
    """A zip: an .eaf and .vtt files for each video file in which one of the best `k` videos for a sentence is.

    Folders of frames and videos that are no files have none.
    """
    hits = gallery.search_text(text, k, stream)
    names = [hit.path for hit in hits if PurePosixPath(hit.path).suffix]
    timelines = {path: Timeline(path) for path in dict.fromkeys(names)}
    for row in gallery.videos[gallery.videos["path"].isin(timelines)].itertuples():
        start = 0.0 if pd.isna(row.start_s) else float(row.start_s)
        sentence = row.text_original or row.text
        timelines[row.path].add(SENTENCES, row.signer, start, start + row.duration_s, sentence)
    alignments = [gallery.explain_clip(text, gallery.clip(hit.video_id), stream) for hit in hits]
    packed, taken = io.BytesIO(), set[str]()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        for path, timeline in found(timelines, hits, alignments).items():
            name, stem = PurePosixPath(path).name, PurePosixPath(path).stem
            numbered = (f"{stem}-{number}" for number in count(2))
            stem = stem if stem not in taken else next(other for other in numbered if other not in taken)
            taken.add(stem)
            archive.writestr(f"{stem}.eaf", document(timeline, f"./{quote(name)}", name))
            for track, content in subtitles(timeline).items():
                archive.writestr(f"{stem}{track}.vtt", content)
    return packed.getvalue()
