"""When each frame of a video is shown.

Where a file's rate varies, as a phone's does, frame number over mean rate is wrong by whatever the camera slowed down.
The packets carry the frames' times, so nothing is decoded for them.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def frame_edges(path: str | Path, frames: int, fps: float) -> np.ndarray:
    """float64 [frames + 1] s since the first frame: when each of the `frames` that were decoded begins, the last ends.

    At the mean rate `fps` where the file does not give a time for each of them: some formats have none, and of damaged
    frames nobody knows which they were. The path is a file that seds.video has read, which refuses dangerous ones.
    """
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            packets = [packet for packet in container.demux(streams[0]) if packet.size and not packet.is_discard]
            unit = float(streams[0].time_base or 0)
    except av.FFmpegError:
        return even_edges(frames, fps)
    shown = sorted((packet.pts, packet.duration or 0) for packet in packets if packet.pts is not None)
    if len(shown) != frames or len(packets) != frames or not unit:
        return even_edges(frames, fps)
    begins = np.array([pts for pts, _ in shown], np.float64) * unit
    last = begins[-1] + (shown[-1][1] * unit or 1 / fps)
    return np.append(begins, last) - begins[0]


def even_edges(frames: int, fps: float) -> np.ndarray:
    """Likewise at a constant rate."""
    return np.arange(frames + 1) / fps
