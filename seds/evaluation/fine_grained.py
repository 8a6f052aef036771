"""The fine-grained test: a video ranks its caption among others that differ from it in one or two words (V2T)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from seds.config import FineGrained
from seds.demo.language import Sentence
from seds.evaluation import demo_captions
from seds.retrieval import ranks, substitutes
from seds.retrieval.metrics import rounded

METRICS = ("R@1", "MRR")


def draw_captions(
    texts: Sequence[str], training: Iterable[str], corpus: str, settings: FineGrained, seed: int
) -> dict[int, list[str]]:
    """{sentence: its own text, then others}, of up to settings.sentences sentences, evenly chosen.

    training: the texts whose words are used. corpus: the reader's name; a sentence of the demo corpus's language gets
    others of that language. A sentence of which none can be made is left out.
    """
    by_words = substitutes.by_words(training)
    chosen = np.linspace(0, len(texts) - 1, min(len(texts), settings.sentences)).round().astype(int)
    captions = {}
    for sentence in chosen.tolist() if settings.captions else []:
        text, generator = texts[sentence], np.random.default_rng((seed, sentence))
        spoken = demo_captions.parse(text) if corpus == "demo" else None
        propose = by_words if spoken is None else partial(_exchange_glosses, spoken)
        others = substitutes.substitutes(text, settings.captions, propose, generator)
        if others:
            captions[sentence] = [text, *others]
    return captions


def measure(scores: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Any]:
    """What test.json has: {"videos", "captions" (mean number), "chance" (of R@1), "R@1": {stream: ...}, "MRR"}.

    scores: {stream: of each video the scores of its captions, its own first}. Ranks and ties as in seds.retrieval.
    """
    counts = np.array([len(row) for row in next(iter(scores.values()))])
    values: dict[str, dict[str, float]] = {name: {} for name in METRICS}
    for stream, rows in scores.items():
        rank = np.array([int(ranks.ranks(row[None], np.zeros(1, np.int64))[0]) for row in rows])
        values["R@1"][stream] = 100 * float((rank == 1).mean())
        values["MRR"][stream] = float((1 / rank).mean())
    sizes = {"captions": float(counts.mean()), "chance": 100 * float((1 / counts).mean())}
    return {"videos": len(counts)} | rounded(sizes) | {name: rounded(values[name]) for name in METRICS}


def summary(measured: Mapping[str, Any]) -> list[str]:
    """A line of what `measure` gives, if anything was measured."""
    if not measured:
        return []
    recalls = ", ".join(f"{stream} {value:.1f}" for stream, value in measured["R@1"].items())
    return [
        f"each video's caption among {measured['captions'] - 1:.0f} that differ in a word or two, V2T R@1 (%): "
        f"{recalls}; chance {measured['chance']:.1f}"
    ]


def _exchange_glosses(spoken: Sentence, text: str, generator: np.random.Generator) -> Iterator[str]:
    return (other.text for other in demo_captions.near(spoken, generator))
