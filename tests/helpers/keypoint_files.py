"""Keypoints in the formats of others, written by their specifications alone."""

import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd

# .pose components by what they are called in the files: (name, points, format)
OPENPOSE = (
    ("pose_keypoints_2d", [f"B{i}" for i in range(25)], "XYC"),
    ("hand_left_keypoints_2d", [f"L{i}" for i in range(21)], "XYC"),
    ("hand_right_keypoints_2d", [f"R{i}" for i in range(21)], "XYC"),
)
HANDS = 21


def people(frames: int, count: int, points: int, seed: int = 0) -> np.ndarray:
    """[T,P,N,3] x px, y px, confidence, each person beside the other in a frame of 640 x 480."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(20, 100, (frames, count, points, 3))
    places[..., 0] += 150 * np.arange(count)[:, None]
    places[..., 2] = rng.uniform(0.5, 1, places.shape[:-1])
    return places.astype(np.float32)


def pose_bytes(version: float, data: np.ndarray, components=OPENPOSE, fps: float = 25, size=(640, 480)) -> bytes:
    """A .pose file of [T,P,N,D] whose last value is the confidence. Docs: pose-format, docs/specs."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value)) + value.encode()

    content = struct.pack("<fHHHH", version, *size, 0, len(components))
    for name, points, form in components:
        content += text(name) + text(form) + struct.pack("<HHH", len(points), 0, 0) + b"".join(map(text, points))
    frames, count = data.shape[:2]
    values = data.astype("<f4")
    if version == 0:
        content += struct.pack("<HH", int(fps), frames)
        for frame in values:
            content += struct.pack("<H", count)
            content += b"".join(struct.pack("<h", i) + person.tobytes() for i, person in enumerate(frame))
        return content
    fields = (
        struct.pack("<HHH", int(fps), frames % 2**16, count)
        if version == 0.1
        else struct.pack("<fIH", fps, frames, count)
    )
    return content + fields + values[..., :-1].tobytes() + values[..., -1].tobytes()


def write_openpose(folder: Path, name: str, frames: dict[int, list[np.ndarray]]) -> None:
    """A JSON file a frame, of people [137,3]: 25 of the body, 70 of the face, 21 of each hand."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = (("pose_keypoints_2d", 25), ("face_keypoints_2d", 70), ("hand_left_keypoints_2d", HANDS),
              ("hand_right_keypoints_2d", HANDS))  # fmt: skip
    for number, persons in frames.items():
        listed = []
        for person in persons:
            ends = np.cumsum([count for _, count in fields])[:-1]
            parts = np.split(person, ends)
            listed.append(
                {"person_id": [-1]}
                | {field: part.ravel().tolist() for (field, _), part in zip(fields, parts, strict=True)}
            )
        content = {"version": 1.3, "people": listed}
        (folder / f"{name}_{number:012d}_keypoints.json").write_text(json.dumps(content))


def unisign(frames: int, count: int = 1, seed: int = 0) -> dict:
    """What a pickle of Uni-Sign holds: shares of the frame."""
    places = people(frames, count, 133, seed)
    places[..., :2] /= 640, 480
    return {"keypoints": list(places[..., :2]), "scores": list(places[..., 2])}


def kaggle(frames: int, first: int = 30, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A table of asl-signs, and its points [T,543,2]: face, left hand, body, right hand; the left hand is not found."""
    sizes = (("face", 468), ("left_hand", HANDS), ("pose", 33), ("right_hand", HANDS))
    points = np.random.default_rng(seed).uniform(0.2, 0.8, (frames, 543, 2)).astype(np.float32)
    points[:, 468 : 468 + HANDS] = np.nan
    kinds = np.concatenate([[kind] * size for kind, size in sizes])
    numbers = np.concatenate([np.arange(size) for _, size in sizes])
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(first, first + frames), 543).astype(np.int16),
            "row_id": "", "type": np.tile(kinds, frames), "landmark_index": np.tile(numbers, frames).astype(np.int16),
            "x": points[..., 0].ravel(), "y": points[..., 1].ravel(), "z": 0.0,
        }
    )  # fmt: skip
    return table, points
