"""Learned token weights: their formula, similarities with them by plain loops, and that they begin as means."""

import math

import pytest
import torch
from helpers.batches import random_batch
from helpers.recorded import SMALL
from torch.nn import functional as F

from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.model.similarity import Tokens, text_to_video, video_to_text
from seds.model.token_weights import TokenWeights
from seds.retrieval.scoring import Sentences

GENERATOR = torch.Generator().manual_seed(0)
LEARNED = SMALL.model_copy(update={"token_weights": "learned"})


def tokens(lengths, length):
    values = torch.randn(len(lengths), length, 8, generator=GENERATOR, dtype=torch.float64)
    valid = torch.arange(length) < torch.tensor(lengths)[:, None]
    weights = torch.rand(valid.shape, generator=GENERATOR, dtype=torch.float64).masked_fill(~valid, 0)
    return Tokens(F.normalize(values, dim=-1), valid, weights / weights.sum(1, keepdim=True))


def test_weights_are_a_softmax_over_valid_tokens_of_a_perceptron():
    torch.manual_seed(0)
    module, several = TokenWeights(8).double(), tokens((4, 2), 4)
    found = module(several.values, several.valid)
    for row, length in enumerate((4, 2)):
        scores = []
        for token in several.values[row, :length]:
            hidden = (module.hidden.weight @ token + module.hidden.bias).clamp(min=0)
            scores.append(math.exp((module.score.weight[0] @ hidden + module.score.bias[0]).item()))
        expected = [score / sum(scores) for score in scores] + [0.0] * (4 - length)
        assert found[row].tolist() == pytest.approx(expected, rel=1e-12)


def test_weighted_similarities_equal_plain_loops_and_those_of_evaluation():
    video, text = tokens((5, 3), 5), tokens((4, 2, 1), 4)

    def one_way(first, second):  # what each token of the first picks among those of the second
        total = 0.0
        for token, weight, real in zip(first.values[0], first.weights[0], first.valid[0], strict=True):
            cosines = [(token @ other).item() for other in second.values[0, second.valid[0]]]
            picks = [math.exp(c / 0.07) for c in cosines]
            total += weight.item() * real.item() * sum(c * p for c, p in zip(cosines, picks, strict=True)) / sum(picks)
        return total

    i2t, t2i = video_to_text(video, text, True), text_to_video(video, text, True)
    for a in range(2):
        for b in range(3):
            pair = video.rows(slice(a, a + 1)), text.rows(slice(b, b + 1))
            assert i2t[a, b].item() == pytest.approx(one_way(*pair), rel=1e-9)
            assert t2i[a, b].item() == pytest.approx(one_way(*pair[::-1]), rel=1e-9)
    scores = Sentences(text, True, "cpu").scores(video, 0.3)
    torch.testing.assert_close(scores, 0.3 * i2t + 0.7 * t2i)


def test_a_model_with_learned_weights_begins_with_means():
    batch = random_batch((16, 30), (5, 9))
    models = [SEDS(sizes).eval() for sizes in (SMALL, LEARNED)]
    for model in models:
        initialise(model, torch.Generator().manual_seed(0))
    models[1].load_state_dict(models[0].state_dict(), strict=False)
    video, text = models[1].encode_video(batch), models[1].encode_text(batch.ids)
    for weights, valid in ((video.weights["fusion"], video.valid), (text.weights, text.valid)):
        torch.testing.assert_close(weights, valid / valid.sum(1, keepdim=True))
    assert models[0].encode_video(batch).weights == {}
    assert set(models[1].state_dict()) - set(models[0].state_dict()) == {
        f"token_weights.{name}.{layer}.{kind}"
        for name in ("fusion", "pose", "rgb", "text")
        for layer in ("hidden", "score")
        for kind in ("weight", "bias")
    }
