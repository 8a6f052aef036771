"""Texts as the ids that a model's text side reads: CLIP's byte pairs or the pieces of another tokeniser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seds import text
from seds.config import ModelSizes
from seds.data import use_text


def tokenise(texts: Sequence[str], sizes: ModelSizes) -> np.ndarray:
    """int64 [len(texts), max_words]: start, at most max_words - 2 tokens, end, zeros; the end has the largest id.

    Raises UseError.
    """
    if sizes.text == "use":
        return use_text.tokenise(texts, sizes.max_words)
    return text.tokenise(texts, sizes.max_words)
