"""Files as they come: one of each way a video can be broken, through every stage up to the manifest, with the real
decoder, detector and network. Each is listed with its file and reason, and none ends the run."""

import csv
from pathlib import Path

import av
import numpy as np
import pytest
from ruamel.yaml import YAML

import stages.adapt
import stages.manifest
import stages.pose
import stages.prepare
import stages.rgb
from seds import tables
from seds.config import load_params
from seds.corpora.readers import how2sign
from seds.demo.corpus import plan, render_take

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FPS = 12

# clip -> (split, what the manifest calls it, a part of the detail)
EXPECTED = {
    "good_0-1-rgb_front": ("train", "", ""),
    "good_1-1-rgb_front": ("val", "", ""),
    "header_2-1-rgb_front": ("train", "unreadable", "header_2-1-rgb_front.mp4"),
    "midway_3-1-rgb_front": ("train", "pose failed", "midway_3-1-rgb_front.mp4"),
    "empty_4-1-rgb_front": ("train", "unreadable", "empty_4-1-rgb_front.mp4: is empty"),
    "text_5-1-rgb_front": ("test", "unreadable", "text_5-1-rgb_front.mp4: is not a readable video"),
    "gone_6-1-rgb_front": ("test", "missing", "gone_6-1-rgb_front.mp4: no such file"),
    "handless_7-1-rgb_front": ("test", "no hand seen", "no hand seen in any of 20 frames"),
}


def film(path: Path, frames: list[np.ndarray], header_first: bool) -> Path:
    """An H.264 mp4 whose index ("moov") stands before or behind the pictures."""
    with av.open(str(path), "w", options={"movflags": "+faststart"} if header_first else {}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def truncate(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml and a corpus in How2Sign's layout, in which two videos are sound."""
    top = tmp_path_factory.mktemp("broken")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["machine"] |= {"workers": 1, "device": "cpu"}
    params["datasets"] = {"how2sign": {"corpus": "how2sign", "profile": "small"}}
    params["rgb"]["small"] |= {"stride": 16, "size": 64, "crop": 56}
    yaml.dump(params, top / "params.yaml")

    root = top / "data/raw/how2sign"
    clips = {name: root / split / "raw_videos" / f"{name}.mp4" for name, (split, _, _) in EXPECTED.items()}
    for theirs in how2sign.SPLITS:
        (root / theirs / "raw_videos").mkdir(parents=True)
        with (root / f"how2sign_realigned_{theirs}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(how2sign.REALIGNED)
            for name, (split, _, _) in EXPECTED.items():
                if split == theirs:
                    writer.writerow(["", "", name.rsplit("-", 2)[0], name, "", "", f"What {name} says."])

    take = plan(load_params(ROOT / "params.yaml").render)[0]
    signing = render_take(take, FPS, 256)[0]
    rng = np.random.default_rng(0)
    noise = [rng.integers(100, 156, (256, 256, 3), np.uint8) for _ in range(20)]
    film(clips["good_0-1-rgb_front"], signing[:30], header_first=True)
    film(clips["good_1-1-rgb_front"], signing[10:], header_first=False)
    truncate(film(clips["header_2-1-rgb_front"], signing, header_first=False), 0.7)
    truncate(film(clips["midway_3-1-rgb_front"], signing, header_first=True), 0.7)
    clips["empty_4-1-rgb_front"].touch()
    clips["text_5-1-rgb_front"].write_text("Not found.\n")
    film(clips["handless_7-1-rgb_front"], noise, header_first=True)
    return top


@pytest.fixture(scope="module")
def manifest(corpus: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(corpus)
        for stage in (stages.prepare, stages.pose, stages.adapt, stages.rgb, stages.manifest):
            stage.main("how2sign")
        return tables.read("data/manifest/how2sign.parquet", tables.MANIFEST, "stages.manifest").set_index("video_id")


def test_every_video_is_listed_once_with_its_reason(manifest):
    assert manifest["reason"].to_dict() == {name: reason for name, (_, reason, _) in EXPECTED.items()}
    for name, (_, _, detail) in EXPECTED.items():
        assert detail in manifest.loc[name, "detail"], name


def test_sound_videos_are_used_in_the_same_run(manifest):
    assert manifest.index[manifest["usable"]].tolist() == ["good_0-1-rgb_front", "good_1-1-rgb_front"]
    good = manifest[manifest["usable"]]
    assert (good["retained"] >= 20).all()
    assert (good["windows"] == (good["retained"] - 15).clip(lower=1)).all()
    assert (good["rgb_windows"] >= 1).all()


def test_file_that_stops_midway_is_found_when_decoded(corpus, manifest):
    row = manifest.loc["midway_3-1-rgb_front"]
    assert row["status"] == "ok"
    assert row["frames"] > 0
    for kind in ("pose", "rgb"):
        index = tables.read(corpus / "data" / kind / "how2sign/index.parquet", tables.SHARD_INDEX, kind)
        assert index.set_index("video_id").loc["midway_3-1-rgb_front", "status"] == "failed"
