"""What the model is fed: graphs, keypoints, windows, RGB padding, token ids, batches."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seds import text
from seds.config import Windows
from seds.data import hands
from seds.data.batches import collate
from seds.data.samples import Video
from seds.data.windows import pose_windows
from seds.model.pose_encoder.graphs import body_graph, hand_graph
from seds.model.towers import SequenceTower
from seds.verify.comparison import Comparison, Note, Result, absolute, same

Arrays = dict[str, np.ndarray]

# The published loaders' names for the values of Windows.
RULE_NAMES = {
    "gate": "threshold",
    "visible": "frames_threshold",
    "max_frames": "max_length_frames",
    "window": "slide_windows",
    "max_windows": "feature_len",
    "visible_joints": "LEN_KPS",
    "arm": "THRE",
}
NO_MARGIN = ("ph",)  # the loader whose elbow fallback takes wrists at any height
WRIST_MARGIN = 50.0  # px, of the others
PIXELS = 1e-4  # limit of coordinates, px


def adjacency(path: Path) -> Iterator[Result]:
    recorded = _load(path)
    for part, graph in (("hand", hand_graph()), ("body", body_graph())):
        for name, table in (("A", graph.adjacency), ("A_pool", graph.pooled)):
            yield same(f"{path.stem}/{part}_{name}", table, recorded[f"{part}_{name}"])
            yield same(f"{path.stem}/{part}_{name}_f32", table.astype(np.float32), recorded[f"{part}_{name}_f32"])
        parts = [tuple(row[row >= 0]) for row in recorded[f"{part}_pool_parts"]]
        yield same(f"{path.stem}/{part}_pool_parts", list(graph.parts) == parts, True)


def keypoints(path: Path) -> Iterator[Result]:
    """Boxes, retained frames, coordinates, windows; and that what stops the published loader is answered."""
    recorded = _load(path)
    rules, (width, height) = _rules(recorded), recorded["image_size_wh"].tolist()
    margin = None if path.stem.removeprefix("keypoints_").split("_")[0] in NO_MARGIN else WRIST_MARGIN
    for case in map(str, recorded["cases"]):
        label, points, names = f"{path.stem}/{case}", recorded[f"{case}/keypoints"], recorded[f"{case}/img_list"]
        kept = hands.retain(points, width, height, rules, margin)
        if error := str(recorded[f"{case}/error"]):
            finite = all(np.isfinite(getattr(kept, part)).all() for part in ("left", "right", "body"))
            yield same(f"{label} (finite)", finite, True)
            yield Note(
                label,
                f"the release raises {error.split(':')[0]}; ours keeps {len(kept.frames)} of {len(points)} frames, "
                f"left hand in {kept.left_seen.sum()}, right in {kept.right_seen.sum()}",
            )
            continue
        sampled = hands.sample_frames(len(points), rules.max_frames)
        for side, hand in (("left", hands.LEFT), ("right", hands.RIGHT)):
            boxes = hands.hand_boxes(points[sampled], hand, width, height, rules, margin)
            seen = boxes[:, 2] > 0
            x, y, size = boxes[seen].T
            yield same(f"{label}/bbox_frames_{side}", names[sampled][seen], recorded[f"{case}/bbox_frames_{side}"])
            yield _either(recorded, case, f"bbox_{side}", np.stack([x, x + size, y, y + size], axis=1), 0.0, label)
        yield same(f"{label}/kept_frames", names[kept.frames], recorded[f"{case}/kept_frames"])
        for part in ("left", "right", "body"):
            yield _either(recorded, case, part, _filled(getattr(kept, part), rules.window), PIXELS, label)
        starts = pose_windows(len(kept.frames), rules.window, rules.max_windows)
        yield same(f"{label}/clips_start", _slots(starts, rules.max_windows), recorded[f"{case}/clips_start"])
        yield same(f"{label}/mask", _mask(len(starts), rules.max_windows), recorded[f"{case}/mask"])


def window_selection(path: Path) -> Iterator[Result]:
    recorded = _load(path)
    for setting in sorted({key.split("/")[0] for key in recorded}):
        window, stride, slots = (int(part[1:]) for part in setting.split("_"))
        label = f"{path.stem}/{setting}"
        if stride != 1:
            yield Note(label, f"windows every {stride} frames are not offered; the published stride is 1")
            continue
        starts = [pose_windows(int(count), window, slots) for count in recorded[f"{setting}/num_frames"]]
        yield same(f"{label}/clips_start", [_slots(s, slots) for s in starts], recorded[f"{setting}/clips_start"])
        yield same(f"{label}/mask", [_mask(len(s), slots) for s in starts], recorded[f"{setting}/mask"])


def rgb_padding(path: Path) -> Iterator[Result]:
    recorded = _load(path)
    for case in sorted({key.split("/")[0] for key in recorded}, key=lambda name: int(name[1:])):
        feature, label = recorded[f"{case}/feature"], f"{path.stem}/{case}"
        joints = np.zeros((16, 21, 2), np.float32)
        frames, starts = np.arange(16, dtype=np.int32), np.arange(len(feature))
        video = Video(joints, joints, joints[:, :7], frames, starts, starts, feature, case, case, "")
        ids = np.zeros((1, 2), np.int64)
        if error := str(recorded[f"{case}/error"]):
            batch = collate([video], ids, ids, 1, 1)
            slots = len(recorded["n1/mask"]) - 1 if "n1/mask" in recorded else len(feature) - 1
            try:
                SequenceTower(feature.shape[1], slots, 8, 1, 1, 8)(batch.rgb, torch.ones(1, len(feature) + 1) > 0)
            except ValueError as ours:
                yield Note(label, f"the release raises {error.split(':')[0]}; ours: {ours}")
            else:
                yield Comparison(label, float("inf"), 0.0, "the release raises, ours takes it")
            continue
        slots = recorded[f"{case}/padded"].shape[1]
        batch = collate([video], ids, ids, slots, 1)
        yield same(f"{label}/padded", batch.rgb[0].T[..., None], recorded[f"{case}/padded"])
        yield same(f"{label}/mask", _mask(int((batch.window_starts >= 0).sum()), slots), recorded[f"{case}/mask"])


def tokens(path: Path) -> Iterator[Result]:
    """Ids, masks and byte pairs before the cut to length. Control tokens that a text spells out differ on purpose."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    spelled = [
        any(token in sentence for token in ("<|startoftext|>", "<|endoftext|>")) for sentence in recorded["text"]
    ]
    rows = [i for i, control in enumerate(spelled) if not control]
    texts = [recorded["text"][i] for i in rows]
    ids = text.tokenise(texts, recorded["max_words"])
    yield same(f"{path.stem}/ids", ids, [recorded["ids"][i] for i in rows])
    valid = np.arange(ids.shape[1]) <= ids.argmax(axis=1)[:, None]
    yield same(f"{path.stem}/mask", valid, np.array([recorded["mask"][i] for i in rows]) > 0)
    if "bpe" in recorded:
        pairs = [
            text.tokenise([sentence], len(recorded["bpe"][i]) + 2)[0, 1:-1].tolist() == recorded["bpe"][i]
            for sentence, i in zip(texts, rows, strict=True)
        ]
        yield same(f"{path.stem}/bpe", pairs, [True] * len(pairs))
    for i in (i for i, control in enumerate(spelled) if control):
        yield Note(f"{path.stem}/{recorded['keys'][i]}", f"ours reads control tokens as text: {recorded['text'][i]!r}")


