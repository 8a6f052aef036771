"""SEDS: two streams of a video, pose and RGB, their fusion, and a text tower in one joint space (SPEC 6-9)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.config import Losses, ModelSizes
from seds.data.batches import Batch, Numerics
from seds.model import distributed
from seds.model.fusion import GlossFusion, MlpFusion
from seds.model.losses import LossParts, duplicates, total_loss
from seds.model.pose_encoder.encoder import PoseEncoder
from seds.model.recompute import checkpointed, in_micro_batches
from seds.model.similarity import Tokens
from seds.model.towers import Block, SequenceTower, TextTower
from seds.precision import to_float32

MAX_LOGIT_SCALE = math.log(100)
# ModelSizes.streams -> the token sequences that such a model makes of a video. The first is the main one, by which
# epochs are chosen and searches rank.
STREAMS = {"both": ("fusion", "pose", "rgb"), "pose": ("pose",), "rgb": ("rgb",)}


@dataclass(frozen=True)
class VideoTokens:
    """Class token and one token a window, in the joint space, of each stream of the model. valid: True = real."""

    streams: dict[str, Tensor]  # name -> [B, 1 + V, D], in the order of SEDS.streams
    valid: Tensor  # bool [B, 1 + V]

    def map(self, change: Callable[[Tensor], Tensor]) -> VideoTokens:
        """The same change of every tensor: rows taken, moved to a device."""
        return VideoTokens({name: change(tokens) for name, tokens in self.streams.items()}, change(self.valid))


@dataclass(frozen=True)
class TextTokens:
    tokens: Tensor  # [B, L, D]
    valid: Tensor  # bool [B, L], up to and including the end token

    def map(self, change: Callable[[Tensor], Tensor]) -> TextTokens:
        """As of VideoTokens."""
        return TextTokens(change(self.tokens), change(self.valid))


class SEDS(nn.Module):
    """The retrieval model.

    streams: what it makes of a video, the main one first. Of one stream alone, neither the other's parts nor the fusion
    exist, as parameters or as attributes.
    numerics: "default" lets padding influence nothing, so a score never depends on its batch; "published" computes as
    the released system does, padding included, for its checkpoints.
    recompute: while training, keep the inputs of the layers alone and compute them again in the backward pass
    (seds.model.recompute); it takes about a forward pass more, and gradients are the same. May be set at any time.
    """

    pose_encoder: PoseEncoder
    pose_tower: SequenceTower
    rgb_tower: SequenceTower
    fusion: MlpFusion
    rgb_mean: Tensor
    rgb_std: Tensor

    def __init__(self, sizes: ModelSizes, numerics: Numerics = "default") -> None:
        super().__init__()
        self.sizes, self.numerics = sizes, numerics
        self.streams = STREAMS[sizes.streams]
        self.recompute = False

        def tower(inputs: int) -> SequenceTower:
            return SequenceTower(
                inputs, sizes.max_windows, sizes.tower_width, sizes.tower_layers, sizes.tower_heads, sizes.embed
            )

        if "pose" in self.streams:
            self.pose_encoder = PoseEncoder(sizes)
            self.pose_tower = tower(3 * sizes.gcn_out)
        if "rgb" in self.streams:
            self.rgb_tower = tower(sizes.rgb_features)
            # RGB features are seen as (rgb - mean) / std; training sets the corpus' own when asked to.
            self.register_buffer("rgb_mean", torch.zeros(sizes.rgb_features))
            self.register_buffer("rgb_std", torch.ones(sizes.rgb_features))
        if "fusion" in self.streams:
            self.fusion = fusion_of(sizes)
        self.text_tower = TextTower(
            sizes.vocabulary, sizes.context, sizes.text_width, sizes.text_layers, sizes.text_heads, sizes.embed
        )
        self.logit_scale = nn.Parameter(torch.tensor(MAX_LOGIT_SCALE))

    @property
    def masked(self) -> bool:
        return self.numerics == "default"

    def encode_video(self, batch: Batch, part: int | None = None) -> VideoTokens:
        """part: in training, hold the activations of so many videos at a time only (seds.model.recompute)."""
        used = batch.window_starts >= 0
        valid = torch.cat([used.new_ones(len(used), 1), used], 1)
        inputs = {}
        if "pose" in self.streams:
            self.pose_encoder.recompute = self.recompute or part is not None
            inputs["pose"] = self.pose_encoder(
                batch.left, batch.right, batch.body, batch.frames, batch.window_starts, padded=not self.masked
            )
        if "rgb" in self.streams:
            inputs["rgb"] = batch.rgb

        def encode(valid: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
            tokens = self._tokens(dict(zip(inputs, tensors, strict=True)), valid)
            return tuple(tokens[name] for name in self.streams)

        tokens = in_micro_batches(encode, part, valid, *inputs.values())
        return VideoTokens(dict(zip(self.streams, tokens, strict=True)), valid)

    def _tokens(self, inputs: dict[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """pose: the encoder's window tokens, rgb: features -> tokens of every stream; each video by itself."""
        tokens = {}
        if "pose" in inputs:
            self.pose_tower.blocks.recompute = self.recompute
            tokens["pose"] = to_float32(self.pose_tower(inputs["pose"], valid))
        if "rgb" in inputs:
            self.rgb_tower.blocks.recompute = self.recompute
            tokens["rgb"] = to_float32(self.rgb_tower((inputs["rgb"] - self.rgb_mean) / self.rgb_std, valid))
        if "fusion" in self.streams:
            with torch.autocast(valid.device.type, enabled=False):  # sampling places need more than 8 bits
                both = (tokens["pose"], tokens["rgb"], valid, self.masked)
                tokens["fusion"] = checkpointed(self.fusion, *both) if self.recompute else self.fusion(*both)
        return tokens

    def encode_text(self, ids: Tensor, part: int | None = None) -> TextTokens:
        """ids: int64 [B, L], as seds.text.tokenise gives them. part: as of encode_video."""
        self.text_tower.blocks.recompute = self.recompute
        end = ids.argmax(1, keepdim=True)  # the first of the highest ids, which is the end token's
        (tokens,) = in_micro_batches(lambda some: (to_float32(self.text_tower(some)),), part, ids)
        return TextTokens(tokens, torch.arange(ids.shape[1], device=ids.device) <= end)

    def forward(self, batch: Batch, losses: Losses, micro_batch: int | None = None) -> LossParts:
        """The training loss of a batch in which video a belongs to text a.

        Of several processes (seds.model.distributed) each gives its rows of the batch, padded alike, and gets the loss
        of the whole. micro_batch: hold the activations of so many rows at a time; None = of all. Neither changes a
        gradient.
        """
        counts = distributed.row_counts(len(batch.frames), batch.frames.device)
        # The same on all processes: repeated batch statistics are sums over them too.
        part = micro_batch if micro_batch is not None and micro_batch < max(counts) else None
        video = self.encode_video(batch, part)
        left_out = duplicates(distributed.gather(batch.ids, counts)) if losses.duplicates == "ignore" else None
        both = self.encode_text(torch.cat([batch.ids, batch.ids_swapped]), part)
        with torch.autocast(batch.ids.device.type, enabled=False):
            words, valid = F.normalize(both.tokens, dim=-1).chunk(2), both.valid.chunk(2)
            return total_loss(
                {name: F.normalize(tokens, dim=-1) for name, tokens in video.streams.items()},
                video.valid,
                Tokens(words[0], valid[0]),
                Tokens(words[1], valid[1]),
                self.logit_scale.exp(),
                losses,
                self.masked,
                counts,
                part,
                left_out,
                self.recompute,
            )

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """To be called after each optimiser step."""
        self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def compile_blocks(self) -> None:
        """Let torch compile the towers' blocks, most of the arithmetic, at their first use; the names stay.

        One block's code serves all of a tower's shape. The rest is left alone: on a CPU, where it was measured, fusion
        and losses were no quicker compiled, or not worth the minutes it takes; on a GPU nothing was measured.
        """
        for module in self.modules():
            if isinstance(module, Block):
                module.compile(dynamic=True)

    def clip_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Those that start from CLIP, with their names: the three towers and the logit scale."""
        return ((name, p) for name, p in self.named_parameters() if _is_clip(name))

    def other_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The pose encoder's and the fusion's."""
        return ((name, p) for name, p in self.named_parameters() if not _is_clip(name))


def fusion_of(sizes: ModelSizes) -> MlpFusion:
    if sizes.fusion == "mlp":
        return MlpFusion(sizes.embed)
    return GlossFusion(
        sizes.embed,
        sizes.fusion_heads,
        sizes.fusion_keys,
        sizes.max_windows + 1,
        sizes.fusion_feedforward,
        sizes.fusion_dropout,
    )


def _is_clip(name: str) -> bool:
    return name.startswith(("pose_tower.", "rgb_tower.", "text_tower.", "logit_scale"))
