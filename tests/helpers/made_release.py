"""Folders in the format of the published SEDS release (SPEC 1), made for tests."""

import pickle
from pathlib import Path

import numpy as np

from seds.corpora.captions import HELD_OUT, RELEASES
from seds.release.features import import_release
from seds.skeleton import LEFT_HAND, RIGHT_HAND

IMAGE = {"phoenix14t": "images{:04d}.png", "csl_daily": "{:06d}.jpg", "how2sign": "clip-1-rgb_front_{:05d}.jpg"}


def pickled(path: Path, content: object, protocol: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def signing(frames: int, seen, rng: np.random.Generator, corpus: str) -> np.ndarray:
    """Keypoints [frames,133,3] whose hands are visible in the frames `seen` and whose arms never are."""
    release = RELEASES[corpus]
    keypoints = np.zeros((frames, 133, 3))
    keypoints[:, :, :2] = rng.uniform(0.3, 0.7, (frames, 133, 2)) * (release.width, release.height)
    for hand in (LEFT_HAND, RIGHT_HAND):
        keypoints[list(seen), hand, 2] = 0.9
    return keypoints


def published_windows(frames: int, seen) -> int:
    """Number of pose windows by SPEC 3 and 5, spelled out."""
    k = -(-frames // 300) if frames > 300 else 1
    retained = sum(frame in set(seen) for frame in range(0, frames, k))
    return min(64, max(1, retained - 15))


class MadeRelease:
    """A folder in the release's format, grown video by video."""

    def __init__(self, root: Path, corpus: str) -> None:
        self.root, self.corpus, self.rng = root, corpus, np.random.default_rng(0)
        self.captions: dict[str, dict] = {}
        self.rows: dict[str, np.ndarray] = {}  # features by video

    def keypoints(self, video_id: str) -> Path:
        return self.root / "keypoints" / f"{video_id}.pkl"

    def features(self, video_id: str, subset: str) -> Path:
        return self.root / "rgb" / subset / f"{video_id}.pkl"

    def add(self, subset: str, sentence_id: str, video_id: str, frames: int = 20, seen=None, protocol: int = 4) -> None:
        seen = range(frames) if seen is None else seen
        text = f"Sentence {len(self.rows)} is signed."
        caption = {"video_name": video_id, "ori_text": f"原 {text}", "text": text, "num_frames": frames}
        if self.corpus == "how2sign":
            caption = {"text": text, "num_frames": 2 * frames, "video_name": "old", "new_video_name": video_id}
        if self.corpus == "phoenix14t":
            self.captions.setdefault(subset, {})[sentence_id] = caption
        else:
            self.captions.setdefault(subset, {}).setdefault(sentence_id, []).append(caption)
        points = signing(frames, seen, self.rng, self.corpus)
        order = self.rng.permutation(frames)
        names = [IMAGE[self.corpus].format(number + 1) for number in order]
        pickled(self.keypoints(video_id), {"keypoints": points[order], "img_list": names}, protocol)
        self.rows[video_id] = self.rng.normal(size=(published_windows(frames, seen), 1024)).astype(np.float32)
        pickled(self.features(video_id, subset), {"feature": self.rows[video_id]}, protocol)

    def write_captions(self) -> None:
        for subset, sentences in self.captions.items():
            pickled(self.root / "captions" / f"{subset}.pkl", sentences, 3)

    def run(self, output: Path, name: str = "tiny", **options):
        self.write_captions()
        folders = {"captions": "captions", "keypoints": "keypoints", "features": "rgb"}
        places = {option: self.root / folder for option, folder in folders.items()}
        return import_release(name, self.corpus, **places, output=output, **options)


def complete(root: Path, corpus: str) -> MadeRelease:
    """A small release of that corpus with train and test, and dev where it has one."""
    made = MadeRelease(root, corpus)
    if corpus == "phoenix14t":
        for i in range(6):
            made.add("train", f"tagesschau-{i}", f"tagesschau-{i}", 16 + i, protocol=2 + i % 4)
        for i in range(6, 8):
            made.add("dev", f"tagesschau-{i}", f"tagesschau-{i}")
            made.add("test", f"heute-{i}", f"heute-{i}")
        made.captions["dev"] = made.captions["train"] | made.captions["dev"]
        return made
    name = {"csl_daily": "S{:06d}_P{:04d}_T00", "how2sign": "-abc_{}-{}-rgb_front"}[corpus]
    for subset, sentences in (("train", HELD_OUT * 2), ("test", 3)):
        for i in range(sentences):
            for signer in range(1 + i % 2):
                made.add(subset, f"{subset}{i}", name.format(i + 1000 * (subset == "test"), signer), 12 + i % 9)
    return made
