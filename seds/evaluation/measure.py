"""What the stage evaluate finds out about trained models on a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seds.config import Evaluate
from seds.data.split import Split
from seds.evaluation import breakdown, published_ranks
from seds.model.seds import SEDS
from seds.retrieval import inference, ranks
from seds.retrieval.metrics import over_seeds, rounded
from seds.retrieval.ranks import Metrics, Ranking


@dataclass(frozen=True)
class Evaluation:
    """One model on one split."""

    similarities: dict[str, np.ndarray]  # {stream: float32 [videos, sentences]}
    rankings: dict[str, dict[str, Ranking]]
    metrics: Metrics


def measure(model: SEDS, split: Split) -> Evaluation:
    similarities = inference.score(model, split)
    metrics, rankings = ranks.evaluate(similarities, split.sentence_of)
    return Evaluation(similarities, rankings, metrics)


def metric_files(
    found: Evaluation, seeds: Mapping[str, Metrics], split: Split, signers: Sequence[str], settings: Evaluate
) -> dict[str, dict[str, Any]]:
    """What the JSON files hold, by name.

    test: the metrics, the interval of R@1 and the counts; on request the published rule's metrics beside them; of
    several seeds each one's metrics, their mean and standard deviation. test_intervals: 95 % intervals of all metrics.
    test_groups: metrics by number of words and by signer.

    found: of the main model; seeds: metrics of every model by seed, the main one included, so that one seed alone says
    nothing; signers: of each video, "" where unknown.
    """
    intervals = ranks.bootstrap(found.rankings, settings.bootstrap, settings.seed) if settings.bootstrap else {}
    test: dict[str, Any] = {s: {d: dict(values) for d, values in both.items()} for s, both in found.metrics.items()}
    for stream, both in intervals.items():
        for direction, ends in both.items():
            test[stream][direction] |= {f"R@1_{end}": value for end, value in ends["R@1"].items()}
    if settings.published_ties:
        rules = {stream: published_ranks.metrics(s, split.sentence_of) for stream, s in found.similarities.items()}
        test["published_ties"] = {s: {d: rounded(v) for d, v in both.items()} for s, both in rules.items()}
    if len(seeds) > 1:
        test["seeds"] = over_seeds(list(seeds.values())) | {"each": dict(seeds)}
    test |= {"sentences": len(split.sentence_ids), "videos": len(split.videos)}
    parts = {
        "words": breakdown.by_length(split.texts, split.sentence_of),
        "signer": breakdown.by_signer(signers, split.sentence_of),
    }
    groups = {kind: breakdown.metrics_of(own, found.rankings) for kind, own in parts.items()}
    return {"test": test, "test_intervals": intervals, "test_groups": groups}
