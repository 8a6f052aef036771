"""A trained model on a split: similarities, ranks and metrics, and the files of metrics/<dataset>/ made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seds.config import Evaluate
from seds.data.split import Split
from seds.evaluation import breakdown, fine_grained, late, minimal_pairs, published_ranks
from seds.evaluation.minimal_pairs import Pair
from seds.evaluation.results import GROUPS, INTERVALS, TEST
from seds.model.seds import SEDS
from seds.retrieval import inference, leaks, ranks
from seds.retrieval.metrics import over_seeds, rounded
from seds.retrieval.ranks import Metrics, Ranking


@dataclass(frozen=True)
class Evaluation:
    """One model on one split: its streams, and late.NAME where late_weight, that of pose, was chosen."""

    similarities: dict[str, np.ndarray]  # {stream: float32 [videos, sentences]}
    rankings: dict[str, dict[str, Ranking]]  # {stream: {direction: ...}}
    metrics: Metrics
    late_weight: float | None = None
    told_apart: dict[str, dict[str, float]] = field(default_factory=dict)  # minimal_pairs.told_apart; empty: no pairs
    translated: dict[str, Metrics] = field(default_factory=dict)  # {language: ...}, of the sentences put into it
    among_substitutes: dict[str, Any] = field(default_factory=dict)  # fine_grained.measure; empty: there are none


def evaluate_model(
    model: SEDS,
    split: Split,
    dev: Split | None = None,
    pairs: Sequence[Pair] = (),
    captions: Mapping[int, Sequence[str]] | None = None,
    translations: Mapping[str, Sequence[str]] | None = None,
) -> Evaluation:
    """dev: what the weight of the late fusion is chosen on; None, or a model of one stream, has no late fusion.

    captions: of fine_grained.draw_captions. translations: {language: a text a sentence}, asked for in its place.
    """
    similarities, own, others = inference.score_captions(model, split, captions or {}, translations or {})
    among = {stream: list(scores.values()) for stream, scores in own.items()}
    weight = None
    if dev is not None and len(model.streams) > 1:
        weight = late.choose_weight(inference.score(model, dev), dev.sentence_of)
        similarities[late.NAME] = late.mix(similarities, weight)
        if among:
            both = zip(among["pose"], among["rgb"], strict=True)
            among[late.NAME] = [late.mix({"pose": pose, "rgb": rgb}, weight) for pose, rgb in both]
    metrics, rankings = ranks.evaluate(similarities, split.sentence_of)
    told_apart = minimal_pairs.told_apart(similarities, split.sentence_of, pairs)
    translated = {language: ranks.evaluate(matrices, split.sentence_of)[0] for language, matrices in others.items()}
    among_substitutes = fine_grained.measure(among) if among else {}
    return Evaluation(similarities, rankings, metrics, weight, told_apart, translated, among_substitutes)


@dataclass(frozen=True)
class Training:
    """What of the training split evaluation has to know: the texts and the signers of its usable videos."""

    texts: tuple[str, ...] = ()
    signers: frozenset[str] = frozenset()


def metric_files(
    evaluation: Evaluation,
    by_seed: Mapping[str, Evaluation],
    split: Split,
    signers: Sequence[str],
    training: Training,
    keypoints: Mapping[str, Any],
    settings: Evaluate,
) -> dict[str, dict[str, Any]]:
    """What the JSON files beside headline.json hold, by file name.

    TEST: the metrics, the interval of R@1, the counts and the weight of the late fusion; on request the published
    rule's metrics beside them; of several seeds each one's metrics, their mean and standard deviation. With minimal
    pairs `told_apart`, also by seed, and how far the keypoints of a pair differ. `without_leaks`: what retrieval.leaks
    gives; `translated`: the metrics of the sentences put into other languages, and with several seeds their spread;
    `fine_grained`: each caption among almost equal ones. INTERVALS: 95 % intervals of all metrics. GROUPS: metrics by
    number of words, by signer, and by whether the signer is one of training.

    evaluation: of the main model. by_seed: of every model, the main one included, so that one seed alone adds nothing.
    signers: of each video, "" where unknown. keypoints: the part on test of metrics/<dataset>/pose.json.
    """
    intervals = ranks.bootstrap(evaluation.rankings, settings.bootstrap, settings.seed) if settings.bootstrap else {}
    test: dict[str, Any] = {
        stream: {direction: dict(values) for direction, values in directions.items()}
        for stream, directions in evaluation.metrics.items()
    }
    for stream, directions in intervals.items():
        for direction, interval_of in directions.items():
            test[stream][direction] |= {f"R@1_{end}": value for end, value in interval_of["R@1"].items()}
    if settings.published_ties:
        test["published_ties"] = {
            stream: {
                direction: rounded(values)
                for direction, values in published_ranks.metrics(similarity, split.sentence_of).items()
            }
            for stream, similarity in evaluation.similarities.items()
        }
    if len(by_seed) > 1:
        each = {seed: one.metrics for seed, one in by_seed.items()}
        test["seeds"] = over_seeds(list(each.values())) | {"each": each}
    test |= {"sentences": len(split.sentence_ids), "videos": len(split.videos)}
    if evaluation.late_weight is not None:
        test["late_weight"] = evaluation.late_weight
    if evaluation.told_apart:
        test["told_apart"] = {"test": evaluation.told_apart, "keypoints": keypoints.get("pairs", {})}
        if len(by_seed) > 1:
            told = {seed: one.told_apart for seed, one in by_seed.items()}
            test["told_apart"]["seeds"] = minimal_pairs.over_seeds(list(told.values())) | {"each": told}
    test["without_leaks"] = leaks.without_leaks(evaluation.similarities, split.texts, split.sentence_of, training.texts)
    if evaluation.translated:
        test["translated"] = evaluation.translated
        if len(by_seed) > 1:
            test["translated_seeds"] = {
                language: over_seeds([one.translated[language] for one in by_seed.values()])
                for language in evaluation.translated
            }
    if evaluation.among_substitutes:
        test["fine_grained"] = dict(evaluation.among_substitutes)
        if len(by_seed) > 1:
            found = {
                seed: {name: one.among_substitutes[name] for name in fine_grained.METRICS}
                for seed, one in by_seed.items()
            }
            test["fine_grained"]["seeds"] = minimal_pairs.over_seeds(list(found.values())) | {"each": found}
    parts = {
        "words": breakdown.by_length(split.texts, split.sentence_of),
        "signer": breakdown.by_signer(signers, split.sentence_of),
        "signer_in_train": breakdown.by_known_signer(signers, split.sentence_of, training.signers),
    }
    groups = {kind: breakdown.metrics_of(queries_of, evaluation.rankings) for kind, queries_of in parts.items()}
    return {TEST: test, INTERVALS: intervals, GROUPS: groups}
