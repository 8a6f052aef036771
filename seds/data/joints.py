"""The joints that the model reads, of the 133 that are estimated."""

from __future__ import annotations

from seds.skeleton import HAND_NAMES, JOINT

# The seven joints of the body graph, in the model's order.
UPPER_BODY = tuple(
    JOINT[name]
    for name in ("nose", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist")
)
# Bones of one hand, joints counted from its wrist.
HAND_BONES = tuple((0 if i % 4 == 1 else i - 1, i) for i in range(1, len(HAND_NAMES)))
