"""A decoder that writes a video's text, in training alone: the encoding of a video has to hold all that is said in it.

C2RL's explicit content loss (TCSVT 2025), there with the decoder of a pretrained mBART; here a small one of two layers
that starts from random weights and knows the tokens of the training texts alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMOOTHING = 0.2  # of the targets
LAYERS, FEEDFORWARD, DROPOUT = 2, 4, 0.1


class Captioner(nn.Module):
    """vocabulary: the ids of the tokens that occur in the training texts, int64, ascending."""

    vocabulary: Tensor

    def __init__(self, vocabulary: Tensor, max_words: int, width: int, heads: int) -> None:
        super().__init__()
        self.register_buffer("vocabulary", vocabulary)
        self.token_embedding = nn.Embedding(len(vocabulary), width)
        self.positional_embedding = nn.Parameter(0.02 * torch.randn(max_words, width))
        self.memory_ln = nn.LayerNorm(width)
        layer = nn.TransformerDecoderLayer(
            width, heads, FEEDFORWARD * width, DROPOUT, "gelu", batch_first=True, norm_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, LAYERS, nn.LayerNorm(width))
        self.output = nn.Linear(width, len(vocabulary))

    def logits(self, tokens: Tensor, valid: Tensor, words: Tensor) -> Tensor:
        """What follows each word, [B, L, vocabulary]. tokens: of the video, [B, T, D]; valid: bool [B, T]; words: int64
        [B, L], places in the vocabulary.
        """
        length = words.shape[1]
        x = self.token_embedding(words) + self.positional_embedding[:length]
        later = torch.ones(length, length, dtype=torch.bool, device=words.device).triu(1)
        x = self.decoder(x, self.memory_ln(tokens), tgt_mask=later, memory_key_padding_mask=~valid)
        logits: Tensor = self.output(x)
        return logits

    def forward(self, tokens: Tensor, valid: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Of each row the sum of the losses of its words and how many these are, [B] each.

        ids: int64 [B, L] of the text, from start token to end token, padding after it.
        """
        words = torch.searchsorted(self.vocabulary, ids.contiguous()).clamp(
            max=len(self.vocabulary) - 1
        )  # of padding: any
        logits = self.logits(tokens, valid, words[:, :-1])
        end = ids.argmax(1, keepdim=True)
        said = torch.arange(1, ids.shape[1], device=ids.device) <= end
        losses = F.cross_entropy(logits.mT, words[:, 1:], reduction="none", label_smoothing=SMOOTHING)
        return (losses * said).sum(1), said.sum(1)
