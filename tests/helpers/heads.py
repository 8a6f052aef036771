"""Parts of training for a model in float64, without randomness, so that steps can be compared."""

import torch

from seds.config import Ideas
from seds.model.heads import Heads
from seds.model.seds import SEDS

IDEAS = Ideas(  # all of them
    label_smoothing=0.1,
    hard_negatives=0.5,
    sign_weight=0.3,
    substitutes_weight=0.4,
    transport_weight=1,
    caption_weight=1,
)


def add_heads(model: SEDS, ideas: Ideas) -> None:
    """Heads without dropout, whose noise is a function of each token, and token weights that differ from a mean."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model.heads = Heads(ideas, model.sizes, model.streams, torch.arange(model.sizes.vocabulary)).double()
        for name, p in model.token_weights.named_parameters():
            if name.endswith("score.weight"):
                torch.nn.init.normal_(p)
    for module in model.heads.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    for gaussian in model.heads.gaussians.values():
        gaussian.noise = lambda mean: torch.sin(100 * mean)
