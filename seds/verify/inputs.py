"""Constants and layouts of what the model is fed: joint graphs, the choice of windows, the padding of RGB features."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import torch

from seds.data.batches import collate
from seds.data.samples import Video
from seds.data.windows import pose_windows
from seds.model.pose_encoder.graphs import Graph, body_graph, hand_graph
from seds.model.towers import SequenceTower
from seds.verify.arrays import Arrays, as_recorded
from seds.verify.comparison import Comparison, Note, Result, same
from seds.verify.keypoints import window_mask, window_slots


def adjacency(recorded: Arrays) -> Iterator[Result]:
    for part, graph in (("hand", hand_graph()), ("body", body_graph())):
        yield from _graph(recorded, part, graph)


def _graph(recorded: Arrays, part: str, graph: Graph) -> Iterator[Result]:
    for name, table in ((f"{part}_A", graph.adjacency), (f"{part}_A_pool", graph.pooled)):
        for key, ours in ((name, table), (f"{name}_f32", table.astype(np.float32))):
            if key in recorded:
                yield same(f"{recorded.label}/{key}", ours, recorded[key])
    if f"{part}_pool_parts" in recorded:
        parts = [tuple(row[row >= 0]) for row in recorded.numbers(f"{part}_pool_parts", "P", "J")]
        yield same(f"{recorded.label}/{part}_pool_parts", list(graph.parts) == parts, True)


def window_selection(recorded: Arrays) -> Iterator[Result]:
    """wW_sS_fN: windows of W frames every S frames, N of them at most."""
    for setting in sorted({name.split("/")[0] for name in recorded if "/" in name}):
        label = f"{recorded.label}/{setting}"
        if not (sizes := re.fullmatch(r"w(\d+)_s(\d+)_f(\d+)", setting)):
            yield Note(label, "unknown setting; known: w16_s1_f64, windows of 16 frames every frame, 64 at most")
            continue
        window, stride, slots = map(int, sizes.groups())
        if stride != 1:
            yield Note(label, f"windows every {stride} frames are not offered; the published stride is 1")
        elif window < 1 or slots < 1:
            yield Note(label, f"{slots} windows of {window} frames are not offered")
        else:
            yield from as_recorded(label, _windows(recorded, setting, window, slots))


def _windows(recorded: Arrays, setting: str, window: int, slots: int) -> Iterator[Result]:
    counts = recorded.indices(f"{setting}/num_frames", 0, np.iinfo(np.int32).max, "N").numpy()
    if not counts.all():
        yield Note(f"{recorded.label}/{setting}", "of 0 frames ours makes no window; these rows are not compared")
    starts = [pose_windows(int(count), window, slots) for count in counts[counts > 0]]
    for name, ours in (
        ("clips_start", [window_slots(some, slots) for some in starts]),
        ("mask", [window_mask(len(some), slots) for some in starts]),
    ):
        if f"{setting}/{name}" in recorded:
            expected = recorded.numbers(f"{setting}/{name}", len(counts), "V")[counts > 0]
            yield same(f"{recorded.label}/{setting}/{name}", ours, expected)


def rgb_padding(recorded: Arrays) -> Iterator[Result]:
    for case in dict.fromkeys(name.rsplit("/", 1)[0] for name in recorded if name.endswith("/feature")):
        yield from as_recorded(f"{recorded.label}/{case}", _padding(recorded, case))


def _padding(recorded: Arrays, case: str) -> Iterator[Result]:
    feature, label = recorded.numbers(f"{case}/feature", "V", "D"), f"{recorded.label}/{case}"
    joints = np.zeros((16, 21, 2), np.float32)
    frames, starts = np.arange(16, dtype=np.int32), np.arange(len(feature))
    video = Video(joints, joints, joints[:, :7], frames, starts, starts, feature, case, case, "")
    ids = np.zeros((1, 2), np.int64)
    if error := recorded.text(f"{case}/error", ""):
        batch = collate([video], ids, ids, 1, 1)
        slots = next((recorded[name].size - 1 for name in recorded if name.endswith("/mask")), len(feature) - 1)
        try:
            SequenceTower(feature.shape[1], slots, 8, 1, 1, 8)(batch.rgb, torch.ones(1, len(feature) + 1) > 0)
        except ValueError as ours:
            yield Note(label, f"the release raises {error.split(':')[0]}; ours: {ours}")
        else:
            yield Comparison(label, float("inf"), 0.0, "the release raises, ours takes it")
        return
    sizes = {"D": feature.shape[1]}
    padded = recorded.numbers(f"{case}/padded", "D", "S", 1, sizes=sizes)
    batch = collate([video], ids, ids, sizes["S"], 1)
    yield same(f"{label}/padded", batch.rgb[0].T[..., None], padded)
    if f"{case}/mask" in recorded:
        used = int((batch.window_starts >= 0).sum())
        yield same(f"{label}/mask", window_mask(used, sizes["S"]), recorded.numbers(f"{case}/mask"))
