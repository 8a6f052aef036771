"""What the losses of other methods read beside a batch: captions that are almost right, and single signs."""

from __future__ import annotations

import numpy as np
import torch

from seds.config import Ideas
from seds.data.split import Split
from seds.model import distributed
from seds.model.added_losses import Extras, SignRows, Substitutes
from seds.retrieval import substitutes
from seds.training.signs import Signs

CAPTIONS = 5  # in whose midst a text is found, as SAN has it


class ExtrasOfTraining:
    """Draws from (seed, step), so that resuming needs no state. Substitutes have words of the training texts alone."""

    def __init__(self, train: Split, ideas: Ideas, seed: int, signs: Signs | None) -> None:
        self._train, self._seed = train, seed
        self._signs = signs if ideas.sign_weight else None
        self._propose = substitutes.by_words(train.texts) if ideas.substitutes_weight else None

    def of_batch(self, indices: np.ndarray, step: int, device: torch.device) -> Extras:
        """indices: int64 [B], the videos of the whole batch; the captions are those of this process's rows."""
        return Extras(self._substitutes(indices, step, device), self._sign_rows(indices, device))

    def _substitutes(self, indices: np.ndarray, step: int, device: torch.device) -> Substitutes | None:
        if self._propose is None:
            return None
        sentences = self._train.sentence_of[indices]
        rows = range(len(indices))[distributed.local_rows(len(indices))]
        texts, real = [], np.zeros((len(rows), CAPTIONS), bool)
        for place, row in enumerate(rows):
            text, generator = self._train.texts[sentences[row]], np.random.default_rng((self._seed, step, row))
            found = substitutes.substitutes(text, CAPTIONS, self._propose, generator)
            real[place, : len(found)] = True
            texts += [*found, *[text] * (CAPTIONS - len(found))]
        ids = torch.from_numpy(self._train.tokenise(texts)).unflatten(0, real.shape)
        return Substitutes(ids.to(device), torch.from_numpy(real).to(device))

    def _sign_rows(self, indices: np.ndarray, device: torch.device) -> SignRows | None:
        if self._signs is None:
            return None
        found = [(row, *sign) for row, video in enumerate(indices.tolist()) for sign in self._signs.of_video[video]]
        rows, first, stop, labels = np.array(found, np.int64).reshape(-1, 4).T
        used, places = np.unique(labels, return_inverse=True)
        columns = (rows, first, stop, places, self._signs.ids[used])
        return SignRows(*(torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in columns))
