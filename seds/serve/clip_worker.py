"""Keypoints and features of a user's clip, extracted in a sandbox as the corpus's were."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import numpy as safetensors

from seds.extraction.extractor import Extraction
from seds.search.clips import Extracted, Extractors, whole_file
from seds.serve.sandbox import Handler, OnProgress
from seds.video import VideoInfo, probe

# Where the progress bar stands after opening and after the keypoints, which take longer than the features.
_OPENED, _POSED = 0.05, 0.7


def build(extractors: Extractors) -> Handler:
    """{"path": of a video that has been checked} -> bytes for `read`."""
    extract_pose, extract_rgb = extractors.make()

    def run(request: dict[str, str], on_progress: OnProgress) -> bytes:
        path = Path(request["path"])
        info = probe(path)
        video = whole_file(path, info)
        on_progress(_OPENED)
        pose = extract_pose(video)
        on_progress(_POSED)
        rgb = extract_rgb(video)
        header = {
            "info": [info.frames, info.fps, info.width, info.height],
            "pose": [pose.frames, pose.rows],
            "rgb": [rgb.frames, rgb.rows],
        }
        tensors = {f"pose/{name}": tensor for name, tensor in pose.tensors.items()}
        tensors |= {f"rgb/{name}": tensor for name, tensor in rgb.tensors.items()}
        return json.dumps(header).encode() + b"\n" + safetensors.save(tensors)

    return run


def read(answer: bytes) -> Extracted:
    """What a task extracted."""
    first_line, _, body = answer.partition(b"\n")
    header, tensors = json.loads(first_line), safetensors.load(body)

    def extraction(kind: str) -> Extraction:
        of_kind = {name.removeprefix(f"{kind}/"): t for name, t in tensors.items() if name.startswith(f"{kind}/")}
        return Extraction(of_kind, *header[kind])

    return Extracted(VideoInfo(*header["info"]), extraction("pose"), extraction("rgb"))
