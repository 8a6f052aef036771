"""The tiers of ELAN files: which have a name that is asked for, what they hold, and which are likely to be wanted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from seds.corpora.eaf import Document, Tier
from seds.corpora.readers.languages import language_code
from seds.errors import first_few
from seds.messages import printable

_LISTED, _SAMPLES = 40, 3  # tiers of a list, and annotations of each
_SENTENCE_NAMES = re.compile(
    r"sentence|satz|translat|übersetz|subtitle|untertitel|free|english|utterance", re.IGNORECASE
)
_SIGN_NAMES = re.compile(r"gloss|lexem|gebärde|\bsigns?\b|\b[rl]h\b|\b(?:right|left|both)\b", re.IGNORECASE)
_NO_SIGN_NAMES = re.compile(r"mouth|mund|brow|gaze|head|face|translat|comment", re.IGNORECASE)


@dataclass
class TierSummary:
    """What tiers of one name hold in all files."""

    files: int = 0
    annotations: int = 0
    timed: int = 0
    characters: int = 0
    words: int = 0
    language: str = ""
    participants: set[str] = field(default_factory=set)
    samples: list[str] = field(default_factory=list)


def matching(tiers: Iterable[Tier], patterns: Sequence[str]) -> list[Tier]:
    """The tiers with one of these names or, of a name that no tier has, those that it is a pattern of."""
    tiers = list(tiers)
    names = {tier.name for tier in tiers}
    exact = {pattern for pattern in patterns if pattern in names}
    loose = [pattern for pattern in patterns if pattern not in exact]
    return [tier for tier in tiers if tier.name in exact or any(fnmatchcase(tier.name, pattern) for pattern in loose)]


def summarise(document: Document, summaries: dict[str, TierSummary]) -> None:
    """Add what a document's tiers hold to the summaries by their names."""
    for tier in document.tiers:
        summary = summaries[tier.name]
        summary.files += 1
        summary.language = summary.language or tier.language
        summary.participants |= {tier.participant} - {""}
        for annotation in tier.annotations:
            value = annotation.value.strip()
            summary.annotations += 1
            summary.timed += not annotation.problem
            summary.characters += len(value)
            summary.words += len(value.split())
            if value and len(summary.samples) < _SAMPLES and value not in summary.samples:
                summary.samples.append(value)


def likeliest(summaries: dict[str, TierSummary]) -> tuple[list[str], list[str]]:
    """The names of the tiers that most probably have the sentences, and those of the hands' signs; [] if none does.

    Sentences are several words with times; of such tiers, the one with most text counts, English before others, and
    with it those that differ in nothing but the participant. Signs have names that say so, and one word each.
    """

    def weight(name: str) -> float:
        summary = summaries[name]
        if not summary.timed or summary.words < 2 * summary.annotations:
            return 0.0
        english = re.search("english", name, re.IGNORECASE) or language_code(summary.language) == "en"
        named = _SENTENCE_NAMES.search(name)
        return summary.characters * (4.0 if english and named else 2.0 if english or named else 1.0)

    best = max(summaries, key=weight, default=None)
    if best is None or not weight(best):
        return [], []
    sentences = [
        name
        for name in summaries
        if _without_participant(name, summaries) == _without_participant(best, summaries) and weight(name)
    ]
    signs = [
        name
        for name, summary in summaries.items()
        if name not in sentences and summary.timed and summary.words <= 1.5 * summary.annotations
        and summary.characters and _SIGN_NAMES.search(name.replace("_", " ")) and not _NO_SIGN_NAMES.search(name)
    ]  # fmt: skip
    return sentences, signs


def _without_participant(name: str, summaries: dict[str, TierSummary]) -> str:
    """A tier's name without the participant at its end: the same for Translation_A and Translation_B."""
    for participant in sorted(summaries[name].participants, key=len, reverse=True):
        if found := re.fullmatch(rf"(.+)[\W_]{re.escape(participant)}", name):
            return found[1]
    found = re.fullmatch(r"(.+)[\W_][A-Z]", name)
    return found[1] if found else name


def listing(summaries: dict[str, TierSummary]) -> str:
    """The tiers, those with most annotations first, a line each with counts and samples; then the likeliest."""
    lines = []
    for name, summary in sorted(summaries.items(), key=lambda item: (-item[1].annotations, item[0])):
        samples = "; ".join(printable(sample, 40) for sample in summary.samples)
        timed = "" if summary.timed == summary.annotations else f", {summary.timed:,} with times"
        lines.append(
            f"  {printable(name, 60)}: {summary.annotations:,} annotations{timed} in {summary.files:,} files"
            + (f", such as {samples}" if samples else "")
        )
    sentences, signs = likeliest(summaries)
    proposed = [
        f"  {key}: {as_yaml(names)}" for key, names in (("sentence_tiers", sentences), ("sign_tiers", signs)) if names
    ]
    return "\n".join([*first_few(lines, _LISTED), *(["the likeliest:", *proposed] if proposed else [])])


def as_yaml(names: Sequence[str]) -> str:
    """A list of names as YAML has it."""
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    return "[" + ", ".join(f'"{printable(name, 200)}"' for name in quoted) + "]"
