"""Signs found by a classifier, and an encoder that learns from them: the weights' own layout, on toy signs."""

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.logs import logged
from helpers.toy_signs import NAME, ROOT, SIGNS, copy_corpus, write_corpus, write_params
from safetensors.torch import load_file

from seds import tables
from seds.adapt import fitting, spotting
from seds.adapt.fitting import AdaptError
from seds.adapt.signs import Sign
from seds.config import Spotting, load_params
from seds.extraction.extractor import Video
from seds.rgb.i3d import InceptionI3D
from seds.rgb.weights import read_classifier
from seds.shards import ShardReader
from seds.weightfiles import Checkpoint, WeightFileError
from stages import adapt

RULE = Spotting(threshold=0.6, gap=24)


def kept(*windows: tuple[int, int, float], rule: Spotting = RULE) -> list[int]:
    """Which of these windows are signs: (first frame, class, probability)."""
    starts, labels, scores = (np.array(column) for column in zip(*windows, strict=True))
    return spotting.spot(starts, labels, scores, rule).tolist()


def test_windows_above_the_threshold_are_signs() -> None:
    assert kept((0, 7, 0.6), (1, 7, 0.601), (2, 8, 0.9), (3, 9, 0.1)) == [1, 2]


def test_the_same_class_again_has_to_be_more_than_the_gap_away() -> None:
    assert kept((0, 7, 0.7), (24, 7, 0.8), (49, 7, 0.7), (60, 7, 0.9)) == [1, 3], "the likeliest first"
    assert kept((0, 7, 0.9), (24, 7, 0.8), (25, 7, 0.7)) == [0, 2]
    assert kept((0, 7, 0.9), (1, 8, 0.8), (2, 7, 0.95)) == [1, 2], "another class may be anywhere"


def test_no_window_is_a_sign_where_all_are_unsure() -> None:
    assert kept((0, 1, 0.5), (1, 2, 0.4)) == []


def test_held_out_videos_are_a_tenth_and_share_no_sign() -> None:
    videos = [Video(f"v{i}", "", None, None, 100, 10.0, 64, 64, "") for i in range(25)]
    signs = [Sign(video, 0.0, start, start + 16, 0, ()) for video in videos for start in (0, 30)]
    learnt, held_out = spotting.hold_out(signs)
    assert {s.video.video_id for s in held_out} == {"v9", "v19"}
    assert len(learnt) + len(held_out) == len(signs)


