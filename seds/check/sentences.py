"""Problems with the sentences of a corpus: rules over its VIDEOS table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pandas as pd

from seds.check.findings import ERROR, WARNING, Finding
from seds.config import ModelSizes
from seds.corpora.readers.splits import normalised
from seds.corpora.readers.texts import LANGUAGE
from seds.data import use_text
from seds.data.tokens import tokeniser

_PAIRS = (("train", "test"), ("train", "dev"), ("dev", "test"))


def all_rules(videos: pd.DataFrame, sizes: ModelSizes) -> Iterator[Finding]:
    """The findings of every rule here, about valid rows; a missing file does not matter to them. sizes: of the model
    that is to read the texts.
    """
    rows = videos[~videos["status"].isin(("refused", "duplicate"))]
    yield from empty(rows)
    spoken = rows[rows["text"] != ""]
    words = spoken["text"].drop_duplicates()
    words = spoken["text"].map(dict(zip(words, map(normalised, words), strict=True)))
    yield from identities(spoken, words)
    yield from shared_captions(spoken, words)
    yield from minimal_pairs(rows)
    yield from readability(spoken, sizes)


def empty(videos: pd.DataFrame) -> Iterator[Finding]:
    """Videos without a text, which cannot be used."""
    for row in videos[videos["text"] == ""].itertuples():
        detail = "no caption" if row.text_original.strip() else "its text is empty"
        yield Finding(ERROR, "no text", row.video_id, row.path, detail)


def identities(videos: pd.DataFrame, words: pd.Series) -> Iterator[Finding]:
    """A sentence in several splits; one with several texts; within a split, several sentences with the same words."""
    for sentence, rows in _repeated(videos, videos["sentence_id"]):
        splits = sorted(set(rows["split"]))
        if len(splits) > 1:
            severity = ERROR if "train" in splits else WARNING  # some corpora share sentences between dev and test
            for row in rows.itertuples():
                detail = f"{sentence} is in {' and '.join(splits)}"
                yield Finding(severity, f"sentence in {' and '.join(splits)}", row.video_id, row.path, detail)
        texts = words[rows.index]
        if texts.nunique() > 1:
            first, other = rows["text"].iloc[0], rows["text"][texts != texts.iloc[0]].iloc[0]
            detail = f"{sentence} has {texts.nunique()} texts, of which the first is used: {first!r}, {other!r}"
            yield Finding(
                WARNING, "sentence with several texts", rows["video_id"].iloc[0], rows["path"].iloc[0], detail
            )
    for split, part in videos.groupby("split", sort=False):
        for text, rows in _repeated(part, words[part.index]):
            firsts = rows.drop_duplicates("sentence_id")
            for row in firsts.iloc[1:].itertuples():
                detail = f"same words as sentence {firsts['sentence_id'].iloc[0]} of {split}: {text}"
                yield Finding(WARNING, f"same text, two sentences ({split})", row.video_id, row.path, detail)


def shared_captions(videos: pd.DataFrame, words: pd.Series) -> Iterator[Finding]:
    """Captions that occur in two splits, reported for each video of the later one. Case and punctuation are ignored."""
    first_of = {
        split: dict(zip(words[part.index][::-1], part["video_id"][::-1], strict=True))
        for split, part in videos.groupby("split")
    }
    for earlier, later in _PAIRS:
        known = first_of.get(earlier, {})
        part = videos[videos["split"] == later]
        for row, text in zip(part.itertuples(), words[part.index], strict=True):
            if text in known:
                detail = f"{row.text!r} is also the text of {known[text]}"
                yield Finding(WARNING, f"caption in {earlier} and {later}", row.video_id, row.path, detail)


def minimal_pairs(videos: pd.DataFrame) -> Iterator[Finding]:
    """Minimal pairs that are none: not of two sentences, in several splits, or with several contrasts."""
    for pair, rows in videos[videos["pair"] != ""].groupby("pair", sort=False):
        subject = rows["video_id"].iloc[0], rows["path"].iloc[0]
        for kind, column, expected in (
            ("pair of other than two sentences", "sentence_id", 2),
            ("pair in several splits", "split", 1),
            ("pair with several contrasts", "contrast", 1),
        ):
            values = rows[column].drop_duplicates().tolist()
            if len(values) != expected:
                detail = f"{pair} has {len(values)}: {', '.join(map(repr, values))}"
                yield Finding(WARNING, kind, *subject, detail)


def readability(videos: pd.DataFrame, sizes: ModelSizes) -> Iterator[Finding]:
    """Texts that are too long for the model, in a language that it does not know, or with broken characters."""
    count, most = tokeniser(sizes).count, sizes.max_words
    for row in videos.itertuples():
        subject, tokens = (row.video_id, row.path), count(row.text)
        if tokens > most:
            detail = f"{tokens} tokens and {len(row.text):,} characters; only {most} are read, evenly spaced"
            yield Finding(WARNING, f"text over {most} tokens", *subject, detail)
        if row.language == LANGUAGE and not _mostly_latin(row.text):
            yield Finding(WARNING, "not in English", *subject, f"said to be {LANGUAGE!r}: {row.text!r}")
        broken = sorted({c for c in row.text if c == "\ufffd" or unicodedata.category(c) == "Cc"})
        if broken:
            detail = f"{', '.join(map(ascii, broken))} in {row.text!r}"
            yield Finding(WARNING, "broken characters", *subject, detail)
    if (known := _KNOWN.get(sizes.text)) is None:
        return
    kind, languages, reads = known
    for language, rows in videos[~videos["language"].isin(languages)].groupby("language", sort=False):
        detail = f"{len(rows)} of {len(videos)} texts are in {language!r}; {reads}"
        yield Finding(WARNING, kind, rows["video_id"].iloc[0], rows["path"].iloc[0], detail)


# By ModelSizes.text: what texts in another language are called, the languages that it knows, and what is said of them.
_KNOWN = {
    "clip": (
        "not in English",
        (LANGUAGE,),
        "CLIP's vocabulary is English: give English captions, or set train.*.model.text to use",
    ),
    "use": ("unknown language", use_text.LANGUAGES, f"the text side `use` knows {', '.join(use_text.LANGUAGES)}"),
}


def _repeated(videos: pd.DataFrame, keys: pd.Series) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows that share a key with another."""
    twice = keys.duplicated(keep=False)
    yield from videos[twice].groupby(keys[twice], sort=False)


def _mostly_latin(text: str) -> bool:
    if text.isascii():
        return True
    letters = [c for c in text if c.isalpha()]
    return 2 * sum("LATIN" in unicodedata.name(c, "") for c in letters) >= len(letters)
