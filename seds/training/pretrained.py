"""The pretrained pose encoder of a corpus, as training finds it where stage pretrain leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seds.config import ConfigError
from seds.errors import SedsError
from seds.system.files import file_sha256

CONFIG, ENCODER = "config.json", "encoder.safetensors"


class PretrainedError(SedsError, ValueError):
    """A folder that is not what stage pretrain writes; the message names it."""


def find_pretrained(dataset: str, signbert: str | None = None, data: Path = Path("data")) -> Path | None:
    """The encoder that stage pretrain made for a corpus; None if it made none, as config.json says, or did not run.

    signbert: the other file that params.yaml starts the encoder from, if any. Raises ConfigError for two beginnings,
    PretrainedError.
    """
    folder = data / "pretrain" / dataset
    if not folder.is_dir():
        return None
    again = f"run: dvc repro --force pretrain@{folder.name}"
    try:
        pretrained = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["pretrained"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PretrainedError(f"{folder / CONFIG} cannot be read ({error!r}); {again}") from None
    if not pretrained:
        return None
    path = folder / ENCODER
    if not path.is_file():
        raise PretrainedError(f"{path} not found; {again}")
    if signbert is not None:
        raise ConfigError(
            f"the pose encoder can start from one file only, but there are two: {signbert} (train.<profile>.signbert) "
            f"and {path}. Set train.<profile>.signbert to null, or pretrain.<profile>.method to none"
        )
    return path


def described(encoder: Path) -> dict[str, Any]:
    """What an encoder that `find_pretrained` has found is, for the record of a model that starts from it."""
    config = json.loads((encoder.parent / CONFIG).read_text(encoding="utf-8"))
    return {"sha256": file_sha256(encoder), "videos": config["videos"], "dev": config["dev"]}
