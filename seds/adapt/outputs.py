"""What stage adapt writes to data/adapt/<corpus>/.

config.json             whether there is an encoder, and if not why; else what it was trained on, how, and how well
encoder.safetensors     where there is one: the I3D's weights and classifier, in the layout of the BSL-1K release
curves.json             likewise: losses by epoch, and the accuracy on dev after the last
README.md               the same for a person

Nothing in them depends on the clock or the machine, except that sums round differently for another number of threads:
stage rgb reads them, and would run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from torch import nn

from seds import tables
from seds.adapt.fitting import heads_of
from seds.adapt.nothing import CARD
from seds.rgb.adapted import CONFIG, ENCODER
from seds.rgb.weights import CLASSIFIER
from seds.system.files import atomic_folder, write_json, write_text
from seds.tensorfile import write_tensors

SCHEMA = "seds-sign-encoder-1"
CURVES = "curves.json"
_NAMES = {tables.MANUAL: "conv3d", tables.NONMANUAL: tables.NONMANUAL}  # of a tier's classifier; BSL-1K's has the first


def write_adapted(
    folder: Path, recognizer: nn.Module, config: Mapping[str, Any], history: Sequence[Mapping[str, float]]
) -> None:
    """The output for a corpus with an encoder. config: as `describe` makes it; history: as fitting.fit returns it.

    Raises StorageError.
    """
    tensors = {name: tensor.cpu().numpy() for name, tensor in cast(nn.Module, recognizer.backbone).state_dict().items()}
    for tier, head in heads_of(recognizer).items():
        weight, bias = head.fc_cls.weight.detach().cpu().numpy(), head.fc_cls.bias.detach().cpu().numpy()
        tensors[f"{CLASSIFIER}{_NAMES[tier]}.weight"] = weight[:, :, None, None, None]
        tensors[f"{CLASSIFIER}{_NAMES[tier]}.bias"] = bias
    with atomic_folder(folder) as temporary:
        write_tensors(temporary / ENCODER, tensors, {"schema": SCHEMA})
        write_json(temporary / CONFIG, {"adapted": True, **config})
        write_json(temporary / CURVES, curves(history, config["dev"], config["recipe"]["seed"]))
        write_text(temporary / CARD, card(config))


def curves(
    history: Sequence[Mapping[str, float]], dev: Mapping[str, Mapping[str, float]], seed: int
) -> list[dict[str, Any]]:
    """A row a value, as the plot template `curves` takes them. history: losses by tier; dev: of fitting.evaluate."""
    rows = []
    for epoch, losses in enumerate(history, start=1):
        panels = {f"loss: {tier}": loss for tier, loss in losses.items()}
        if epoch == len(history):
            panels |= {f"accuracy on dev (%): {tier}": found["accuracy"] for tier, found in dev.items()}
        rows += [
            {"seed": seed, "epoch": epoch, "panel": panel, "place": place, "value": value}
            for place, (panel, value) in enumerate(panels.items())
        ]
    return rows


def card(config: Mapping[str, Any]) -> str:
    """The card, in Markdown."""
    recipe, network, dev = config["recipe"], config["network"], config["dev"]
    measured = [
        f"| {tier} | {len(config['labels'][tier])} | {found['windows']:,} | {found['accuracy']:.1f} % | "
        f"{found['commonest']:.1f} % |"
        for tier, found in dev.items()
    ]
    lines = [
        f"# Sign encoder of {config['dataset']}",
        "",
        "An Inception-I3D that was trained to tell signs apart, on the training split of this corpus alone. Stage rgb "
        "extracts features with it.",
        "",
        f"- learnt from {config['signs']['train']:,} signs of {config['videos']['train']:,} videos"
        + "".join(f"; {len(labels)} {tier} labels" for tier, labels in config["labels"].items()),
        f"- started from {config['start']}; width {network['width']:g}, {network['window']} frames of "
        f"{network['crop']} px",
        "- recipe: " + ", ".join(f"{name} {value}" for name, value in recipe.items()),
        "- the last epoch is kept: what is measured chooses nothing",
        "- equal parameters give equal weights, but only with the same number of threads (or on the same GPU)",
        "",
    ]
    if config["spotting"] is not None:
        rule = ", ".join(f"{name} {value}" for name, value in config["spotting"].items())
        lines.insert(5, f"- signs spotted by the classifier of these weights ({rule}): none was seen by a person")
    if measured:
        lines += [
            f"Measured on {config['measured_on']}:",
            "",
            "| tier | labels | windows | told apart | commonest answer alone |",
            "| --- | --- | --- | --- | --- |",
            *measured,
            "",
        ]
    else:
        lines += [
            f"How well it tells signs apart is not known: no sign's time is known in {config['measured_on']}.",
            "",
        ]
    return "\n".join(lines)
