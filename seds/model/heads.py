"""The parts of a model that are for training alone; a released model is without them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from seds.config import ConfigError, Ideas, ModelSizes
from seds.model.captioner import Captioner
from seds.model.transport import GaussianTokens, heads_of

TEXT = "text"  # beside the streams


class Heads(nn.Module):
    """gaussians: of each stream and of TEXT, {} without transport. captioner: where there is a caption loss."""

    captioner: Captioner

    def __init__(self, ideas: Ideas, sizes: ModelSizes, streams: Sequence[str], vocabulary: Tensor) -> None:
        """vocabulary: int64, the ids of the training texts, ascending. Raises ConfigError where they are not CLIP's."""
        super().__init__()
        modelled = (*streams, TEXT) if ideas.transport_weight else ()
        self.gaussians = nn.ModuleDict({name: GaussianTokens(sizes.embed, heads_of(sizes.embed)) for name in modelled})
        if ideas.caption_weight:
            if sizes.text != "clip":
                raise ConfigError(
                    f"train.ideas.caption_weight is {ideas.caption_weight:g}, but the decoder writes CLIP's tokens and "
                    f"model.text is {sizes.text}; set it to 0, or model.text to clip"
                )
            self.captioner = Captioner(vocabulary, sizes.max_words, sizes.embed, heads_of(sizes.embed))
