""".dvcignore, as DVC reads it: the demo corpus is an output and stays whole; of other corpora DVC sees the tables."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seds.check.files import IMAGES, MEDIA

ROOT = Path(__file__).parents[1]
SEEN = (
    "data/raw/demo/videos/train-0000-signer2.mp4",
    "data/raw/demo/joints.safetensors",
    "data/raw/how2sign/how2sign_realigned_train.csv",
    "data/raw/phoenix14t/annotations/manual/PHOENIX-2014-T.train.corpus.csv",
    "data/raw/csl_daily/sentence_label/split_1.txt",
    "data/raw/mine/videos.csv",
    "data/raw/phoenix/pose/shard-00000.safetensors",
    "data/pose/how2sign/shard-00000.safetensors",
    "results/demo/plot.png",
)
LEFT_ALONE = (
    "data/raw/how2sign/train/raw_videos/a.mp4",
    "data/raw/how2sign/sentence_level/train/rgb_front/raw_videos/a.mp4",
    "data/raw/phoenix14t/features/fullFrame-210x260px/train/a/images0001.png",
    "data/raw/csl_daily/sentence/frames_512x512/a/000000.jpg",
    "data/raw/csl_daily/sentence_frames-512x512/a/000000.jpg",
    "data/raw/mine/clips/1.MP4",
    "data/raw/mine/2.mov",
    "data/raw/mine/demo/3.mkv",
    "data/raw/mine/some/frames/1.jpeg",
    *(f"data/raw/mine/a{case(suffix)}" for suffix in sorted(MEDIA | IMAGES) for case in (str.lower, str.upper)),
)


@pytest.mark.slow
def test_what_dvc_looks_at(tmp_path):
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    for name in (*SEEN, *LEFT_ALONE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    dvc = (sys.executable, "-m", "dvc")
    subprocess.run((*dvc, "init", "--no-scm", "-q"), cwd=tmp_path, check=True)
    done = subprocess.run((*dvc, "check-ignore", *SEEN, *LEFT_ALONE), cwd=tmp_path, capture_output=True, text=True)
    assert sorted(done.stdout.split()) == sorted(LEFT_ALONE), done.stderr
