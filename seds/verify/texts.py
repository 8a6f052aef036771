"""Token ids of recorded captions, and the swapping of words in training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from seds import text
from seds.verify.arrays import NotCompared
from seds.verify.comparison import Note, Result, same

CONTROL_TOKENS = ("<|startoftext|>", "<|endoftext|>")


def tokens(label: str, recorded: Any) -> Iterator[Result]:
    """Ids, masks and byte pairs before the cut to length. Control tokens that a text spells out differ on purpose."""
    captions = recorded["text"]
    spelled = [any(token in caption for token in CONTROL_TOKENS) for caption in captions]
    rows = [i for i, control in enumerate(spelled) if not control]
    if not rows:
        raise NotCompared("no texts")
    max_words = recorded.get("max_words") or len(recorded["ids"][0])
    ids = text.tokenise([captions[i] for i in rows], max_words)
    if "ids" in recorded:
        yield same(f"{label}/ids", ids, [recorded["ids"][i] for i in rows])
    if "mask" in recorded:
        valid = np.arange(ids.shape[1]) <= ids.argmax(axis=1)[:, None]
        yield same(f"{label}/mask", valid, np.array([recorded["mask"][i] for i in rows]) > 0)
    if "bpe" in recorded:
        pairs = [
            text.tokenise([captions[i]], len(recorded["bpe"][i]) + 2)[0, 1:-1].tolist() == recorded["bpe"][i]
            for i in rows
        ]
        yield same(f"{label}/bpe", pairs, [True] * len(pairs))
    for i in (i for i, control in enumerate(spelled) if control):
        name = recorded["keys"][i] if "keys" in recorded else i
        yield Note(f"{label}/{name}", f"ours reads control tokens as text: {captions[i]!r}")


def swaps(label: str, recorded: Any) -> Iterator[Result]:
    """The recorded augmentation draws from Python's generator, ours from NumPy's: rules are compared, not draws."""
    if not recorded:
        raise NotCompared("no texts")
    max_words = len(recorded[0]["ids"])
    originals = text.tokenise([item["text"] for item in recorded], max_words)
    yield same(f"{label}/ids", originals, [item["ids"] for item in recorded])
    theirs, ours = [], []
    for number, item in enumerate(recorded):
        words = item["text"].split()
        swapped = [
            [*words[:i], words[j], *words[i + 1 : j], words[i], *words[j + 1 :]]
            for i, j in itertools.combinations(range(len(words)), 2)
        ]
        possible = {tuple(row) for row in text.tokenise([item["text"], *map(" ".join, swapped)], max_words).tolist()}
        theirs.append(tuple(item["ids_aug"]) in possible)
        drawn = text.swap_words(item["text"], 1.0, np.random.default_rng(number))
        ours.append(tuple(text.tokenise([drawn], max_words)[0].tolist()) in possible)
    yield same(f"{label}/ids_aug (the text itself, or two words of it swapped)", theirs, [True] * len(recorded))
    yield same(f"{label}/ours (the same)", ours, [True] * len(recorded))
