"""What is hidden of a video's joints, to be restored: single joints, frames, and runs of frames.

After SignBERT (Hu et al., ICCV 2021; TPAMI 2023), which imitates how pose estimators fail. A hidden joint lies at 0, 0
px, where one that is not detected lies too. F frames, J joints of a part: a hand or the body.
"""

from __future__ import annotations

import math

import numpy as np

from seds.config import PretrainProfile
from seds.data.hands import CROP

JOINTS, FRAME, RUN, NOTHING = range(4)


def hide(
    joints: np.ndarray, there: np.ndarray, profile: PretrainProfile, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide a part of a video. joints: float32 [F,J,2] px; there: bool [F], whether the part is seen.

    `profile.share` of the frames in which it is there are chosen. In each, by chance: some joints are put to 0 or
    moved, the frame is put to 0, a run of frames around it is, or nothing happens, since what is visible has to be
    recognised as right. Returns the changed joints, and the frames to restore, bool [F]: the chosen ones and all of a
    run.
    """
    changed, restored = joints.copy(), np.zeros(len(joints), bool)
    frames = np.flatnonzero(there)
    if not len(frames):
        return changed, restored
    chosen = generator.choice(frames, math.ceil(profile.share * len(frames)), replace=False)
    restored[chosen] = True
    for frame, kind in zip(chosen.tolist(), generator.integers(4, size=len(chosen)).tolist(), strict=True):
        if kind == JOINTS:
            count = min(int(generator.integers(1, profile.joints + 1)), joints.shape[1])
            which = generator.choice(joints.shape[1], count, replace=False)
            moved = joints[frame, which] + CROP * generator.uniform(-profile.shift, profile.shift, (count, 2))
            changed[frame, which] = np.where(generator.random((count, 1)) < 0.5, 0.0, moved)
        elif kind == FRAME:
            changed[frame] = 0.0
        elif kind == RUN:
            length = int(generator.integers(2, profile.run + 1))
            first = max(0, frame - int(generator.integers(length)))
            changed[first : first + length] = 0.0
            restored[first : first + length] |= there[first : first + length]
    return changed, restored