@pytest.fixture(scope="module")
def classifier(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small I3D that tells the toy signs apart, with its classifier, in the layout of the BSL-1K release."""
    state = load_file(trained / "data/adapt" / NAME / "encoder.safetensors")
    assert state["logits.conv3d.weight"].shape == (len(SIGNS), InceptionI3D(0.125).features, 1, 1, 1)
    of_hands = {f"module.{name}": tensor for name, tensor in state.items() if not name.startswith("logits.nonmanual.")}
    path = tmp_path_factory.mktemp("classifier") / "i3d.pth.tar"
    torch.save({"state_dict": of_hands}, path)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other videos of the same signs, of which the stage is not told."""
    root = tmp_path_factory.mktemp("unlabelled")
    with chdir(root):
        write_corpus(Path(), {"train": 12, "dev": 2, "test": 2}, signs=False)
    return root


@pytest.fixture
def project(corpus: Path, classifier: Path, tmp_path: Path) -> Iterator[Path]:
    copy_corpus(corpus, tmp_path)
    with chdir(tmp_path):
        write_params(
            tmp_path,
            rgb={"weights": str(classifier)},
            signs="spotted", start="weights", optimiser="sgd", schedule="constant", lr=1e-3, epochs=2, batch=4,
        )  # fmt: skip
        yield tmp_path


@pytest.mark.slow
def test_encoder_learns_from_what_the_classifier_finds(project: Path) -> None:
    adapt.main(NAME)
    found = json.loads((project / "data/adapt" / NAME / "config.json").read_text())
    assert found["adapted"]
    assert found["labels"] == {"manual": ["0000", "0001", "0002", "0003"]}
    assert found["spotting"] == {"threshold": 0.6, "gap": 24}
    assert found["measured_on"] == "videos of training that were held out"
    assert found["signs"]["train"] > found["signs"]["dev"] > 0
    assert found["dev"]["manual"]["accuracy"] > 70 > 2 * 25, "the classifier was kept: it agrees with what it found"

    reader = ShardReader(spotting.shard_folder(NAME), spotting.KIND)
    assert reader.index["video_id"].str.startswith("train").all(), "no video of dev or test is looked at"
    assert reader.metadata["threshold"] == "0.6"
    scores = np.concatenate([reader.read(name, ("scores",))[0] for name in reader.index["video_id"]])
    assert (scores > 0.6).all()

    write_corpus(Path("again"), {"train": 12, "dev": 2, "test": 2})  # the same videos, with their signs
    truth = tables.read(project / "again/data/signs" / f"{NAME}.parquet", tables.SIGNS, "")
    right = []
    for video_id in reader.index["video_id"]:
        rows = truth[(truth["video_id"] == video_id) & (truth["tier"] == "manual")]
        for start, label in zip(*reader.read(video_id, ("starts", "labels")), strict=True):
            nearest = rows.iloc[((rows["start_s"] + rows["end_s"]) / 2 - (start + 8) / 10).abs().argmin()]
            right.append(sorted(SIGNS)[label] == nearest["label"])
    assert len(right) > 12
    assert np.mean(right) > 0.75, "most of what was found is there"


@pytest.mark.slow
def test_spotting_goes_on_where_it_was_and_lists_failures(project: Path) -> None:
    (project / "data/raw" / NAME / "train-3.mp4").write_bytes(b"not a video")
    with logged() as messages:
        adapt.main(NAME)
    assert "adapt: 11 of 12 videos" in "\n".join(messages)
    assert "train-3" in "\n".join(messages)
    parts = {path: path.stat().st_mtime_ns for path in project.glob("work/adapt/*/parts/*/*.safetensors")}
    assert len(parts) == 11
    adapt.main(NAME)
    assert {path: path.stat().st_mtime_ns for path in project.glob("work/adapt/*/parts/*/*.safetensors")} == parts


@pytest.mark.slow
def test_head_starts_from_the_weights_classifier(classifier: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    rgb = params.rgb.small.model_copy(update={"width": 0.125})
    labels = {"manual": tuple("abcd")}
    recognizer = fitting.build(labels, params.adapt.small, rgb, Checkpoint(classifier, ""), "cpu", keep_classifier=True)
    weight, bias = read_classifier(classifier)
    head = fitting.heads_of(recognizer)["manual"]
    torch.testing.assert_close(head.fc_cls.weight, weight, rtol=0, atol=0)
    torch.testing.assert_close(head.fc_cls.bias, bias, rtol=0, atol=0)


@pytest.mark.slow
def test_nothing_spotted_gives_no_encoder(project: Path, classifier: Path) -> None:
    write_params(project, rgb={"weights": str(classifier)}, signs="spotted", start="weights")
    videos = tables.read(f"data/videos/{NAME}.parquet", tables.VIDEOS, "")
    tables.write(videos[videos["split"] != "train"], tables.VIDEOS, Path(f"data/videos/{NAME}.parquet"))
    adapt.main(NAME)
    found = json.loads((project / "data/adapt" / NAME / "config.json").read_text())
    assert not found["adapted"]
    assert found["why"].startswith("no sign was spotted in its training split with a probability above 0.6")


def test_weights_without_a_classifier_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "i3d.pth"
    torch.save(InceptionI3D(0.125).state_dict(), path)
    with pytest.raises(WeightFileError, match=r"i3d\.pth has no classifier of signs \(logits\.conv3d\.weight"):
        read_classifier(path)


def test_spotting_from_a_random_start_is_refused(corpus: Path, tmp_path: Path) -> None:
    copy_corpus(corpus, tmp_path)
    write_params(tmp_path, signs="spotted")
    with chdir(tmp_path), pytest.raises(AdaptError, match="set start: weights"):
        adapt.main(NAME)
