"""The model card: what a model is, what it was made from, how well it does on dev; Markdown for people."""

from __future__ import annotations

from typing import Any

from seds.config import ModelSizes
from seds.metrics import METRICS
from seds.retrieval import DIRECTIONS

PARTS = {
    "both": "pose encoder, two sequence towers, a text tower and ",
    "pose": "of pose alone: pose encoder, one sequence tower and a text tower",
    "rgb": "of RGB alone: one sequence tower and a text tower",
}
FUSIONS = {"cgaf": "Cross Gloss Attention Fusion", "mlp": "fusion by a perceptron"}


def model_card(provenance: dict[str, Any], sizes: ModelSizes, parameters: int, numerics: str) -> str:
    """Markdown from the provenance that the model folder's config.json holds (see stages/train.py)."""
    features, keypoints = provenance["rgb"], provenance["pose"]
    lines = [
        f"# SEDS trained on {provenance['dataset']}",
        "",
        "Sign-language retrieval, text to video and video to text: "
        f"{PARTS[sizes.streams]}{FUSIONS[sizes.fusion] if sizes.streams == 'both' else ''} (SEDS, ACM MM 2024).",
        "",
        f"- {parameters:,} parameters, profile `{provenance['profile']}`, numerics `{numerics}`",
        f"- {provenance['sentences']['train']:,} training sentences, {provenance['sentences']['dev']:,} dev sentences",
        f"- epoch {provenance['epoch']} of {provenance['epochs']}, chosen by R@1 on dev; peak learning rate "
        f"{provenance['lr']:g}, batches of {provenance['batch']} sentences, seed {provenance['seed']}",
        f"- CLIP weights: {provenance['clip'] or 'none, the towers started from a random initialisation'}",
        f"- keypoints: {_listed(keypoints)}",
        f"- RGB features: {_listed(features)}",
        "",
    ]
    if features.get("weights", "").startswith("random"):
        lines += [
            "**The RGB features come from an I3D with a fixed random initialisation**: it has seen no video, and its "
            "stream says what such features can tell, not what a trained I3D would.",
            "",
        ]
    lines += ["## Retrieval on dev", "", *metrics_table(provenance["dev"]), ""]
    lines += [
        "## Training sentences ranked among themselves (this epoch)",
        "",
        *metrics_table(provenance["learnt"]),
        "",
    ]
    return "\n".join(lines)


def extraction(header: dict[str, str]) -> dict[str, str]:
    """Of a shard's header what holds for the whole corpus: what extracted it, and how."""
    return {key: value for key, value in header.items() if key not in ("schema", "kind", "fingerprint", "videos")}


def metrics_table(metrics: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Markdown rows, one a stream and direction."""
    rows = ["| stream | direction | " + " | ".join(METRICS) + " |", "| --- " * (2 + len(METRICS)) + "|"]
    for stream, directions in metrics.items():
        for direction in DIRECTIONS:
            values = directions[direction]
            cells = [f"{values[name]:.{3 if name == 'MRR' else 1}f}" for name in METRICS]
            rows.append(f"| {stream} | {direction.upper()} | " + " | ".join(cells) + " |")
    return rows


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
