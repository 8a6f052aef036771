"""Random initial weights, the same for the same generator."""

from __future__ import annotations

import math

import torch
from torch import nn

from seds.model.fusion import GlossAttention, MlpFusion
from seds.model.pose_encoder.initialisation import initialise_pose, make_neutral
from seds.model.seds import SEDS
from seds.model.token_weights import TokenWeights
from seds.model.towers import Block, SequenceTower, TextTower
from seds.model.use_tower import UseTower

START_SCALE = math.log(1 / 0.07)  # logit scale, as CLIP trained from scratch starts with


@torch.no_grad()
def initialise(model: SEDS, generator: torch.Generator) -> None:
    """Random weights for every part.

    Towers as CLIP from scratch (Radford et al. 2021, released code), the pose encoder He normal (He et al., ICCV 2015),
    the fusion Xavier uniform with offsets 0, normalisations neutral.
    """
    make_neutral(model)
    if "pose" in model.streams:
        initialise_pose(model.pose_encoder, generator)
        _initialise_sequence(model.pose_tower, generator)
    if "rgb" in model.streams:
        _initialise_sequence(model.rgb_tower, generator)
    if isinstance(model.text_tower, UseTower):
        _initialise_use(model.text_tower, generator)
    else:
        _initialise_text(model.text_tower, generator)
    if "fusion" in model.streams:
        _initialise_fusion(model.fusion, generator)
    for module in model.token_weights.modules():
        if isinstance(module, TokenWeights):
            nn.init.kaiming_normal_(module.hidden.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(module.score.weight)  # training starts from the mean
    model.logit_scale.fill_(START_SCALE)


def _initialise_blocks(tower: SequenceTower | TextTower, width: int, generator: torch.Generator) -> None:
    blocks = [module for module in tower.modules() if isinstance(module, Block)]
    narrow = width**-0.5 * (2 * len(blocks)) ** -0.5  # so that the residual stream does not grow with depth
    for block in blocks:
        nn.init.normal_(block.attention.qkv.weight, std=width**-0.5, generator=generator)
        nn.init.normal_(block.attention.out.weight, std=narrow, generator=generator)
        nn.init.normal_(block.expand.weight, std=(2 * width) ** -0.5, generator=generator)
        nn.init.normal_(block.contract.weight, std=narrow, generator=generator)


def _initialise_sequence(tower: SequenceTower, generator: torch.Generator) -> None:
    width = len(tower.class_embedding)
    nn.init.kaiming_uniform_(tower.input.weight, a=math.sqrt(5), generator=generator)  # as nn.Linear does itself
    for tensor in (tower.class_embedding, tower.positional_embedding, tower.projection):
        nn.init.normal_(tensor, std=width**-0.5, generator=generator)
    _initialise_blocks(tower, width, generator)


def _initialise_text(tower: TextTower, generator: torch.Generator) -> None:
    width = tower.token_embedding.embedding_dim
    nn.init.normal_(tower.token_embedding.weight, std=0.02, generator=generator)
    nn.init.normal_(tower.positional_embedding, std=0.01, generator=generator)
    nn.init.normal_(tower.projection, std=width**-0.5, generator=generator)
    _initialise_blocks(tower, width, generator)


def _initialise_use(tower: UseTower, generator: torch.Generator) -> None:
    """The linear map small (seds.model.use_tower), the perceptron as in a block but adding nothing yet."""
    width = tower.ln.normalized_shape[0]
    nn.init.normal_(tower.projection.weight, std=0.1 * width**-0.5, generator=generator)
    nn.init.normal_(tower.expand.weight, std=(2 * width) ** -0.5, generator=generator)
    nn.init.zeros_(tower.contract.weight)


def _initialise_fusion(fusion: MlpFusion, generator: torch.Generator) -> None:
    for module in fusion.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
    for module in fusion.modules():
        if isinstance(module, GlossAttention):
            nn.init.zeros_(module.offsets.weight)  # every query starts by sampling around its own time
