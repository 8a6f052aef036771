"""Problems with a corpus, found before any GPU-hour is spent on it.

An *error* loses a video or compromises the test set: it makes `seds check` end with exit code 1. A *warning* is
something to look at. Every finding is a row of a table; nothing is changed or left out because of it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seds import tables
from seds.check import files, sentences, signs
from seds.check.findings import ERROR, FINDINGS
from seds.config import Dataset, ModelSizes
from seds.corpora import prepare
from seds.corpora.signs import find_signs
from seds.extraction import imported


def check(
    name: str,
    dataset: Dataset,
    root: Path,
    header_cache: Path | None = None,
    workers: int | None = None,
    decode: bool = False,
    needs_signs: bool = False,
    sizes: ModelSizes | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The VIDEOS table of the corpus in `root` and the FINDINGS about it. No stage need have run.

    header_cache, workers: as in prepare.prepare. decode: read every frame of every video, not only its header; this
    takes as long as the decoding of an extraction, and finds damage further on. needs_signs: training has a loss
    of single signs. sizes: of the model that is to read the texts; None = the published one. Raises as prepare.prepare
    does, and UseError.
    """
    table = None
    if imported.is_imported(dataset):  # no files, and no annotations but its table
        videos = prepare.prepare(name, dataset, root)
        findings = [*files.status(videos), *files.cuts(videos), *files.remarks(videos), *files.shapes(videos)]
        findings += [*files.same_bytes(videos), *sentences.all_rules(videos, sizes or ModelSizes())]
    else:
        annotations = prepare.read_annotations(dataset, root)
        videos = prepare.complete(name, annotations, header_cache, workers)
        findings = [
            *files.status(videos),
            *files.cuts(videos),
            *files.remarks(videos),
            *files.stated_lengths(videos, annotations["stated_frames"]),
        ]
        findings += [*files.shapes(videos), *files.same_bytes(videos), *files.unreferenced(videos, root)]
        findings += files.undecodable(videos, workers) if decode else []
        findings += sentences.all_rules(videos, sizes or ModelSizes())
        table, skipped = find_signs(dataset, root, annotations, videos)
        findings += signs.all_rules(table, skipped, videos)
    findings += signs.needed(table, videos) if needs_signs else []
    found = pd.DataFrame([vars(finding) for finding in findings], columns=list(FINDINGS.columns))
    return videos, tables.check(found, FINDINGS, f"the findings about {name}")


def failed(findings: pd.DataFrame) -> bool:
    """Whether any of them is an error."""
    return bool((findings["severity"] == ERROR).any())
