"""What DVC itself costs on a corpus of 30,000 videos: a run with nothing to do, and an experiment on training alone.

Copies the project's files into a repository of its own, with a simulated corpus in How2Sign's layout: 30,000 clips,
annotation files, tables and shards of real layout with tiny tensors, recorded by `dvc commit`. 96 of the videos are
usable, so that training takes seconds and what is measured is DVC.

    python benchmarks/dvc_scale.py --folder /tmp/dvc_scale [--rows 30000]

Prints seconds of: dvc status; dvc repro with nothing to do; stages.train by itself; dvc exp run of train alone, and how
much the cache grew by it. The folder is removed at the end unless --keep is given.

Found on two cores: dvc repro with nothing to do 1.2 to 1.4 s, dvc status 0.9 s; on busy cores, without .dvcignore's
lines on clips, 6.2 to 8.8 s where it took 2.3 to 4.0 with them. An experiment copies no data: the cache grows by the
trained model, 36 MB beside 201 MB of shards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from seds import shards, tables

ROOT = Path(__file__).parents[1]
NAME, SHARD, FRAMES, FEATURES = "how2sign", 250, 4, 16
USABLE = {"train": 64, "dev": 16, "test": 16}
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    **{f"GIT_{role}_{key}": "b@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
}


def run(top: Path, *command: str) -> float:
    """Seconds that a command takes; what it prints ends the benchmark where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=top, env=ENVIRONMENT, text=True, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return time.perf_counter() - start


def copy_project(top: Path) -> None:
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "dvc.lock", "metrics/")):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, top / name)
    yaml = YAML()
    params = yaml.load(top / "params.yaml")
    params["datasets"] = {NAME: {"corpus": "how2sign", "profile": "small", "wrist_margin": 0.1953125}}
    params["render"] |= {"train_sentences": 3, "dev_sentences": 1, "test_sentences": 1}
    params["train"]["small"] |= {"epochs": 1, "batch": 32}
    params["train"]["small"]["model"]["rgb_features"] = FEATURES
    yaml.dump(params, top / "params.yaml")


def make_corpus(top: Path, rows: int) -> pd.DataFrame:
    """Clips and annotation files, as they are downloaded; returns what prepare would make of them."""
    root = top / "data/raw" / NAME
    records = []
    for theirs, split, share in (("train", "train", 0.88), ("val", "dev", 0.05), ("test", "test", 0.07)):
        folder = root / theirs / "raw_videos"
        folder.mkdir(parents=True)
        lines = ["VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE"]
        for i in range(int(rows * share)):
            sentence, name = f"{split}{i:06d}_0", f"{split}{i:06d}_0-1-rgb_front"
            path = folder / f"{name}.mp4"
            path.write_bytes(f"{name} is not opened here".encode())
            lines.append(f"{split}{i:06d}\t{name}\t{sentence}\t{name}\t0.5\t1.5\tSentence {i}.")
            records.append(
                (name, sentence, split, f"Sentence {i}.", path.relative_to(top).as_posix(), i < USABLE[split])
            )
        (root / f"how2sign_realigned_{theirs}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    videos = pd.DataFrame(records, columns=["video_id", "sentence_id", "split", "text", "path", "usable"])
    videos = videos.assign(
        text_original=videos["text"], language="en", signer="1", start_s=np.nan, end_s=np.nan, bbox="", dataset=NAME,
        frames=FRAMES, fps=25.0, width=64, height=48, sha256="0", status="ok", detail="",
    )  # fmt: skip
    tables.write(videos.drop(columns="usable"), tables.VIDEOS, top / f"data/videos/{NAME}.parquet")
    return videos


def make_outputs(top: Path, videos: pd.DataFrame) -> None:
    """Shards, manifest and metrics, as pose, rgb and manifest would leave them."""
    rng = np.random.default_rng(0)
    index = []
    for first in range(0, len(videos), SHARD):
        name, ids = f"shard-{first // SHARD:05d}.safetensors", videos["video_id"][first : first + SHARD]
        for kind, header in (("pose", {}), ("rgb", {"window": "16"})):
            tensors: dict[str, dict[str, np.ndarray]] = {}
            for video_id in ids:
                if kind == "pose":
                    points = np.concatenate([rng.uniform(0, 48, (FRAMES, 133, 2)), np.ones((FRAMES, 133, 1))], axis=2)
                    tensors[video_id] = {"keypoints": points.astype(np.float32)}
                else:
                    features = rng.normal(size=(1, FEATURES)).astype(np.float16)
                    tensors[video_id] = {"features": features, "starts": np.zeros(1, np.int32)}
            shards.write_shard(top / "data" / kind / NAME / name, kind, tensors, header)
        index += [(video_id, name, FRAMES, 1, "ok", "") for video_id in ids]
    table = pd.DataFrame(index, columns=list(tables.SHARD_INDEX.columns))
    for kind in ("pose", "rgb"):
        shards.write_index(top / "data" / kind / NAME, table)
    manifest = videos.assign(
        pose_shard=table["shard"], rgb_shard=table["shard"], retained=FRAMES, windows=1, rgb_windows=1,
        left_visible=1.0, right_visible=1.0, reason=np.where(videos["usable"], "", "set aside"),
    )  # fmt: skip
    tables.write(manifest, tables.MANIFEST, top / f"data/manifest/{NAME}.parquet")
    metrics = top / "metrics" / NAME
    metrics.mkdir(parents=True, exist_ok=True)
    (metrics / "pose.json").write_text("{}\n")


def cache_size(top: Path) -> int:
    return sum(path.lstat().st_size for path in (top / ".dvc/cache").rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    top = args.folder
    top.mkdir(parents=True)
    try:
        copy_project(top)
        make_outputs(top, make_corpus(top, args.rows))
        run(top, "git", "init", "-q")
        run(top, "git", "add", "-A")
        run(top, "git", "commit", "-qm", "corpus")
        run(top, "dvc", "repro", "render")
        stages = [f"{stage}@{NAME}" for stage in ("prepare", "pose", "rgb", "manifest")]
        print(f"{'dvc commit, all shards':<34}{run(top, 'dvc', 'commit', '--force', *stages):6.1f} s", flush=True)
        run(top, "dvc", "repro")
        run(top, "git", "add", "-A")
        run(top, "git", "commit", "-qm", "run")
        for command in (("dvc", "status"), ("dvc", "repro"), ("dvc", "repro")):
            print(f"{' '.join(command) + ', nothing to do':<34}{run(top, *command):6.1f} s", flush=True)
        alone = run(top, sys.executable, "-m", "stages.train", NAME)
        print(f"{'stages.train alone':<34}{alone:6.1f} s", flush=True)
        run(top, "dvc", "checkout", "--force")
        before = cache_size(top)
        seconds = run(top, "dvc", "exp", "run", "-S", "lr=1e-4", f"train@{NAME}")
        grown = (cache_size(top) - before) / 1e6
        held = sum(path.stat().st_size for path in (top / "data").rglob("*.safetensors")) / 1e6
        print(f"{'dvc exp run, train':<34}{seconds:6.1f} s; the cache grew by {grown:.1f} MB (shards: {held:.0f} MB)")
    finally:
        if not args.keep:
            shutil.rmtree(top)


if __name__ == "__main__":
    main()
