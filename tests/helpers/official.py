"""What the tests of corpora share: rendered frames to lay out as a corpus does, and rows as hostile as they come."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from seds.config import Render
from seds.demo.corpus import plan, render_take, write_video

FRAMES = 12
SIZE = 64  # px

# What a text may hold, and what the model shall read of it.
TEXTS = {
    "quotes": ("he said \"yes\" and 'no'", "he said \"yes\" and 'no'"),
    "a mark left open": ('5" of snow', '5" of snow'),
    "decomposed letters": ("sturmbo\u0308en u\u0308ber no\u0308rdlich", "sturmböen über nördlich"),
    "emoji": ("regen 🌧️👨‍👩‍👧 morgen", "regen 🌧️👨‍👩‍👧 morgen"),
    "blanks": ("  viele\u00a0 wolken\u2028 am \x0c abend  ", "viele wolken am abend"),
    "carriage return": ("am\rabend", "am abend"),
    "10,000 characters": ("wolken " * 1428 + "ende", "wolken " * 1428 + "ende"),
    "not a number": ("NaN", "NaN"),
    "nothing": ("", ""),
}

# What a name may hold that no file of the corpus has.
OUTSIDE = ("/etc/passwd", "../../../../../../../../../etc/passwd")
NOWHERE = ("n" * 10_000, "nul\0l", "loop", "-rf", "gone", "no*[a-z]?")


@cache
def frames() -> tuple[np.ndarray, ...]:
    """FRAMES rendered frames, uint8 [SIZE,SIZE,3] RGB."""
    render = Render(
        seed=3, fps=12.5, size=SIZE, signers=3, test_signers=1,
        train_sentences=40, dev_sentences=1, test_sentences=1, takes=1,
        questions=0, negations=0, pairs={},
    )  # fmt: skip
    rendered, _, _ = render_take(plan(render)[0], render.fps, SIZE)
    return tuple(rendered[:FRAMES])


def lay_out(folder: Path, pattern: str, count: int = FRAMES) -> None:
    """Write `count` frames into a folder, named by `pattern` such as "images{:04d}.png", numbered from 1."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames()[:count], start=1):
        cv2.imwrite(str(folder / pattern.format(number)), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def film(path: Path, fps: float = 12.5, repeat: int = 1) -> None:
    """Write the frames as a video, `repeat` times one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, list(frames()) * repeat, fps)
