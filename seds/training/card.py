"""The model card, in Markdown: what a model is, what it was trained on, how well it does on dev."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from seds.config import ModelSizes
from seds.retrieval.metrics import metrics_table, spread_table, standard_error
from seds.shards import features_are_random, features_come_from

PARTS = {
    "both": "pose encoder, two sequence towers, a text tower and ",
    "pose": "of pose alone: pose encoder, one sequence tower and a text tower",
    "rgb": "of RGB alone: one sequence tower and a text tower",
}
FUSIONS = {"cgaf": "Cross Gloss Attention Fusion", "mlp": "fusion by a perceptron"}
TEXTS = {
    "clip": "a tower like CLIP's",
    "use": "frozen vectors of Universal Sentence Encoder multilingual v3, in 16 languages, and a small tower",
}
# By the reader of the corpus; data/README.md has the sources.
LICENCES = {
    "demo": "The demo corpus is drawn by this project: it shows no person and no real sign language.",
    "how2sign": "How2Sign is CC BY-NC 4.0: not for commercial use.",
    "phoenix14t": "RWTH-PHOENIX-Weather 2014 T is CC BY-NC-SA 3.0: not for commercial use, and derived works "
    "keep that licence.",
    "csl_daily": "CSL-Daily is for research only, by signatories of its agreement.",
}
UNKNOWN_LICENCE = "The licence of the training videos applies to the model too."


def model_card(provenance: dict[str, Any], sizes: ModelSizes, parameters: int, numerics: str, took: str) -> str:
    """Markdown from the provenance in the model folder's config.json (seds.training.provenance).

    took: hours and hardware, which differ from run to run and appear only here.
    """
    return "\n".join(
        [
            f"# SEDS trained on {provenance['dataset']}",
            "",
            "Sign-language retrieval, text to video and video to text: "
            f"{PARTS[sizes.streams]}{FUSIONS[sizes.fusion] if sizes.streams == 'both' else ''} (SEDS, ACM MM 2024).",
            "",
            *_training(provenance, sizes, parameters, numerics, took),
            *_features(provenance, sizes),
            *_metrics(provenance),
            *_warnings(provenance),
            *_use(provenance),
        ]
    )


def _training(provenance: dict[str, Any], sizes: ModelSizes, parameters: int, numerics: str, took: str) -> list[str]:
    videos, sentences, texts = (provenance[what] for what in ("videos", "sentences", "texts"))
    train, losses = provenance["train"], provenance["train"]["losses"]
    return [
        f"- {parameters:,} parameters, profile `{provenance['profile']}`, numerics `{numerics}`, "
        f"streams `{sizes.streams}`" + (f", fusion `{sizes.fusion}`" if sizes.streams == "both" else ""),
        *(
            f"- {split}: {videos[split]:,} videos of {sentences[split]:,} sentences"
            + (
                f", {repeated:,} of which repeat another's text"
                if (repeated := sentences[split] - texts[split])
                else ""
            )
            for split in ("train", "dev")
        ),
        f"- epoch {provenance['epoch']} of {provenance['epochs']}, chosen by R@1 on dev; peak learning rate "
        f"{provenance['lr']:g}, batches of {provenance['batch']} sentences, seed {provenance['seed']}",
        *_stream_weights(provenance),
        *_ideas(train, sizes),
        *_augment(provenance),
        f"- losses: {_listed(losses)}; word swaps {train['swap']:g}, warm-up {train['warmup']:g}, weight decay "
        f"{train['weight_decay']:g}, gradient norm at most {train['clip_norm']:g}",
        f"- text: `{sizes.text}`, {TEXTS[sizes.text]}; at most {sizes.max_words} tokens",
        f"- CLIP weights: {provenance['clip'] or 'none, the towers started from a random initialisation'}",
        *_pretrained(provenance),
        f"- keypoints: {_listed(provenance['pose'])}",
        f"- RGB features: {_listed(provenance['rgb'])}",
        f"- trained in {took}",
        "",
    ]


def _ideas(train: dict[str, Any], sizes: ModelSizes) -> list[str]:
    """Of other methods (docs/methods.md), where there are any. A model of before they existed has none."""
    used = {name: f"{value:g}" for name, value in train.get("ideas", {}).items() if value}
    if sizes.token_weights != "mean":
        used["token_weights"] = sizes.token_weights
    method = train.get("method", "seds")
    return [f"- method `{method}`: {_listed(used) or 'its streams alone'}"] if used or method != "seds" else []


def _stream_weights(provenance: dict[str, Any]) -> list[str]:
    weight = provenance["pose_weight"]
    return [] if weight is None else [f"- fusion: weight {weight:g} for pose and {1 - weight:g} for RGB, chosen on dev"]


def _augment(provenance: dict[str, Any]) -> list[str]:
    """Random changes of the training videos, where there are any. A model of before they existed has none."""
    changes = {name: f"{value:g}" for name, value in provenance.get("augment", {}).items() if value}
    return [f"- training videos changed at random, at most by: {_listed(changes)}"] if changes else []


def _pretrained(provenance: dict[str, Any]) -> list[str]:
    if "pretrained" not in provenance:
        return []
    videos = provenance["pretrained"]["videos"]
    return [
        f"- pose encoder: pretrained on the keypoints of {videos['train']:,} videos of the training split, "
        f"{videos['without_text']:,} of them without text (stage pretrain)"
    ]


def _features(provenance: dict[str, Any], sizes: ModelSizes) -> list[str]:
    if sizes.streams != "pose" and "adapted" in provenance["rgb"]:
        return [
            f"The RGB features come from {features_come_from(provenance['rgb'])}, an I3D that learnt on the signs of "
            "the training split alone.",
            "",
        ]
    if sizes.streams == "pose" or not features_are_random(provenance["rgb"]):
        return []
    return [
        "**The RGB features come from an I3D with a fixed random initialisation**: it was never trained, so its "
        "stream shows what such features can do, not what those of a trained I3D would.",
        "",
    ]


def _metrics(provenance: dict[str, Any]) -> list[str]:
    recalls, queries = provenance["dev_recalls"], provenance["sentences"]["dev"]
    best = recalls[provenance["epoch"] - 1]
    error = standard_error(best, queries)
    near = sum(recall >= best - error for recall in recalls) - 1
    lines = [
        "## Retrieval on dev",
        "",
        *metrics_table(provenance["dev"]),
        "",
        f"With {queries:,} sentences, R@1 has a standard error of {error:.1f} points here; {near} other epochs of "
        f"{len(recalls)} lie within it. The epoch was chosen by these numbers, so they are optimistic; rely on test.",
        "",
    ]
    lines += _without_leaks(provenance["dev_without_leaks"], provenance["sentences"]["dev"])
    if "dev_over_seeds" in provenance:
        seeds = provenance["seeds"]
        lines += [
            f"### Mean and standard deviation over {len(seeds)} seeds ({', '.join(map(str, seeds))})",
            "",
            *spread_table(provenance["dev_over_seeds"]),
            "",
        ]
    return [
        *lines,
        "## Training sentences ranked among themselves (this epoch)",
        "",
        *metrics_table(provenance["train_metrics"]),
        "",
    ]


def _without_leaks(found: dict[str, Any], sentences: int) -> list[str]:
    """Nothing where the metrics above have no leaks."""
    if found["texts"] == sentences and not found["in_train"]:
        return ["No two of these sentences have the same text, and training has none of them.", ""]
    lines = [
        f"### Equal texts as one sentence ({found['texts']:,} texts for {sentences:,} sentences)",
        "",
        *metrics_table(found["equal_as_one"]),
        "",
    ]
    if not found["in_train"]:
        return [*lines, "Training has none of these texts.", ""]
    if not found["not_in_train"]:
        return [*lines, "Training has all of these texts.", ""]
    return [
        *lines,
        f"### Without the {found['in_train']:,} texts that training has, too",
        "",
        *metrics_table(found["not_in_train"]),
        "",
    ]


def _warnings(provenance: dict[str, Any]) -> list[str]:
    if not provenance["warnings"]:
        return []
    return ["## Warnings during training", "", *(f"- {text}" for text in provenance["warnings"]), ""]


def _use(provenance: dict[str, Any]) -> list[str]:
    return [
        "## What it is for",
        "",
        "Finding the videos of a collection in which a given sentence is signed, and the sentences that a given video "
        "signs, for people who check the results. It ranks what it is given: it cannot tell that nothing matches, and "
        "it neither translates nor understands signing. It has learned the sign language, topics, camera work and "
        "signers of its corpus; expect less elsewhere, and measure before relying on it. It must not be used to "
        "identify or watch people.",
        "",
        "## Licence",
        "",
        f"The code is Apache-2.0. {LICENCES.get(provenance['corpus'], UNKNOWN_LICENCE)}",
        "",
    ]


def hardware(device: str, processes: int) -> str:
    """The hardware of a training: "2 x NVIDIA A100", or the name of the CPU and the threads per process."""
    several = f"{processes} x " if processes > 1 else ""
    if device.startswith("cuda"):
        return f"{several}{torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"{several}{_cpu()}, {threads} thread{'s' * (threads > 1)}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "a CPU"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "a CPU")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
