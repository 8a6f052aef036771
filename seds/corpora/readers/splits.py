"""Train, dev and test for a corpus that has none: the same for the same sentences, in whatever order they stand.

What is kept together: all videos of a sentence, and all sentences of the same words, or the test would ask for what was
trained. Where signers are known and their number allows it, also all videos of a signer, so that the test tells how the
model does on people it has never seen. The lot is drawn by hashing, so rows that are added later change nothing about
those that are there, but for the few cases that `assign` names.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

Key = tuple[str, str]  # what items may share: ("id" | "text" | "signer", its value)

TEST, DEV = 0.1, 0.1  # shares of the groups
_FEW = 2  # sentences that test and dev hold at least, when there are three times as many
_TRAINED = 0.5  # share of the sentences that train must be left with, or signers are not kept apart


def assign(sentence_ids: Iterable[str], texts: Iterable[str], signers: Iterable[str]) -> tuple[list[str], str]:
    """The split of each video, and the rule it was chosen by: "sentence and signer" or "sentence".

    Groups are sentences, or, where that leaves every split with enough, what is connected by a common sentence or
    signer. A group is test or dev by its hash, a tenth of them each; where too few are, the lowest hashes are added. So
    adding rows moves a row that was there only while a split is that small, when a row connects two groups, or when it
    changes which rule applies. signers: "" where unknown, and each such sentence stands alone.
    """
    signed_by = list(signers)
    by_sentence: list[list[Key]] = [
        [("id", sentence_id), *([("text", words)] if (words := normalised(text)) else [])]
        for sentence_id, text in zip(sentence_ids, texts, strict=True)
    ]
    sentence_of = _groups(by_sentence)
    sentences = len(set(sentence_of))
    few = min(_FEW, sentences // 3)
    if few and any(signed_by):
        by_both = [[*keys, *([("signer", s)] if s else [])] for keys, s in zip(by_sentence, signed_by, strict=True)]
        splits = _draw(_groups(by_both), least=1)
        holds = Counter(split for _, split in set(zip(sentence_of, splits, strict=True)))
        if min(holds["dev"], holds["test"]) >= few and holds["train"] >= _TRAINED * sentences:
            return splits, "sentence and signer"
    return _draw(sentence_of, few), "sentence"


def normalised(text: str) -> str:
    """The words of a text without case, punctuation, compatibility forms and spacing; the text if it has no words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(" " if unicodedata.category(c).startswith("P") else c for c in folded).split()
    return " ".join(words) or folded.strip()


def _groups(keys_of: Sequence[Sequence[Key]]) -> list[str]:
    """A name for each item's group, drawn evenly; items that share a key, directly or by others, share the group.

    The name comes of the group's signers, where it knows any, else of its sentences: of that one among them with the
    lowest hash, so that other rows rarely change it.
    """
    parent: dict[Key, Key] = {}

    def find(key: Key) -> Key:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for keys in keys_of:
        for key in keys:
            parent[find(key)] = find(keys[0])
    members: dict[Key, list[tuple[bool, str]]] = defaultdict(list)
    for key in list(parent):
        members[find(key)].append((key[0] != "signer", _hash("\0".join(key))))
    # Hashed again, since the lowest of several hashes is not drawn evenly.
    names = {top: _hash(min(hashes)[1]) for top, hashes in members.items()}
    return [names[find(keys[0])] for keys in keys_of]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _draw(groups: Sequence[str], least: int) -> list[str]:
    """The split of each item by the hash that names its group; `least` groups for test and dev at least."""
    ordered = sorted(set(groups))
    below = [int(name[:12], 16) / 16**12 for name in ordered]
    test = max(least, sum(share < TEST for share in below))
    dev = max(least, sum(share < TEST + DEV for share in below) - test)
    place = {name: "test" if i < test else "dev" if i < test + dev else "train" for i, name in enumerate(ordered)}
    return [place[name] for name in groups]
