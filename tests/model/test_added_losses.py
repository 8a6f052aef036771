"""Losses of single signs and substitutes against plain loops, and a whole step with every idea."""

import math

import pytest
import torch
from helpers.batches import random_batch, widened_batch
from helpers.heads import IDEAS, add_heads
from helpers.recorded import SMALL, without_dropout
from torch.nn import functional as F

from seds.config import ConfigError, Ideas, Losses
from seds.model.added_losses import Extras, SignRows, Substitutes, own_similarity, sign_loss, substitute_loss
from seds.model.heads import Heads
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.model.similarity import Tokens, text_to_video, video_to_text

GENERATOR = torch.Generator().manual_seed(0)


def tokens(lengths, length, weighed=False):
    values = torch.randn(len(lengths), length, 8, generator=GENERATOR, dtype=torch.float64)
    valid = torch.arange(length) < torch.tensor(lengths)[:, None]
    weights = torch.rand(valid.shape, generator=GENERATOR, dtype=torch.float64) * valid
    return Tokens(F.normalize(values, dim=-1), valid, weights / weights.sum(1, keepdim=True) if weighed else None)


def rows_of(several, rows):
    return several.rows(slice(rows[0], rows[-1] + 1))


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("masked", [True, False])
def test_substitute_loss_is_a_cross_entropy_among_a_video_s_own_texts(weighed, masked):
    video, text, others = (tokens(n, 6, weighed) for n in ((6, 4, 2), (5, 3, 6), (3, 4, 5, 6, 2, 3)))
    real = torch.tensor([[True, True], [True, False], [True, True]])
    scale, mix = torch.tensor(7.0, dtype=torch.float64), 0.3

    def score(a, texts, row):
        one, other = rows_of(video, [a]), rows_of(texts, [row])
        i2t, t2i = video_to_text(one, other, masked).item(), text_to_video(one, other, masked).item()
        return 7 * (mix * i2t + (1 - mix) * t2i)

    losses = []
    for a in range(3):
        right = score(a, text, a)
        wrong = [score(a, others, 2 * a + k) for k in range(2) if real[a, k]]
        losses.append(math.log(sum(math.exp(each) for each in [right, *wrong])) - right)
    for micro_batch in (None, 2):
        found = substitute_loss(video, text, others, real, scale, mix, masked, [3], micro_batch)
        assert found.item() == pytest.approx(sum(losses) / 3, rel=1e-12)


def test_own_similarity_does_not_depend_on_padding():
    video, texts = tokens((4, 2), 4), tokens((3, 2, 1, 3), 3)

    def padded(several, more):
        noise = F.normalize(torch.randn(len(several.valid), more, 8, generator=GENERATOR, dtype=torch.float64), dim=-1)
        return torch.cat([several.values, noise], 1), F.pad(several.valid, (0, more))

    def scores(more):
        values, valid = padded(texts, more)
        of_video = Tokens(*padded(video, more))
        return own_similarity(of_video, Tokens(values.unflatten(0, (2, 2)), valid.unflatten(0, (2, 2))), 0.5, True)

    torch.testing.assert_close(scores(3), scores(0))


def test_sign_loss_is_hn_nce_of_mean_tokens_and_words():
    video, words = tokens((6, 5), 6), tokens((3, 4, 2), 4)
    signs = SignRows(*map(torch.tensor, ([0, 0, 1, 1], [1, 3, 1, 2], [3, 4, 2, 5], [0, 2, 2, 1], [[0], [0], [0]])))
    vectors, names, labels = [], [], signs.labels.tolist()
    for row, first, stop, label in zip(signs.rows.tolist(), (1, 3, 1, 2), (3, 4, 2, 5), labels, strict=True):
        vectors.append(F.normalize(sum(video.values[row, i] for i in range(first, stop)), dim=0))
        names.append(F.normalize(sum(words.values[label, i] for i in range(int(words.valid[label].sum()))), dim=0))
    cosines = [[(v @ n).item() / 0.07 for n in names] for v in vectors]

    def hn_nce(matrix):
        losses = []
        for i, row in enumerate(matrix):
            negatives = [j for j in range(4) if labels[j] != labels[i]]
            total = sum(math.exp(0.5 * row[j]) for j in negatives)
            hard = sum(len(negatives) * math.exp(0.5 * row[j]) / total * math.exp(row[j]) for j in negatives)
            losses.append(math.log(math.exp(row[i]) + hard) - row[i])
        return sum(losses) / 4

    expected = (hn_nce(cosines) + hn_nce([list(column) for column in zip(*cosines, strict=True)])) / 2
    assert sign_loss(video, words, signs, [2]).item() == pytest.approx(expected, rel=1e-12)


def test_sign_loss_of_a_batch_without_signs_is_zero_with_gradients():
    video = Tokens(torch.ones(2, 3, 4, requires_grad=True), torch.ones(2, 3, dtype=torch.bool))
    none = torch.zeros(0, dtype=torch.int64)
    words = Tokens(torch.zeros(0, 1, 4), torch.ones(0, 1, dtype=torch.bool))
    loss = sign_loss(video, words, SignRows(none, none, none, none, none.view(0, 1)), [2])
    loss.backward()
    assert loss.item() == 0
    assert video.values.grad is not None


def extras_of(batch):
    signs = SignRows(*map(torch.tensor, ([0, 1, 1], [1, 1, 2], [2, 3, 4], [1, 0, 1])), batch.ids[:2].clone())
    others = torch.stack([batch.ids.roll(1, 0), batch.ids.roll(2, 0)], 1)
    return Extras(Substitutes(others, torch.ones(others.shape[:2], dtype=torch.bool)), signs)


def trained(micro_batch=None, extra=(0, 0, 0), numerics="default"):
    """Losses and gradients of a step with every idea, token weights too."""
    sizes = SMALL.model_copy(update={"token_weights": "learned"})
    model = SEDS(sizes, numerics)
    initialise(model, torch.Generator().manual_seed(0))
    without_dropout(model.double().train())
    add_heads(model, IDEAS)
    model.set_activation_checkpointing(False, micro_batch)
    batch = widened_batch(random_batch((16, 40, 25), (5, 12, 3), extra=extra))
    parts = model(batch, Losses(), IDEAS, extras_of(batch))
    parts["total"].backward()
    return parts, {name: p.grad for name, p in model.named_parameters()}


def test_every_idea_has_a_loss_by_name_and_every_parameter_a_gradient():
    parts, gradients = trained()
    assert list(parts) == ["total", "fusion", "pose", "rgb", "match", "caption", "substitutes", "signs"]
    torch.testing.assert_close(parts["total"], sum(value for name, value in parts.items() if name != "total"))
    assert [name for name, gradient in gradients.items() if gradient is None] == []


@pytest.mark.parametrize(("micro_batch", "extra"), [(2, (0, 0, 0)), (None, (7, 5, 4))])
def test_step_with_every_idea_is_the_same_in_micro_batches_and_with_padding(micro_batch, extra):
    (parts, gradients), (found, others) = trained(), trained(micro_batch, extra)
    torch.testing.assert_close(found, parts, rtol=1e-9, atol=1e-9)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


def test_ideas_without_their_parts_are_refused():
    model, batch = SEDS(SMALL), random_batch((16, 20), (5, 7))
    with pytest.raises(ConfigError, match="needs parts of training that this model is without"):
        model(batch, Losses(), Ideas(caption_weight=1.0))
    with pytest.raises(ConfigError, match=r"decoder writes CLIP's tokens and model\.text is use"):
        Heads(Ideas(caption_weight=1.0), SMALL.model_copy(update={"text": "use"}), ("rgb",), torch.arange(3))
