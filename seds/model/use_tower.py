"""The text side `use`: frozen vectors of Universal Sentence Encoder multilingual v3, and a small tower that is trained.

A text is its sentence vector, in the place of the start token, and a vector of each of its words by itself. The tower
treats each alone and knows no order: what training teaches it about the words of one language then holds for those of
another, which the encoder puts near them, not onto them. So the tower must not tell apart vectors that are near each
other: in training they get noise as large as themselves, and the linear map begins small, since what it does to
directions that no training text has stays random.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.data import use_text

# Of the noise, against that of the vector. Chosen on the demo's dev split in German and Chinese, out of 0, 1 and 2.
NOISE = 1.0
_KEPT = 1 << 17  # texts and words of which vectors are kept; 2 kB each


class UseTower(nn.Module):
    """A linear map of frozen vectors into the joint space, and a perceptron that corrects it."""

    def __init__(self, width: int, embed: int) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(use_text.WIDTH)
        self.projection = nn.Linear(use_text.WIDTH, embed, bias=False)
        self.expand = nn.Linear(use_text.WIDTH, width)
        self.contract = nn.Linear(width, embed)
        self._cache: dict[str, Tensor] = {}  # by text or word; a corpus has few different ones

    def forward(self, vectors: Tensor) -> Tensor:
        """vectors: [B, L, 512] of `encode` -> [B, L, embed]; in training with noise."""
        if self.training:
            spread = NOISE * vectors.norm(dim=-1, keepdim=True) * use_text.WIDTH**-0.5
            vectors = vectors + spread * torch.randn_like(vectors)
        x = self.ln(vectors)
        return self.projection(x) + self.contract(F.gelu(self.expand(x)))

    @torch.no_grad()
    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The frozen vectors of texts, float32 [B, L, 512], and which are valid, bool [B, L], both where the ids are.

        ids: int64 [B, L] of UseTokeniser.tokenise. A text has at most as many vectors as ids. Raises UseError.
        """
        texts = [(text, words[: ids.shape[1] - 1]) for text, words in map(use_text.units, ids.tolist())]
        self._look_up(text for whole, words in texts for text in (whole, *words))
        vectors = torch.zeros(*ids.shape, use_text.WIDTH)
        valid = torch.zeros(ids.shape, dtype=torch.bool)
        for row, (whole, words) in enumerate(texts):
            found = torch.stack([self._cache[text] for text in (whole, *words)])
            vectors[row, : len(found)] = found
            valid[row, : len(found)] = True
        return vectors.to(ids.device), valid.to(ids.device)

    def _look_up(self, texts: Iterable[str]) -> None:
        if len(self._cache) > _KEPT:
            self._cache.clear()
        if new := [text for text in dict.fromkeys(texts) if text not in self._cache]:
            for text, vector in zip(new, torch.from_numpy(use_text.encoder().encode(new)), strict=True):
                self._cache[text] = vector.clone()
