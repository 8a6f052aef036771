"""The decoder that writes texts: its loss word by word, what it can see, and that padding changes nothing."""

import torch
from torch.nn import functional as F

from seds.model.captioner import SMOOTHING, Captioner

VOCABULARY = torch.tensor([0, 3, 7, 20, 98, 99])  # 98 start, 99 end
IDS = torch.tensor([[98, 3, 20, 7, 99], [98, 7, 99, 0, 0]])
VALID = torch.tensor([[True] * 4, [True, True, False, False]])
TOKENS = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def captioner() -> Captioner:
    torch.manual_seed(1)
    return Captioner(VOCABULARY, 8, 16, 4).double().eval()


def test_caption_loss_is_the_smoothed_cross_entropy_of_each_word():
    module = captioner()
    sums, counts = module(TOKENS, VALID, IDS)
    assert counts.tolist() == [4, 2]
    for row, length in enumerate((5, 3)):
        total = 0.0
        places = [VOCABULARY.tolist().index(i) for i in IDS[row, :length].tolist()]
        for end in range(1, length):  # each word by a pass over the words before it alone
            before = torch.tensor([places[:end]])
            own = int(VALID[row].sum())
            logits = module.logits(TOKENS[row : row + 1, :own], VALID[row : row + 1, :own], before)[0, -1]
            log_p = logits.log_softmax(-1)
            total += -(1 - SMOOTHING) * log_p[places[end]] - SMOOTHING * log_p.mean()
        torch.testing.assert_close(sums[row], total)


def test_caption_loss_does_not_depend_on_padding():
    module = captioner()
    noise = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = module(torch.cat([TOKENS, noise], 1), F.pad(VALID, (0, 3)), F.pad(IDS, (0, 2)))
    torch.testing.assert_close(found, module(TOKENS, VALID, IDS))


def test_caption_loss_has_a_gradient_in_valid_tokens_alone():
    module, tokens = captioner(), TOKENS.clone().requires_grad_()
    module(tokens, VALID, IDS)[0].sum().backward()
    assert torch.equal(tokens.grad.abs().sum(-1) > 0, VALID)
    assert all(p.grad is not None for p in module.parameters())
