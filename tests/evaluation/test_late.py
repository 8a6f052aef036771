"""Late fusion: the weight that is chosen, against every weight tried by hand."""

import numpy as np
import pytest

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


@pytest.mark.parametrize(("pose", "rgb"), [(3.0, 0.0), (0.0, 3.0), (2.5, 2.5), (3.0, 2.0)])
def test_weight_is_the_best_on_what_it_is_chosen_on(pose: float, rgb: float) -> None:
    dev = streams(pose, rgb)
    chosen = late.choose_weight(dev, np.arange(SENTENCES))
    assert recall(late.mix(dev, chosen)) == max(recall(late.mix(dev, weight)) for weight in late.WEIGHTS)


def test_weight_follows_the_stream_that_knows_more() -> None:
    of = np.arange(SENTENCES)
    assert late.choose_weight(streams(4.0, 0.0), of) > 0.6
    assert late.choose_weight(streams(0.0, 4.0), of) < 0.4


def test_weight_of_streams_that_are_both_perfect_is_one_half() -> None:
    assert late.choose_weight(streams(50.0, 50.0), np.arange(SENTENCES)) == 0.5


def test_late_fusion_of_two_good_streams_beats_both_elsewhere() -> None:
    weight = late.choose_weight(streams(2.5, 2.5), np.arange(SENTENCES))
    test = streams(2.5, 2.5, seed=1)
    assert recall(late.mix(test, weight)) > max(recall(test["pose"]), recall(test["rgb"]))