def swaps(path: Path) -> Iterator[Result]:
    """The recorded augmentation draws from Python's generator, ours from NumPy's: rules are compared, not draws."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    max_words = len(recorded[0]["ids"])
    originals = text.tokenise([item["text"] for item in recorded], max_words)
    yield same(f"{path.stem}/ids", originals, [item["ids"] for item in recorded])
    explained, own = [], []
    for number, item in enumerate(recorded):
        words = item["text"].split()
        swapped = [[*words[:i], words[j], *words[i + 1 : j], words[i], *words[j + 1 :]] for i, j in _pairs(words)]
        possible = {tuple(row) for row in text.tokenise([item["text"], *map(" ".join, swapped)], max_words).tolist()}
        explained.append(tuple(item["ids_aug"]) in possible)
        drawn = text.swap_words(item["text"], 1.0, np.random.default_rng(number))
        own.append(tuple(text.tokenise([drawn], max_words)[0].tolist()) in possible)
    yield same(f"{path.stem}/ids_aug (the text itself, or two words of it swapped)", explained, [True] * len(recorded))
    yield same(f"{path.stem}/ours (the same)", own, [True] * len(recorded))


def batch(path: Path) -> Iterator[Result]:
    """A batch put together from keypoints, RGB features and captions."""
    recorded = _load(path)
    source = path.parent / f"keypoints_{path.stem.removeprefix('collate_')}.npz"
    if not source.is_file():
        yield Note(path.stem, f"{source.name} is not in the folder")
        return
    made = _load(source)
    rules, (width, height) = _rules(made), made["image_size_wh"].tolist()
    margin = None if path.stem.removeprefix("collate_") in NO_MARGIN else WRIST_MARGIN
    videos = []
    for i, case in enumerate(map(str, recorded["keypoint_cases"])):
        kept = hands.retain(made[f"{case}/keypoints"], width, height, rules, margin)
        left, right, body = (_filled(part, rules.window) for part in (kept.left, kept.right, kept.body))
        starts = pose_windows(len(kept.frames), rules.window, rules.max_windows)
        frames, feature = kept.frames.astype(np.int32), recorded[f"sample{i}/rgb_feature"]
        videos.append(Video(left, right, body, frames, starts, np.arange(len(feature)), feature, case, case, ""))
    max_words = recorded["batch/pairs_text"].shape[2]
    ids = text.tokenise([str(caption) for caption in recorded["captions"]], max_words)
    ours = collate(videos, ids, ids, rules.max_windows, max_words)
    for part in ("left", "right", "body"):
        yield absolute(f"{path.stem}/{part}_pose", getattr(ours, part).numpy(), recorded[f"batch/{part}_pose"], PIXELS)
        yield same(f"{path.stem}/{part}_clips_start", ours.window_starts, recorded[f"batch/{part}_clips_start"])
    yield same(f"{path.stem}/RGB_feature", ours.rgb.transpose(1, 2)[..., None], recorded["batch/RGB_feature"])
    yield same(f"{path.stem}/pairs_text", ours.ids[:, None], recorded["batch/pairs_text"])
    valid = torch.arange(max_words) <= ours.ids.argmax(1, True)
    yield same(f"{path.stem}/pairs_mask", valid[:, None], recorded["batch/pairs_mask"] > 0)


def _load(path: Path) -> Arrays:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _rules(recorded: Arrays) -> Windows:
    values = dict(zip(map(str, recorded["cfg_names"]), recorded["cfg_values"].tolist(), strict=True))
    whole = ("max_frames", "window", "max_windows", "visible_joints")
    chosen: dict[str, Any] = {ours: values[theirs] for ours, theirs in RULE_NAMES.items()}
    return Windows(**{name: int(value) if name in whole else value for name, value in chosen.items()})


def _either(recorded: Arrays, case: str, name: str, ours: np.ndarray, limit: float, label: str) -> Comparison:
    """Against the array, or the alternate that another NumPy's rounding of box halves gives."""
    results = [
        absolute(f"{label}/{name}", ours, recorded[key], limit)
        for key in (f"{case}/{name}", f"np2/{case}/{name}")
        if key in recorded
    ]
    return min(results, key=lambda result: result.error)


def _filled(frames: np.ndarray, window: int) -> np.ndarray:
    """A video shorter than a window repeats its last frame; the model does so itself, the recorded loader before it."""
    return np.concatenate([frames, np.repeat(frames[-1:], max(0, window - len(frames)), axis=0)])


def _slots(starts: np.ndarray, slots: int) -> np.ndarray:
    return np.pad(starts, (0, slots - len(starts)), constant_values=-1)


def _mask(windows: int, slots: int) -> np.ndarray:
    """As recorded: 0 = valid, the class token first."""
    return (np.arange(slots + 1) > windows).astype(np.int64)


def _pairs(words: list[str]) -> Iterator[tuple[int, int]]:
    return itertools.combinations(range(len(words)), 2)
