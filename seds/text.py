"""Sentences as token ids: CLIP's byte pairs cut to the model's length, and the word swap of training (SPEC 2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

PADDING = 0


@cache
def _tokenizer() -> Any:
    # Only this file of the module: its package would also load the networks, 230 MB that reading annotations does not
    # need.
    file = Path(find_spec("open_clip").submodule_search_locations[0]) / "tokenizer.py"  # type: ignore[union-attr,index]
    spec = spec_from_file_location("open_clip_tokenizer", file)
    module = module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module.SimpleTokenizer()  # its vocabulary of 49,408 entries is beside it


def tokenise(texts: Sequence[str], max_words: int = 32) -> np.ndarray:
    """Token ids, int64 [len(texts), max_words]: start token, byte pairs, end token, zeros.

    A longer sentence keeps its start token and max_words - 2 evenly spaced others. The end token has the largest id,
    and everything after its first occurrence is padding.
    """
    tokenizer = _tokenizer()
    ids = np.full((len(texts), max_words), PADDING, np.int64)
    for row, text in zip(ids, texts, strict=True):
        tokens = [tokenizer.sot_token_id, *_encode(text)]
        if len(tokens) >= max_words:
            tokens = [tokens[i] for i in kept_tokens(len(tokens), max_words)]
        row[: len(tokens) + 1] = [*tokens, tokenizer.eot_token_id]
    return ids


def count_tokens(text: str) -> int:
    """How many tokens a text has, start and end included, before any is left out."""
    return len(_encode(text)) + 2


def _encode(text: str) -> Sequence[int]:
    """The byte pairs of a text.

    No byte pair spans white space, so the tokens of a text are those of its words, and a corpus has few different
    words. But the tokenizer first repairs broken Unicode and HTML, judging the whole text; plain ASCII needs no repair.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        return [token for word in text.split() for token in _encode_word(word)]
    return _tokenizer().encode(text)


@lru_cache(maxsize=1 << 17)
def _encode_word(word: str) -> tuple[int, ...]:
    return tuple(_tokenizer().encode(word))


def token_counts(text: str) -> list[tuple[str, int]]:
    """The words of a text as the tokeniser reads them, lower-cased, cleaned and split at white space, and how many byte
    pairs each becomes: together all of the text's, in order, since no byte pair spans white space.
    """
    tokenizer = _tokenizer()

    def count(word: str) -> int:
        parts = ("".join(tokenizer.byte_encoder[b] for b in part.encode()) for part in tokenizer.pat.findall(word))
        return sum(len(tokenizer.bpe(part).split(" ")) for part in parts)

    return [(word, count(word)) for word in tokenizer.clean_fn(text).split()]


def kept_tokens(length: int, max_words: int = 32) -> np.ndarray:
    """Which of `length` tokens, start token included, are kept so that the end token still fits; int64."""
    room = max_words - 1
    if length <= room:
        return np.arange(length)
    return np.concatenate([[0], np.linspace(1, length - 1, room - 1).astype(np.int64)])


def swap_words(text: str, probability: float, generator: np.random.Generator) -> str:
    """The text, with that probability with two of its words (split at white space) swapped."""
    words = text.split()
    if generator.random() >= probability or len(words) < 2:
        return text
    i, j = generator.choice(len(words), size=2, replace=False)
    words[i], words[j] = words[j], words[i]
    return " ".join(words)
