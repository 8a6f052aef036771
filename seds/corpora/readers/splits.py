"""Train, dev and test splits for a corpus that has none: the same for the same sentences, whatever their order.

All videos of a sentence, and all sentences with the same words, are kept together, or the test would ask for what was
trained on. If signers are known and there are enough of them, all videos of a signer are kept together as well, so that
the test shows how the model does on people it has never seen. Splits are drawn by hashing, so rows that are added later
do not move the others, except in the few cases that `assign` names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# What tables and folders call the splits, in lower case -> ours. Nobody agrees on "eval".
NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_KINDS = re.compile(r"[\s_-]*(set|split|data)$")  # "Test set"
Key = tuple[str, str]  # what items may share: ("id" | "text" | "signer", its value)

TEST, DEV = 0.1, 0.1  # shares of the groups
_FEW = 2  # sentences that test and dev get at least, once train has as many
_TRAINED = 0.5  # share of the sentences that train must keep, or signers are not kept apart


def assign(sentence_ids: Iterable[str], texts: Iterable[str], signers: Iterable[str]) -> tuple[list[str], str]:
    """The split of each video, and the rule it was chosen by: "sentence and signer" or "sentence".

    Groups are sentences or, if that leaves enough in every split, what is connected by a common sentence or signer. A
    group's hash decides whether it is test or dev, a tenth of the groups each; if those are too few, the lowest hashes
    are added. So added rows move an earlier row only while a split is that small, if they connect two groups, or if
    they change which rule applies. signers: "" if unknown; such a sentence is a group of its own.
    """
    signed_by = list(signers)
    by_sentence: list[list[Key]] = [
        [("id", sentence_id), *([("text", words)] if (words := normalised(text)) else [])]
        for sentence_id, text in zip(sentence_ids, texts, strict=True)
    ]
    sentence_of = _groups(by_sentence)
    sentences = len(set(sentence_of))
    few = min(_FEW, max(0, sentences - 2) // 2)  # train needs two, or there is nothing to tell apart
    if few and any(signed_by):
        by_both = [[*keys, *([("signer", s)] if s else [])] for keys, s in zip(by_sentence, signed_by, strict=True)]
        splits = _draw(_groups(by_both), least=1, trained=1)
        holds = Counter(split for _, split in set(zip(sentence_of, splits, strict=True)))
        if min(holds["dev"], holds["test"]) >= few and holds["train"] >= _TRAINED * sentences:
            return splits, "sentence and signer"
    return _draw(sentence_of, few, trained=2), "sentence"


def split_of(name: str) -> str:
    """The split that a table or a folder calls so; "" if none is."""
    return NAMES.get(_KINDS.sub("", name.strip().lower()), "")


def normalised(text: str) -> str:
    """The words of a text without case, punctuation, compatibility forms and spacing; the text if it has no words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(" " if unicodedata.category(c).startswith("P") else c for c in folded).split()
    return " ".join(words) or folded.strip()


def sentence_id(text: str, video_id: str) -> str:
    """The same for the same words; a video without text is a sentence of its own."""
    key = normalised(text) or f"video {video_id}"
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _groups(keys_of: Sequence[Sequence[Key]]) -> list[str]:
    """A name for each item's group, evenly distributed; items that share a key, directly or through others, share it.

    The name is derived from the group's signers, or from its sentences if it has no signer: from the one with the
    lowest hash, so that added rows rarely change it.
    """
    number = {key: i for i, key in enumerate(dict.fromkeys(key for keys in keys_of for key in keys))}
    links = np.array([(number[keys[0]], number[key]) for keys in keys_of for key in keys]).reshape(-1, 2)
    graph = coo_array((np.ones(len(links), bool), links.T), shape=(len(number), len(number)))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[tuple[bool, str]]] = defaultdict(list)
    for key, i in number.items():
        members[component[i]].append((key[0] != "signer", _hash("\0".join(key))))
    # Hashed again, since the lowest of several hashes is not evenly distributed.
    names = {group: _hash(min(hashes)[1]) for group, hashes in members.items()}
    return [names[component[number[keys[0]]]] for keys in keys_of]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _draw(groups: Sequence[str], least: int, trained: int) -> list[str]:
    """The split of each item, by the hash that names its group; at least `least` groups each for test and dev, and then
    `trained` for train.
    """
    ordered = sorted(set(groups))
    below = [int(name[:12], 16) / 16**12 for name in ordered]
    most = max(least, len(ordered) - least - trained)  # of test
    test = min(most, max(least, sum(share < TEST for share in below)))
    dev = min(most + least - test, max(least, sum(share < TEST + DEV for share in below) - test))
    split = {name: "test" if i < test else "dev" if i < test + dev else "train" for i, name in enumerate(ordered)}
    return [split[name] for name in groups]
