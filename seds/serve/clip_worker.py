"""Keypoints and features of a clip, extracted in a confined process as the corpus's were."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import numpy as tensors

from seds.extraction.extractor import Extraction
from seds.search.clips import Extracted, Extractors, build_both, whole
from seds.serve.sandbox import Handler, OnProgress
from seds.video import VideoInfo, probe

# Where the bar stands after opening and after the keypoints: they take longer than the features.
_OPENED, _POSED = 0.05, 0.7


def build(how: Extractors) -> Handler:
    """{"path": of a video that has been vetted} -> what `read` takes."""
    pose, rgb = build_both(how)

    def run(asked: dict[str, str], report: OnProgress) -> bytes:
        path = Path(asked["path"])
        info = probe(path)
        video = whole(path, info)
        report(_OPENED)
        of_pose = pose(video)
        report(_POSED)
        of_rgb = rgb(video)
        facts = {
            "info": [info.frames, info.fps, info.width, info.height],
            "pose": [of_pose.frames, of_pose.rows],
            "rgb": [of_rgb.frames, of_rgb.rows],
        }
        both = {f"pose/{name}": t for name, t in of_pose.tensors.items()}
        both |= {f"rgb/{name}": t for name, t in of_rgb.tensors.items()}
        return json.dumps(facts).encode() + b"\n" + tensors.save(both)

    return run


def read(answer: bytes) -> Extracted:
    """What a task found."""
    facts, _, body = answer.partition(b"\n")
    known, found = json.loads(facts), tensors.load(body)

    def part(kind: str) -> Extraction:
        own = {name.removeprefix(f"{kind}/"): t for name, t in found.items() if name.startswith(f"{kind}/")}
        return Extraction(own, *known[kind])

    return Extracted(VideoInfo(*known["info"]), part("pose"), part("rgb"))
