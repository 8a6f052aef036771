"""For whom and for what retrieval works: metrics by signer, known from training or not, and by sentence length."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from seds.messages import printable
from seds.retrieval.metrics import rounded, summarise
from seds.retrieval.ranks import Ranking

BINS = 4  # of sentence length, at most
BIN_SENTENCES = 10  # in a bin, at least, unless there are fewer in all
SIGNERS = 16  # named, those with most videos
OTHERS = "(others)"
KNOWN, UNKNOWN = "in train", "not in train"
SHOWN = ("R@1", "R@5", "R@10", "MedR", "MRR")

Parts = dict[str, dict[str, np.ndarray]]  # {name: {direction: int64 [queries]}}, queries of a part in rising order


def by_length(texts: Sequence[str], sentence_of: np.ndarray) -> Parts:
    """Sentences by their number of words (split at blanks), in bins of about equal size named such as "04-06".

    At most BINS bins of at least BIN_SENTENCES sentences, if there are that many; sentences of one length share a bin.
    The names are the lengths that occur, with as many digits as the longest, so that they sort by length. V2T queries
    go with their sentence.
    """
    words = np.array([len(text.split()) for text in texts])
    full = max(BIN_SENTENCES, len(words) / BINS)
    bins: list[list[int]] = [[]]
    in_last = 0
    for length, count in zip(*np.unique(words, return_counts=True), strict=True):
        if in_last >= full:
            bins.append([])
            in_last = 0
        bins[-1].append(int(length))
        in_last += count
    if in_last < BIN_SENTENCES and len(bins) > 1:
        too_few = bins.pop()
        bins[-1] += too_few
    digits = len(str(words.max()))
    parts: Parts = {}
    for lengths in bins:
        ends = [f"{end:0{digits}d}" for end in dict.fromkeys((lengths[0], lengths[-1]))]
        in_bin = np.isin(words, lengths)
        parts["-".join(ends)] = {"t2v": np.flatnonzero(in_bin), "v2t": np.flatnonzero(in_bin[sentence_of])}
    return parts


def by_signer(signers: Sequence[str], sentence_of: np.ndarray) -> Parts:
    """Videos by signer, most videos first; a sentence counts for everyone who signs it.

    signers: of each video; "" where unknown, which is in no part. Beyond SIGNERS names the rest is OTHERS. Names are
    made printable, and numbered where that makes two alike.
    """
    signer_of = np.array(signers, dtype=object)
    names, counts = np.unique(signer_of[signer_of != ""], return_counts=True)
    names = names[np.argsort(-counts, kind="stable")]
    names_of: dict[str, list[str]] = {}  # by what is shown for them
    for name in names[: SIGNERS if len(names) > SIGNERS else None]:
        label = printable(name, 40)
        names_of[f"{label} ({len(names_of)})" if label in names_of else label] = [name]
    if len(names) > SIGNERS:
        names_of[OTHERS] = list(names[SIGNERS:])
    parts: Parts = {}
    for label, originals in names_of.items():
        videos = np.flatnonzero(np.isin(signer_of, originals))
        parts[label] = {"t2v": np.unique(sentence_of[videos]), "v2t": videos}
    return parts


def by_known_signer(signers: Sequence[str], sentence_of: np.ndarray, trained: Collection[str]) -> Parts:
    """Videos by signers that training has and by others, KNOWN and UNKNOWN; arguments as for by_signer.

    trained: the signers of training, none where they are not known. A sentence that both sign counts in both parts.
    """
    known = np.array([signer in trained for signer in signers], bool)
    named = np.array([signer != "" for signer in signers], bool)
    parts: Parts = {}
    for name, chosen in ((KNOWN, known & named), (UNKNOWN, ~known & named)):
        videos = np.flatnonzero(chosen)
        if len(videos) and trained:
            parts[name] = {"t2v": np.unique(sentence_of[videos]), "v2t": videos}
    return parts


def metrics_of(
    parts: Parts, rankings: Mapping[str, Mapping[str, Ranking]]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """{part: {stream: {direction: SHOWN and the number of queries}}}; candidates are those of the whole set."""
    return {
        name: {
            stream: {direction: _row(both[direction].rank[queries]) for direction, queries in part.items()}
            for stream, both in rankings.items()
        }
        for name, part in parts.items()
    }


def _row(rank: np.ndarray) -> dict[str, float]:
    summary = summarise(rank)
    return {"queries": len(rank)} | rounded({name: summary[name] for name in SHOWN})
