"""Videos, keypoints and features, joined and checked -> data/manifest/<dataset>.parquet.

Keypoint quality goes to metrics/<dataset>/pose.json. It is measured here and not in the stage pose, so that another
measure never repeats the extraction.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.data.mapped import MappedReader
from seds.manifest import join, keypoint_accuracy
from seds.shards import ShardReader
from seds.system.commands import run_stage
from seds.system.files import write_json


def main(dataset: str) -> None:
    params = load_params()
    data = Path("data")
    videos = tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}")
    pose = MappedReader(data / "pose" / dataset, "pose")
    rgb = None if params.dataset(dataset).streams == "pose" else ShardReader(data / "rgb" / dataset, "rgb")
    with ThreadPoolExecutor(1) as aside:  # both read all keypoints, and numpy lets go of the interpreter
        quality = aside.submit(keypoint_accuracy.by_split, videos, pose, data / "raw" / dataset / "joints.safetensors")
        table = join.build(videos, pose, rgb, params.rules(dataset))
    tables.write(table, tables.MANIFEST, data / "manifest" / f"{dataset}.parquet")
    print(join.summary(table))

    write_json(Path("metrics") / dataset / "pose.json", quality.result())


if __name__ == "__main__":
    run_stage(main)
