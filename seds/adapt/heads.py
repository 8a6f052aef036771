"""mmaction2's recognizer around the Inception-I3D, with a head a tier.

The hands make one sign at a time, so the manual head's scores are those of exclusive classes (softmax). Face and head
may show several markers at once and mostly show none, so the nonmanual head's scores are each for themselves (sigmoid),
and "nothing" is all of them low.
"""

from __future__ import annotations

from typing import Any, cast

from mmaction.registry import MODELS
from torch import Tensor, nn

from seds import tables
from seds.adapt.signs import Labels
from seds.adapt.windows import Batch
from seds.extraction.openmmlab import fill_import_gaps
from seds.precision import to_float32
from seds.rgb.i3d import average_pool, build_recognizer


def _loss(tier: str, classes: int, nonmanual_weight: float) -> dict[str, Any]:
    """mmaction2's loss of a tier. The markers' losses are added, not averaged: each is a question like the sign."""
    if tier == tables.MANUAL:
        return {"type": "CrossEntropyLoss"}
    return {"type": "BCELossWithLogits", "loss_weight": nonmanual_weight * classes}


class SignHeads(nn.Module):
    """Scores of each tier from the last map of an InceptionI3D. classes: how many, by tier; dropout: of features;
    nonmanual_weight: of each marker's loss, against the manual tier's.
    """

    def __init__(self, features: int, classes: dict[str, int], dropout: float, nonmanual_weight: float) -> None:
        super().__init__()
        config = {"_scope_": "mmaction", "type": "I3DHead", "in_channels": features, "spatial_type": None}
        self.heads = nn.ModuleDict(
            {
                tier: MODELS.build(
                    config
                    | {"num_classes": count, "dropout_ratio": dropout, "loss_cls": _loss(tier, count, nonmanual_weight)}
                )
                for tier, count in classes.items()
            }
        )

    def forward(self, last_map: Tensor) -> dict[str, Tensor]:
        """[B,D,T,H,W] -> scores float32 [B,classes] of each tier; the features are those that are extracted."""
        features = average_pool(to_float32(last_map))
        return {tier: to_float32(head(features)) for tier, head in self.heads.items()}

    def loss(self, last_map: Tensor, batch: Batch, loss_aux: Any = None) -> dict[str, Tensor]:
        """The loss of each tier. batch: mmaction2 passes it on unread, so it need not be samples of its own kind;
        loss_aux: what it adds where the network has a neck.
        """
        targets = {tables.MANUAL: batch.labels, tables.NONMANUAL: batch.markers}
        scores = self(last_map)
        return {tier: cast(Any, head).loss_cls(scores[tier], targets[tier]) for tier, head in self.heads.items()}


def build_classifier(width: float, labels: Labels, dropout: float, nonmanual_weight: float) -> nn.Module:
    """A Recognizer3D of an InceptionI3D with a head for each tier of `labels`; the heads' weights are drawn anew.

    Its `mode="loss"` call takes inputs [B,1,3,T,H,W] and a Batch.
    """
    fill_import_gaps()
    recognizer = build_recognizer(width)
    counts = {tier: len(names) for tier, names in labels.items()}
    recognizer.cls_head = SignHeads(cast(Any, recognizer.backbone).features, counts, dropout, nonmanual_weight)
    return recognizer
