"""What stage pretrain writes to data/pretrain/<corpus>/.

config.json             whether there is an encoder, and if not why; else what it was trained on, how, and how well
encoder.safetensors     where there is one: its weights, under the names of the release's pretrain_signbert.pth
curves.json             likewise: losses by epoch
README.md               the same for a person

Nothing in them depends on the clock or the machine: stage train reads them, and would run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seds.data.hands import CROP
from seds.model.pose_encoder.encoder import PoseEncoder
from seds.model.pose_encoder.released import released_state
from seds.pretrain.nothing import CARD
from seds.system.files import atomic_folder, write_json, write_text
from seds.tensorfile import write_tensors
from seds.training.pretrained import CONFIG, ENCODER

SCHEMA = "seds-pose-encoder-1"
CURVES = "curves.json"


def write_pretrained(
    folder: Path, encoder: PoseEncoder, config: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> None:
    """The output for a corpus with an encoder. config: as seds.pretrain.pretraining makes it; history: of fitting.fit.

    Raises StorageError.
    """
    tensors = {name: tensor.contiguous().numpy() for name, tensor in released_state(encoder).items()}
    with atomic_folder(folder) as temporary:
        write_tensors(temporary / ENCODER, tensors, {"schema": SCHEMA})
        write_json(temporary / CONFIG, {"pretrained": True, **config})
        write_json(temporary / CURVES, curves(history, config["recipe"]["seed"]))
        write_text(temporary / CARD, card(config))


def curves(history: Sequence[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    """A row a value, as the plot template `curves` takes them."""
    return [
        {"seed": seed, "epoch": epoch, "panel": f"loss on {split}: {group}", "place": place, "value": value}
        for epoch, values in enumerate(history, start=1)
        for place, (split, group, value) in enumerate(
            (split, group, value) for split in ("train", "dev") for group, value in values[split].items()
        )
    ]


def card(config: Mapping[str, Any]) -> str:
    """The card, in Markdown."""
    recipe, videos, sizes = config["recipe"], config["videos"], config["sizes"]
    lines = [
        f"# Pose encoder pretrained on {config['dataset']}",
        "",
        "It learnt to restore joints of hands and body that were hidden from it, on the keypoints of this corpus's "
        "training split, without any text. Stage train starts from it.",
        "",
        f"- learnt from {videos['train']:,} videos with {config['frames']['train']:,} frames; "
        f"{videos['without_text']:,} of them have no text",
        f"- channels {', '.join(map(str, sizes['gcn_channels']))}, {sizes['gcn_out']} features a part; windows of "
        f"{sizes['window']} frames",
        "- recipe: " + ", ".join(f"{name} {value}" for name, value in recipe.items()),
        "- the last epoch is kept: what is measured on dev chooses nothing",
        "",
    ]
    if config["dev"]:
        lines += [
            f"Mean error of the joints to restore on dev ({videos['dev']:,} videos), in x and in y, px of a crop of "
            f"{CROP:g}:",
            "",
            "| part | restored | the mean pose of training |",
            "| --- | --- | --- |",
            *(
                f"| {group} | {CROP * loss:.1f} | {CROP * config['mean_pose'][group]:.1f} |"
                for group, loss in config["dev"].items()
            ),
            "",
        ]
    return "\n".join(lines)
