"""Between a released `*_best_model.bin` and a model folder, both ways."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from seds.model import checkpoint
from seds.model.initialisation import initialise
from seds.model.published import PublishedTensorsError, load_published, published_state, sizes_of, unused_tensors
from seds.model.published_names import UNUSED, is_half
from seds.model.seds import SEDS
from seds.system.files import atomic_write, file_sha256, write_bytes
from seds.training.pretrained import PretrainedError, find_pretrained
from seds.weightfiles import read_state

UNUSED_FILE = "unused.safetensors"  # what the release saves but never reads, kept for exporting


def import_checkpoint(path: Path, output: Path, allow: Collection[str] = ()) -> SEDS:
    """Turn a released checkpoint into a model folder with numerics `published`. Sizes follow from the tensors' shapes.

    allow: released names that may be missing or of another shape (both are initialised as for training) or unknown.
    Raises PublishedTensorsError if the tensors do not fit or `output` is not empty, WeightFileError if the file cannot
    be read.
    """
    if output.is_dir() and any(output.iterdir()):
        raise PublishedTensorsError(f"{output} is not empty; name another folder, or remove it first")
    state = read_state(path)
    model = SEDS(sizes_of({name: tensor.shape for name, tensor in state.items()}), "published")
    initialise(model, torch.Generator().manual_seed(0))
    accepted = load_published(model, state, allow)
    provenance = {
        "source": "a checkpoint of the published SEDS release",
        "file": path.name,
        "sha256": file_sha256(path),
        "accepted": accepted,
    }
    checkpoint.save(output, model, model.state_dict(), provenance, released_card(model, provenance))
    write_bytes(output / UNUSED_FILE, save({name: state[name].contiguous() for name in UNUSED if name in state}))
    return model


def export_checkpoint(folder: Path, output: Path, half: bool = True) -> tuple[dict[str, Tensor], list[str]]:
    """Write a model folder as a released checkpoint; returns what was written and the names that rounding changed.

    half: the towers' projections in float16, as the release saves them; else everything in float32. Raises
    CheckpointError for a folder without a model, PublishedTensorsError for a model that the released layout cannot
    hold.
    """
    model = checkpoint.load(folder)
    state = published_state(model, half)
    unused = unused_tensors(half)
    if (folder / UNUSED_FILE).is_file():
        for name, tensor in load_file(folder / UNUSED_FILE).items():
            unused[name] = tensor.half() if half and is_half(name) else tensor.float()
    exact = published_state(model, half=False)
    rounded = [name for name, tensor in exact.items() if not torch.equal(state[name].to(tensor.dtype), tensor)]
    state |= unused
    with atomic_write(output) as temporary, temporary.open("wb") as file:  # of a path, torch writes the name into it
        torch.save(state, file)
    return state, rounded


def export_signbert(dataset: str, output: Path, data: Path = Path("data")) -> int:
    """Write the encoder of stage pretrain as a file like the release's pretrain_signbert.pth; returns its tensors.

    Raises PretrainedError where the corpus has no such encoder.
    """
    encoder = find_pretrained(dataset, data=data)
    if encoder is None:
        raise PretrainedError(
            f"{data / 'pretrain' / dataset} has no pretrained pose encoder; set pretrain.<profile>.method to masked, "
            f"and run: dvc repro pretrain@{dataset}"
        )
    state = read_state(encoder)
    with atomic_write(output) as temporary, temporary.open("wb") as file:  # of a path, torch writes the name into it
        torch.save({"state_dict": state}, file)
    return len(state)


def released_card(model: SEDS, provenance: dict[str, Any]) -> str:
    """A model card in Markdown: where the weights come from, and what is unknown about them."""
    accepted = ", ".join(f"`{name}`" for name in provenance["accepted"]) or "none"
    return f"""# SEDS, imported from the published release

Sign-language retrieval, text to video and video to text (SEDS, ACM MM 2024).

- {sum(p.numel() for p in model.parameters()):,} parameters, numerics `{model.numerics}`
- imported from `{provenance["file"]}`, sha256 `{provenance["sha256"]}`
- tensors missing, unknown or of another shape, accepted by name: {accepted}
- The file does not say which corpus, keypoints and RGB features it was trained on. Released models read the release's
  own keypoints and features (`seds import features`); with others their metrics mean little.
- No metrics are known here: `dvc repro evaluate` measures them.
"""
