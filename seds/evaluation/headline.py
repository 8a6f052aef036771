"""The figures of a corpus that DVC shows: what `dvc metrics diff` and `dvc exp show` print has to fit a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from seds.evaluation import late
from seds.retrieval.metrics import over_seeds, rounded
from seds.retrieval.ranks import Metrics, mean_rank, mean_recall

METRICS = ("R@1", "R@5", "R@10", "MedR", "MeanR")
JOINTS = ("elbows", "wrists", "fingers")
SEEN = ("left_hand", "right_hand", "confidence")


def headline(
    metrics: Sequence[Metrics], provenances: Sequence[Mapping[str, Any]], keypoints: Mapping[str, Any]
) -> dict[str, Any]:
    """At most 36 figures: METRICS of the model's streams on test, {stream: {direction: {metric: value}}}, and beside:

    dev: what the epoch was chosen by, R@1 and MeanR of the main stream, each averaged over both directions, and the
    epoch; absent for a model that was not trained here.
    keypoints: of the test videos, PCK of JOINTS where a corpus has true joints, and SEEN where it has not.

    metrics, provenances: of each seed's model, the same seeds in the same order; of several the means are given. A
    provenance is that of the model folder's config.json. keypoints: the part on test of metrics/<dataset>/pose.json.
    """
    test = over_seeds(metrics)["mean"] if len(metrics) > 1 else metrics[0]
    main = next(iter(test))
    figures: dict[str, Any] = {
        stream: {direction: {name: values[name] for name in METRICS} for direction, values in directions.items()}
        for stream, directions in test.items()
        if stream != late.NAME  # its ten figures would not fit
    }
    if all("dev" in provenance for provenance in provenances):
        chosen = [_chosen_by(provenance, main) for provenance in provenances]
        figures["dev"] = rounded({name: mean(one[name] for one in chosen) for name in chosen[0]})
    figures["keypoints"] = (
        {"pck": {joint: keypoints["pck"][joint] for joint in JOINTS if joint in keypoints["pck"]}}
        if "pck" in keypoints
        else {name: keypoints[name] for name in SEEN}
    )
    return figures


def _chosen_by(provenance: Mapping[str, Any], stream: str) -> dict[str, float]:
    dev = provenance["dev"][stream]
    return {"R@1": mean_recall(dev), "MeanR": mean_rank(dev), "epoch": provenance["epoch"]}
