"""CLIP's weights as a start for the three towers: found, read, renamed and copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seds.errors import SedsError, first_few
from seds.model.seds import SEDS
from seds.weightfiles import WeightFileError, read_state

ARCHITECTURE = "ViT-B-32"  # open_clip's name for the CLIP whose sizes the published towers have


class ClipError(SedsError, ValueError):
    """CLIP weights are unavailable, unreadable or of other sizes; the message says which and what to do."""


@torch.no_grad()
def load_clip(model: SEDS, clip: str) -> list[str]:
    """Fill both sequence towers, the text tower and the logit scale with CLIP's weights.

    clip: the path of a file (OpenAI's ViT-B-32.pt, or a state dict of open_clip's ViT-B-32), or a tag of open_clip's
    pretrained ViT-B-32 such as "openai", which open_clip downloads. Input projection and positional embedding of the
    sequence towers have no counterpart and stay unchanged, and so does a text tower that is not CLIP's.
    Returns the names of the model's tensors that were filled. Raises ClipError when the weights are unavailable,
    unreadable or of other sizes.
    """
    source = read_clip(clip)
    towers = "text_tower." if model.sizes.text != "clip" else ()
    targets = {name: tensor for name, tensor in model.named_parameters() if not name.startswith(towers)}
    pairs = {ours: source_name for ours in targets if (source_name := clip_name(ours)) is not None}
    problems = [f"{name} is missing" for name in sorted(set(pairs.values()) - set(source))]
    problems += [
        f"{name} is {tuple(source[name].shape)}, {ours} is {tuple(targets[ours].shape)}"
        for ours, name in pairs.items()
        if name in source and source[name].shape != targets[ours].shape
    ]
    if problems:
        raise ClipError(
            f"CLIP weights {clip!r} do not fit the model's towers (they need the sizes of {ARCHITECTURE}, see "
            f"train.*.model in params.yaml):\n  " + "\n  ".join(first_few(problems, 5))
        )
    for ours, name in pairs.items():
        targets[ours].copy_(source[name])  # which also converts half precision
    return list(pairs)


def clip_name(name: str) -> str | None:
    """CLIP's name for the tensor that a parameter of the model starts from; None where CLIP has none."""
    tower, _, rest = name.partition(".")
    if name == "logit_scale":
        return name
    if tower not in ("pose_tower", "rgb_tower", "text_tower"):
        return None
    if tower != "text_tower" and rest in ("input.weight", "positional_embedding"):
        return None
    for ours, theirs in (
        ("blocks.", "transformer.resblocks."),
        (".attention.qkv.", ".attn.in_proj_"),
        (".attention.out.", ".attn.out_proj."),
        (".expand.", ".mlp.c_fc."),
        (".contract.", ".mlp.c_proj."),
    ):
        rest = rest.replace(ours, theirs)
    if tower == "text_tower":
        return "text_projection" if rest == "projection" else rest
    return "visual.proj" if rest == "projection" else f"visual.{rest}"


def read_clip(clip: str) -> Mapping[str, Tensor]:
    """CLIP's state dict from a path or an open_clip tag; no code in the file is run. Raises ClipError."""
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model

    path = Path(clip)
    if not path.is_file():
        config = get_pretrained_cfg(ARCHITECTURE, clip)
        if not config:
            raise ClipError(
                f"{clip!r} is neither a file nor a tag of open_clip's {ARCHITECTURE}; "
                f"tags: {', '.join(list_pretrained_tags_by_model(ARCHITECTURE))}"
            )
        try:
            path = Path(download_pretrained(config))
        except (OSError, RuntimeError) as error:
            raise ClipError(
                f"open_clip cannot download {ARCHITECTURE} {clip!r} ({error}); fetch the file on a machine with "
                "network access and give its path as train.*.clip in params.yaml"
            ) from error
    try:
        return read_state(path)
    except WeightFileError as error:
        raise ClipError(str(error)) from None
