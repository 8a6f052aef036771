"""The pose estimators by name. Each finds the 133 COCO-WholeBody joints of one signer in every frame of a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from seds.config import Precision
from seds.extraction.extractor import Extractor

ESTIMATORS = ("mediapipe", "mmpose")


@dataclass(frozen=True)
class Estimator:
    """`build` (picklable) makes the extractor in a worker; `settings` say all that determines its result."""

    build: Callable[[], Extractor]
    settings: dict[str, str]


def estimator(
    name: str,
    *,
    complexity: int = 1,
    config: str | None = None,
    weights: str | None = None,
    weights_sha256: str | None = None,
    precision: Precision = "float32",
    compile: bool = False,
    device: str = "cpu",
) -> Estimator:
    """The estimator of that name; the arguments are those of the `pose` section of params.yaml.

    mediapipe  reads `complexity`; runs on the CPU
    mmpose     reads `config`, `weights` (null: downloaded, once, here), `weights_sha256`, `precision`, `compile`,
               `device`

    Raises ValueError with the known names, or WeightsError.
    """
    if name == "mediapipe":
        from seds.pose import mediapipe_holistic

        return Estimator(partial(mediapipe_holistic.build, complexity), mediapipe_holistic.settings(complexity))
    if name == "mmpose":
        from seds.pose import mmpose_weights, mmpose_wholebody

        if config is None:
            raise ValueError("estimator mmpose needs a config, the name of one of mmpose's whole-body configs")
        path, sha256 = mmpose_weights.resolve_weights(config, weights, weights_sha256)
        build = partial(mmpose_wholebody.build, config, path, device, precision, compile)
        return Estimator(build, mmpose_wholebody.settings(config, sha256, precision, compile))
    raise ValueError(f"unknown pose estimator {name!r}; known: {', '.join(ESTIMATORS)}")
