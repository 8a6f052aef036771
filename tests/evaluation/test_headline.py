"""The headline of a corpus: what is in it, and that it fits a screen."""

import statistics
from typing import Any

import pytest

from seds.evaluation import late
from seds.evaluation.headline import METRICS, headline
from seds.retrieval import metrics, ranks

STREAMS = ("fusion", "pose", "rgb")
MOST_LINES = 40  # of `dvc metrics diff`, with its heading
SEEN = {"left_hand": 0.9, "right_hand": 0.8, "confidence": 0.7}
PCK = {"elbows": 0.97, "left_elbow": 0.96, "wrists": 0.95, "fingers": 0.94, "left_fingers": 0.93}
OF_VIDEOS = {"videos": 60, "failed": 1, "frames": 2000} | SEEN


def retrieval(first: float, streams: tuple[str, ...] = STREAMS) -> ranks.Metrics:
    """All METRICS of all streams and directions, every one another number."""
    return {
        stream: {
            direction: {name: first + 100 * i + 10 * j + k for k, name in enumerate(metrics.METRICS)}
            for j, direction in enumerate(metrics.DIRECTIONS)
        }
        for i, stream in enumerate(streams)
    }


def provenance(epoch: int, dev: float, streams: tuple[str, ...] = STREAMS) -> dict[str, Any]:
    return {"epoch": epoch, "dev": retrieval(dev, streams), "dev_recalls": [dev], "seed": 42}


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"fusion.t2v.R@1": ..., ...}, a line of `dvc metrics diff` each."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def test_headline_has_test_dev_and_keypoint_figures() -> None:
    figures = headline([retrieval(1)], [provenance(17, 1000)], OF_VIDEOS)
    for stream, directions in retrieval(1).items():
        for direction, values in directions.items():
            assert figures[stream][direction] == {name: values[name] for name in METRICS}
    dev = retrieval(1000)["fusion"]
    assert figures["dev"] == {"R@1": ranks.mean_recall(dev), "MeanR": ranks.mean_rank(dev), "epoch": 17}
    assert figures["keypoints"] == SEEN
    assert figures.keys() == {*STREAMS, "dev", "keypoints"}


def test_headline_leaves_the_late_fusion_to_the_test_file() -> None:
    figures = headline([retrieval(1, (*STREAMS, late.NAME))], [provenance(17, 1000)], OF_VIDEOS)
    assert figures == headline([retrieval(1)], [provenance(17, 1000)], OF_VIDEOS)


def test_headline_has_pck_where_true_joints_are_known() -> None:
    figures = headline([retrieval(1)], [provenance(17, 1000)], OF_VIDEOS | {"pck": PCK})
    assert figures["keypoints"] == {"pck": {name: PCK[name] for name in ("elbows", "wrists", "fingers")}}


def test_headline_of_several_seeds_has_their_means() -> None:
    firsts = (1.0, 3.0, 8.0)
    provenances = [provenance(epoch, dev) for epoch, dev in ((10, 100.0), (20, 200.0), (25, 301.0))]
    figures = leaves(headline([retrieval(first) for first in firsts], provenances, OF_VIDEOS))
    of_each = [leaves(headline([retrieval(f)], [p], OF_VIDEOS)) for f, p in zip(firsts, provenances, strict=True)]
    means = {name: statistics.fmean(one[name] for one in of_each) for name in of_each[0]}
    assert figures == pytest.approx(means, abs=10**-metrics.DIGITS)
    assert figures["dev.epoch"] == pytest.approx(18.3333)


def test_headline_of_an_imported_model_has_no_dev_figures() -> None:
    figures = headline([retrieval(1)], [{"source": "SEDS release"}], OF_VIDEOS)
    assert figures.keys() == {*STREAMS, "keypoints"}


@pytest.mark.parametrize("streams", [STREAMS, ("pose",), ("rgb",)])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("keypoints", [OF_VIDEOS, OF_VIDEOS | {"pck": PCK}])
def test_headline_fits_a_screen(streams: tuple[str, ...], seeds: int, keypoints: dict[str, Any]) -> None:
    models = [retrieval(seed, streams) for seed in range(seeds)]
    figures = leaves(headline(models, [provenance(seed, 1, streams) for seed in range(seeds)], keypoints))
    assert len(figures) == 10 * len(streams) + 3 + 3
    assert len(figures) < MOST_LINES
