"""Reading keypoints as OpenPose writes them: a folder of a video, with a JSON file for each of its frames.

<name>_000000000012_keypoints.json is frame 12, counted from 0. Frames may be missing, a frame may show nobody or
several people in any order, and 0, 0, 0 is a point that was not found. Coordinates are px; neither their frame's size
nor the frame rate is in the files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import numpy as np

from seds.imports.joints import HAND_POINTS, KeypointsError, Layout, openpose
from seds.imports.source import Source, check_people
from seds.skeleton import JOINTS

FRAME = re.compile(r"(?:.*?_)?(\d{1,12})_keypoints\.json")
_FRAME_BYTES = 4 * 2**20  # 300 people
_FACE = 70
_PARTS = (
    ("face_keypoints_2d", _FACE),
    ("hand_left_keypoints_2d", HAND_POINTS),
    ("hand_right_keypoints_2d", HAND_POINTS),
)


def open_openpose(folder: Path) -> Source:
    """Raises KeypointsError for a folder without such files, or whose numbers cannot be those of frames; OSError."""
    files: dict[int, str] = {}
    for name in sorted(os.listdir(folder)):
        if match := FRAME.fullmatch(name):
            number = int(match[1])
            if number in files:
                raise KeypointsError(f"{files[number]} and {name} are both frame {number}")
            files[number] = name
    if not files:
        raise KeypointsError("no file NAME_NUMBER_keypoints.json")
    frames = max(files) + 1
    if frames > 10 * len(files) + 100:
        raise KeypointsError(
            f"{len(files):,} files, of which {files[frames - 1]} would be frame {frames - 1:,}, counted from 0"
        )
    layouts: dict[int, Layout] = {}

    def read(first: int, last: int) -> Sequence[np.ndarray]:
        nobody = np.zeros((0, JOINTS, 3), np.float32)
        people = [_frame(folder / files[i], layouts) if i in files else nobody for i in range(first, last)]
        check_people(max(map(len, people), default=0), 1)
        check_people(1, sum(map(len, people)))
        return people

    return Source("OpenPose, a JSON file a frame", frames, None, None, None, False, read)


def _frame(path: Path, layouts: dict[int, Layout]) -> np.ndarray:
    """The people of a frame, float32 [P,133,3]. Raises KeypointsError."""
    try:
        with path.open("rb") as file:
            content = file.read(_FRAME_BYTES + 1)
        if len(content) > _FRAME_BYTES:
            raise KeypointsError(f"{path.name}: larger than {_FRAME_BYTES // 2**20} MB")
        people = json.loads(content)["people"]
        if not isinstance(people, list):
            raise TypeError("people is no list")
        check_people(len(people), 1)
        found = [_person(person, layouts) for person in people]
    except KeypointsError as error:
        raise KeypointsError(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}") from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise KeypointsError(
            f"{path.name} is not what OpenPose writes: {type(error).__name__} {brief(str(error))}"
        ) from None
    return np.stack(found) if found else np.zeros((0, JOINTS, 3), np.float32)


def _person(person: Any, layouts: dict[int, Layout]) -> np.ndarray:
    if not isinstance(person, dict):
        raise TypeError("a person is no object")
    body = _triples(person, "pose_keypoints_2d", None) if person.get("pose_keypoints_2d") else np.zeros((25, 3))
    parts = [_triples(person, name, count) for name, count in _PARTS]
    if len(body) not in layouts:
        layouts[len(body)] = openpose(len(body))
    layout = layouts[len(body)]
    return layout.to_wholebody(np.concatenate([body, *parts])[layout.points])


def _triples(person: dict[str, Any], name: str, count: int | None) -> np.ndarray:
    """[count,3] of a flat list x, y, confidence; zeros where the part is missing or was not looked for."""
    values = person.get(name) or []
    if count is not None and not values:
        return np.zeros((count, 3))
    triples = np.array(values, np.float64)
    if triples.ndim != 1 or triples.size % 3 or (count is not None and triples.size != 3 * count):
        expected = "x, y, confidence of each point" if count is None else f"{3 * count} numbers"
        raise KeypointsError(f"{name} has {triples.size} numbers, expected {expected}")
    return triples.reshape(-1, 3)
