"""Late fusion: its weight, and what it is worth on sentences that did not choose it."""

import numpy as np

from seds.evaluation import late
from seds.retrieval import ranks

SENTENCES = 60


def streams(pose: float, rgb: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Noise of deviation 1 with the right answers raised by so much."""
    generator = np.random.default_rng(seed)
    signals = {"pose": pose, "rgb": rgb}
    right = np.eye(SENTENCES)
    return {name: generator.normal(size=right.shape) + by * right for name, by in signals.items()}


def recall(similarity: np.ndarray) -> float:
    return ranks.mean_recall(ranks.evaluate({"x": similarity}, np.arange(SENTENCES))[0]["x"])


def test_weight_follows_the_stream_that_knows_more() -> None:
    of = np.arange(SENTENCES)
    assert late.choose_weight(streams(4.0, 0.0), of) > 0.6
    assert late.choose_weight(streams(0.0, 4.0), of) < 0.4


def test_late_fusion_of_two_good_streams_beats_both_elsewhere() -> None:
    weight = late.choose_weight(streams(2.5, 2.5), np.arange(SENTENCES))
    test = streams(2.5, 2.5, seed=1)
    assert recall(late.mix(test, weight)) > max(recall(test["pose"]), recall(test["rgb"]))


def test_late_fusion_with_noise_is_as_good_as_the_other_stream() -> None:
    weight = late.choose_weight(streams(4.0, 0.0), np.arange(SENTENCES))
    test = streams(4.0, 0.0, seed=1)
    assert recall(late.mix(test, weight)) > recall(test["pose"]) - 5 > recall(late.mix(test, 0.5))
