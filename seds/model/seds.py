"""SEDS: two streams of a video, pose and RGB, their fusion, and a text tower in one joint space (SPEC 6-9)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.config import ConfigError, Ideas, Losses, ModelSizes
from seds.data.batches import Batch, Numerics
from seds.model import distributed
from seds.model.added_losses import Extras, caption_loss, sign_loss, substitute_loss, transported
from seds.model.fusion import GlossFusion, MlpFusion
from seds.model.heads import TEXT, Heads
from seds.model.losses import BatchContext, LossParts, duplicates, total_loss
from seds.model.pose_encoder.encoder import PoseEncoder
from seds.model.pose_encoder.graph_network import GraphNetwork
from seds.model.recompute import checkpointed, in_micro_batches
from seds.model.similarity import TextTokens, Tokens, VideoTokens
from seds.model.token_weights import TokenWeights
from seds.model.towers import Block, Blocks, SequenceTower, TextTower
from seds.model.use_tower import UseTower
from seds.precision import to_float32
from seds.system.compilation import key_cache_by_vector_width

MAX_LOGIT_SCALE = math.log(100)
NO_IDEAS, NO_EXTRAS = Ideas(), Extras()  # as published
EQUAL = 0.5  # the pose_weight of the published fusion
# ModelSizes.streams -> the token sequences that the model makes of a video. The first is the main one: it chooses the
# epoch and ranks search results.
STREAMS = {"both": ("fusion", "pose", "rgb"), "pose": ("pose",), "rgb": ("rgb",)}


class SEDS(nn.Module):
    """The retrieval model.

    streams: what it makes of a video, the main one first. A model of one stream has neither the other's parts nor the
    fusion, as parameters or as attributes. numerics: "default" keeps padding without influence, so a score never
    depends on its batch; "published" computes as the released system does, padding included, for its checkpoints.
    """

    pose_encoder: PoseEncoder
    pose_tower: SequenceTower
    rgb_tower: SequenceTower
    text_tower: TextTower | UseTower
    fusion: MlpFusion
    rgb_mean: Tensor
    rgb_std: Tensor
    pose_weight: Tensor
    micro_batch: int | None

    def __init__(self, sizes: ModelSizes, numerics: Numerics = "default") -> None:
        super().__init__()
        if sizes.text != "clip" and numerics != "default":
            raise ConfigError(f"model.text: {sizes.text} has no {numerics} numerics; set train.numerics: default")
        self.sizes, self.numerics = sizes, numerics
        self.streams = STREAMS[sizes.streams]
        self.checkpointing, self.micro_batch = False, None
        self.heads: Heads | None = None  # of a model that is being trained, where an idea needs them

        def tower(inputs: int) -> SequenceTower:
            return SequenceTower(
                inputs, sizes.max_windows, sizes.tower_width, sizes.tower_layers, sizes.tower_heads, sizes.embed
            )

        if "pose" in self.streams:
            self.pose_encoder = PoseEncoder(sizes)
            self.pose_tower = tower(3 * sizes.gcn_out)
        if "rgb" in self.streams:
            self.rgb_tower = tower(sizes.rgb_features)
            # The tower reads (rgb - mean) / std; with standardise_rgb, training sets those of the corpus.
            self.register_buffer("rgb_mean", torch.zeros(sizes.rgb_features))
            self.register_buffer("rgb_std", torch.ones(sizes.rgb_features))
        if "fusion" in self.streams:
            self.fusion = fusion_of(sizes)
            # How much pose counts in the fusion, RGB for the rest: chosen on held-out sentences, unused in training.
            self.register_buffer("pose_weight", torch.tensor(EQUAL))
        self.text_tower = text_tower_of(sizes)
        weighed = (*self.streams, TEXT) if sizes.token_weights == "learned" else ()
        self.token_weights = nn.ModuleDict({name: TokenWeights(sizes.embed) for name in weighed})
        self.logit_scale = nn.Parameter(torch.tensor(MAX_LOGIT_SCALE))

    @property
    def masked(self) -> bool:
        return self.numerics == "default"

    def set_activation_checkpointing(self, every_layer: bool = False, micro_batch: int | None = None) -> None:
        """Compute activations again in the backward pass instead of keeping them (seds.model.recompute).

        To be called before training, alike in all processes. Each costs about one more forward pass; neither changes a
        gradient. every_layer: each layer keeps only its inputs. micro_batch: rows of a batch whose activations this
        process holds at a time; None = all. The pose encoder, whose batch statistics couple the rows, is checkpointed
        layer by layer instead.
        """
        self.checkpointing, self.micro_batch = every_layer, micro_batch
        for module in self.modules():
            if isinstance(module, PoseEncoder | GraphNetwork):
                module.checkpointing = every_layer or micro_batch is not None
            elif isinstance(module, Blocks):
                module.checkpointing = every_layer

    def encode_video(
        self, batch: Batch, micro_batch: int | None = None, pose_weight: float | None = None
    ) -> VideoTokens:
        """micro_batch: videos whose activations are held at a time in training; None = all. pose_weight: None = the
        model's own.
        """
        used = batch.window_starts >= 0
        valid = torch.cat([used.new_ones(len(used), 1), used], 1)
        inputs = {}
        if "pose" in self.streams:
            inputs["pose"] = self.pose_encoder(
                batch.left, batch.right, batch.body, batch.frames, batch.window_starts, padded=not self.masked
            )
        if "rgb" in self.streams:
            inputs["rgb"] = batch.rgb

        def encode(valid: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
            tokens = self._tokens(dict(zip(inputs, tensors, strict=True)), valid, pose_weight)
            weights = [self.weigh(name, tokens[name], valid) for name in self.streams]
            return (*(tokens[name] for name in self.streams), *(each for each in weights if each is not None))

        found = in_micro_batches(encode, micro_batch, valid, *inputs.values())
        tokens, weights = found[: len(self.streams)], found[len(self.streams) :]
        weighed = dict(zip(self.streams, weights, strict=True)) if weights else {}
        return VideoTokens(dict(zip(self.streams, tokens, strict=True)), valid, weighed)

    def weigh(self, name: str, tokens: Tensor, valid: Tensor) -> Tensor | None:
        """The weights of a stream's tokens, or of those of TEXT, [B, T]; None where all valid ones count alike.

        tokens: [B, T, D]; valid: bool [B, T].
        """
        if name not in self.token_weights:
            return None
        with torch.autocast(valid.device.type, enabled=False):
            weights: Tensor = self.token_weights[name](F.normalize(tokens, dim=-1), valid)
        return weights

    def _tokens(self, inputs: dict[str, Tensor], valid: Tensor, pose_weight: float | None) -> dict[str, Tensor]:
        """Tokens of every stream; each video by itself. inputs: "pose", the encoder's window tokens [B, V, 3 gcn_out];
        "rgb", features [B, V, rgb_features]. valid: bool [B, 1 + V]. pose_weight: as for encode_video.
        """
        tokens = {}
        if "pose" in inputs:
            tokens["pose"] = to_float32(self.pose_tower(inputs["pose"], valid))
        if "rgb" in inputs:
            tokens["rgb"] = to_float32(self.rgb_tower((inputs["rgb"] - self.rgb_mean) / self.rgb_std, valid))
        if "fusion" in self.streams:
            tokens["fusion"] = self.fuse(tokens["pose"], tokens["rgb"], valid, pose_weight)
        return tokens

    def fuse(self, pose: Tensor, rgb: Tensor, valid: Tensor, pose_weight: float | None = None) -> Tensor:
        """The fusion of 2 w pose and 2 (1 - w) rgb, [B, T, D]: at w = EQUAL of the tokens as they are, at w = 1 of pose
        alone. valid: bool [B, T]; pose_weight: w, 0 to 1; None = the model's own.
        """
        weight = self.pose_weight if pose_weight is None else pose_weight
        with torch.autocast(valid.device.type, enabled=False):  # sampling positions need more than 8 bits
            both = (2 * weight * pose, 2 * (1 - weight) * rgb, valid, self.masked)
            return checkpointed(self.fusion, *both) if self.checkpointing else self.fusion(*both)

    def encode_text(self, ids: Tensor, micro_batch: int | None = None) -> TextTokens:
        """ids: int64 [B, L], as seds.data.tokens gives them. micro_batch: as for encode_video."""
        tower = self.text_tower
        if isinstance(tower, UseTower):
            vectors, valid = tower.encode(ids)
            (tokens,) = in_micro_batches(lambda rows: (to_float32(tower(rows)),), micro_batch, vectors)
            return TextTokens(tokens, valid, self.weigh(TEXT, tokens, valid))
        end = ids.argmax(1, keepdim=True)  # the end token has the highest id
        (tokens,) = in_micro_batches(lambda rows: (to_float32(tower(rows)),), micro_batch, ids)
        valid = torch.arange(ids.shape[1], device=ids.device) <= end
        return TextTokens(tokens, valid, self.weigh(TEXT, tokens, valid))

    def forward(self, batch: Batch, losses: Losses, ideas: Ideas = NO_IDEAS, extras: Extras = NO_EXTRAS) -> LossParts:
        """The training loss of a batch in which video a belongs to text a; in its fusion both streams weigh the same.

        extras: what those of the ideas read that need more than the batch. With several processes
        (seds.model.distributed) each passes its rows of the batch, padded alike, and gets the loss of the whole batch.
        """
        counts = distributed.row_counts(len(batch.frames), batch.frames.device)
        micro_batch = self.micro_batch if self.micro_batch is not None and self.micro_batch < max(counts) else None
        video = self.encode_video(batch, micro_batch, EQUAL)
        not_negatives = duplicates(distributed.gather(batch.ids, counts)) if losses.duplicates == "ignore" else None
        both = self.encode_text(torch.cat([batch.ids, batch.ids_swapped]), micro_batch)
        with torch.autocast(batch.ids.device.type, enabled=False):
            streams = {name: F.normalize(tokens, dim=-1) for name, tokens in video.streams.items()}
            normalised = VideoTokens(streams, video.valid, video.weights)
            text, swapped = _halves(both)
            added = {}
            if ideas.transport_weight:
                sequences = normalised.sequences()
                found = transported(self._heads(ideas), sequences, text, self.masked, counts, micro_batch)
                added = {name: ideas.transport_weight * matrix for name, matrix in found.items()}
            of_texts = (ideas.label_smoothing, ideas.hard_negatives)
            context = BatchContext(
                self.masked, counts, not_negatives, micro_batch, self.checkpointing, *of_texts, added
            )
            parts = total_loss(normalised, text, swapped, self.logit_scale.exp(), losses, context)
        more = self._added_losses(batch, video, normalised, text, losses, ideas, extras, counts, micro_batch)
        if not more:
            return parts
        return {**parts, **more, "total": torch.stack([parts["total"], *more.values()]).sum()}

    def _added_losses(
        self,
        batch: Batch,
        video: VideoTokens,
        normalised: VideoTokens,
        text: Tokens,
        losses: Losses,
        ideas: Ideas,
        extras: Extras,
        counts: Sequence[int],
        micro_batch: int | None,
    ) -> LossParts:
        """Those of seds.model.added_losses whose weight is not 0, weighted; all are of the main stream."""
        main, parts, scale = self.streams[0], {}, self.logit_scale.exp()
        own = normalised.sequences()[main]
        if ideas.caption_weight:
            loss = caption_loss(self._heads(ideas).captioner, video.streams[main], video.valid, batch.ids, micro_batch)
            parts["caption"] = ideas.caption_weight * loss
        if ideas.substitutes_weight and extras.substitutes is not None:
            others = _tokens(self.encode_text(extras.substitutes.ids.flatten(0, 1), micro_batch))
            real = extras.substitutes.real
            with torch.autocast(batch.ids.device.type, enabled=False):
                loss = substitute_loss(
                    own, text, others, real, scale, losses.dual_mix, self.masked, counts, micro_batch
                )
            parts["substitutes"] = ideas.substitutes_weight * loss
        if ideas.sign_weight and extras.signs is not None:
            words = _tokens(self.encode_text(extras.signs.ids, micro_batch))
            with torch.autocast(batch.ids.device.type, enabled=False):
                parts["signs"] = ideas.sign_weight * sign_loss(own, words, extras.signs, counts)
        return parts

    def _heads(self, ideas: Ideas) -> Heads:
        if self.heads is None:
            raise ConfigError(
                f"{ideas!r} needs parts of training that this model is without (seds.training.fitting.build)"
            )
        return self.heads

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Limit the scale to 100. To be called after each optimiser step."""
        self.logit_scale.clamp_(max=MAX_LOGIT_SCALE)

    def compile_blocks(self) -> None:
        """Have torch compile the towers' blocks, which do most of the arithmetic, on first use; names stay.

        One block's code serves all blocks of its shape. Nothing else is compiled: measured on a CPU, fusion and losses
        were no faster, or not worth the minutes that compiling takes; on a GPU nothing was measured.
        """
        key_cache_by_vector_width()
        for module in self.modules():
            if isinstance(module, Block):
                module.compile(dynamic=True)

    def clip_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that start from CLIP, with their names: the three towers and the logit scale."""
        return ((name, p) for name, p in self.named_parameters() if _is_clip(name))

    def other_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters of the pose encoder and the fusion, with their names."""
        return ((name, p) for name, p in self.named_parameters() if not _is_clip(name))


def text_tower_of(sizes: ModelSizes) -> TextTower | UseTower:
    if sizes.text == "use":
        return UseTower(sizes.text_width, sizes.embed)
    return TextTower(
        sizes.vocabulary, sizes.context, sizes.text_width, sizes.text_layers, sizes.text_heads, sizes.embed
    )


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


def _tokens(text: TextTokens) -> Tokens:
    """Normalised."""
    return Tokens(F.normalize(text.tokens, dim=-1), text.valid, text.weights)


def _halves(text: TextTokens) -> tuple[Tokens, Tokens]:
    """The first and the second half of the texts, normalised."""
    whole, rows = _tokens(text), len(text.valid) // 2
    return whole.rows(slice(rows)), whole.rows(slice(rows, None))


def _is_clip(name: str) -> bool:
    return name.startswith(("pose_tower.", "rgb_tower.", "text_tower.", "logit_scale"))
