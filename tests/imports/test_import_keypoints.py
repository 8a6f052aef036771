"""`seds import keypoints`: whose keypoints a row gets, in px, and what becomes of rows that do not fit."""

import json
import pickle
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from helpers import keypoint_files as made
from pose_format import Pose
from typer.testing import CliRunner

from seds import tables
from seds.add.recognise import recognise
from seds.check.corpus import check
from seds.cli import app
from seds.config import Dataset
from seds.corpora.readers import openasl
from seds.export.keypoints import export_keypoints
from seds.imports.joints import KeypointsError
from seds.imports.keypoints import Given, import_keypoints
from seds.imports.signer import choose_signer
from seds.shards import ShardReader


def pose(folder, name, frames=20, count=1, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    data = made.people(frames, count, 67, seed)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(made.pose_bytes(0.2, data))
    return data


def imported(tmp_path, table: str | None, **options):
    if table is not None:
        (tmp_path / "texts.csv").write_text(table)
    path = tmp_path / "texts.csv" if table is not None else None
    done = import_keypoints("mine", tmp_path / "from", tmp_path / "out", path, **options)
    return done, ShardReader(tmp_path / "out" / "pose", "pose")


def test_each_row_gets_its_keypoints_or_the_reason_why_not(tmp_path):
    first, cut = pose(tmp_path / "from", "train/a.pose", seed=1), pose(tmp_path / "from", "long.pose", 60, seed=2)
    pose(tmp_path / "from", "test/a.pose", seed=3)
    (tmp_path / "from" / "broken.pose").write_bytes(b"no")
    pose(tmp_path / "from", "unused.pose")
    rows = """\
        path,text,split,start_s,end_s,bbox
        train/a.mp4,One,train,,,
        long,Two,train,1,2,
        long,Three,dev,2,9,
        gone,Four,train,,,
        broken.pose,Five,train,,,
        a,Six,dev,,,
        a,Seven,test,,,
        long,Eight,x,,,
        ../../../etc/passwd,Nine,train,,,
        train/a.mp4,Ten,train,,,
        long,Eleven,train,7,8,
        long,Twelve,train,0,1,"700,0,900,90"
        """
    done, reader = imported(tmp_path, dedent(rows), shard_videos=2)
    found = done.videos.set_index("text")[["status", "detail"]]
    assert found["status"].to_dict() == {
        "One": "ok", "Two": "ok", "Three": "ok", "Four": "missing", "Five": "unreadable", "Six": "refused",
        "Seven": "ok", "Eight": "refused", "Nine": "missing", "Ten": "duplicate", "Eleven": "unreadable",
        "Twelve": "unreadable",
    }  # fmt: skip
    assert "may mean test/a.pose and train/a.pose" in found.loc["Six", "detail"]
    assert "no frame from 7 to 8 s; it ends at 2.40 s" in found.loc["Eleven", "detail"]
    assert "leaves the frame of 640x480 px" in found.loc["Twelve", "detail"]
    assert done.unused == 1
    ids = dict(zip(done.videos["text"], done.videos["video_id"], strict=True))
    for text, data in (("One", first), ("Two", cut[25:50]), ("Three", cut[50:])):
        (keypoints,) = reader.read(ids[text], ["keypoints"])
        np.testing.assert_array_equal(keypoints[:, 91:], data[:, 0, 25:])
    assert (done.videos["path"] == "").all()
    assert done.videos.loc[done.videos["status"] == "ok", "frames"].tolist() == [20, 25, 10, 20]


def test_what_no_file_says_is_given_or_missed(tmp_path):
    folder = tmp_path / "from"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(made.unisign(20)))
    (folder / "videos.csv").write_text(
        "video_id,text,fps,width,height\na,One,30,320,240\nb,Two,,,\nc,Three,25,wide,1\n"
    )
    done, reader = imported(tmp_path, None, given=Given(25, 640, 480))
    assert done.videos["status"].tolist() == ["ok", "ok", "refused"]
    assert done.videos[["fps", "width"]].head(2).to_numpy().tolist() == [[30, 320], [25, 640]]
    px = [reader.read(name, ["keypoints"])[0][..., :2] for name in ("a", "b")]
    np.testing.assert_allclose(2 * px[0], px[1], rtol=1e-6)
    np.testing.assert_allclose(px[1], made.people(20, 1, 133)[:, 0, :, :2], rtol=1e-5)
    done = import_keypoints("mine", folder, tmp_path / "other")
    assert "no frame rate in it; give --fps" in done.videos["detail"][1]


def test_coordinates_around_the_shoulders_are_no_px(tmp_path):
    data = made.people(20, 1, 67)
    data[..., :2] = data[..., :2] / 50 - 1
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a.pose").write_bytes(made.pose_bytes(0.2, data))
    done, _ = imported(tmp_path, None)
    assert "are no px of a frame of 640x480" in done.videos["detail"][0]


def test_the_largest_person_is_kept_whatever_their_order():
    signer, passer = made.people(6, 1, 133, 1)[:, 0], made.people(6, 1, 133, 2)[:, 0]
    signer[..., :2] *= 3
    frames = [np.stack([signer[t], passer[t]][:: 1 if t % 2 else -1]) for t in range(5)]
    frames += [np.zeros((0, 133, 3), np.float32)]
    keypoints, several = choose_signer(frames)
    np.testing.assert_array_equal(keypoints[:5], signer[:5])
    assert not keypoints[5].any()
    assert several == 5
    box = (*passer[0, :13, :2].min(0), *passer[0, :13, :2].max(0))
    np.testing.assert_array_equal(choose_signer(frames, tuple(map(float, box)))[0][:5], passer[:5])


def test_what_seds_exports_comes_back_as_it_was(tmp_path):
    pose(tmp_path / "from", "a.pose")
    (tmp_path / "from" / "videos.csv").write_text("path,text,signer,split\na.pose,One,A,dev\n")
    _, reader = imported(tmp_path, None)
    videos = tables.read(tmp_path / "out" / "videos.parquet", tables.VIDEOS, "")
    export_keypoints(videos, reader, tmp_path / "export")
    again = import_keypoints("again", tmp_path / "export", tmp_path / "back")
    columns = ["video_id", "sentence_id", "split", "text", "signer", "frames", "fps", "sha256"]
    pd.testing.assert_frame_equal(again.videos[columns], videos[columns])


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    (tmp_path / "from").mkdir()
    with pytest.raises(KeypointsError, match=r"has no keypoints; expected \*\.pose"):
        imported(tmp_path, None)


def test_the_command_says_what_it_took_and_what_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pose(tmp_path / "from", "a.pose", count=2)
    result = CliRunner().invoke(app, ["import", "keypoints", "mine", "--from", "from"])
    assert result.exit_code == 0, result.output
    assert "1 videos: .pose 0.2, 67 points" in result.output
    assert "1 videos show several people: the largest was taken" in result.output
    _, findings = check("mine", Dataset(corpus="keypoints"), Path("data/raw/mine"))
    assert "in 20 of 20 frames, of whom the largest was taken" in findings.set_index("kind")["detail"]["several people"]
    assert "  mine:\n    corpus: keypoints\n    profile: auto\n    streams: pose" in result.output
    assert CliRunner().invoke(app, ["import", "keypoints", "x", "--from", "from", "--size", "12"]).exit_code == 2


def test_rows_may_be_those_of_a_corpus(tmp_path):
    """How2Sign ships OpenPose's frames of its clips; the official files name them."""
    names = {"train": "a_0-5-rgb_front", "val": "b_0-1-rgb_front", "test": "c_0-1-rgb_front"}
    header = "VIDEO_ID\tVIDEO_NAME\tSENTENCE_ID\tSENTENCE_NAME\tSTART_REALIGNED\tEND_REALIGNED\tSENTENCE\n"
    for split, name in names.items():
        rows = f"a\ta-1-rgb_front\ta_0\t{name}\t9\t12\tText of {split}.\n"
        (tmp_path / "from").mkdir(exist_ok=True)
        (tmp_path / f"from/how2sign_realigned_{split}.csv").write_text(header + rows)
        if split != "test":
            persons = list(made.people(4, 1, 137))
            folder = tmp_path / f"from/{split}/openpose_output/json/{name}"
            made.write_openpose(folder, name, dict(enumerate(persons)))
    assert "--size 1280x720 --fps 24" in recognise(tmp_path / "from").about[0]
    done = import_keypoints("h", tmp_path / "from", tmp_path / "out", tmp_path / "from", Given(24, 1280, 720))
    found = done.videos[["video_id", "split", "text", "status", "frames", "signer"]].to_numpy().tolist()
    assert found == [
        [names["train"], "train", "Text of train.", "ok", 4, "5"],
        [names["val"], "dev", "Text of val.", "ok", 4, "1"],
        [names["test"], "test", "Text of test.", "missing", 0, "1"],
    ]


def test_keypoints_of_a_film_are_cut_and_those_of_a_clip_are_not(tmp_path):
    (tmp_path / "corpus").mkdir()
    rows = [
        (f"1nFdgokPwBw-00:00:0{s}.000-00:00:0{s + 1}.000", f"00:00:0{s}.000", f"00:00:0{s + 1}.000") for s in (1, 2)
    ]
    lines = ["\t".join(openasl.COLUMNS)]
    lines += ["\t".join((vid, vid[:11], start, end, "NA", "na", "", "train")) for vid, start, end in rows]
    (tmp_path / "corpus/openasl-v1.0.tsv").write_text("\n".join(lines))
    (tmp_path / "corpus/bbox-v1.0.json").write_text(json.dumps({rows[1][0]: [0, 0, 0.5, 1]}))
    pose(tmp_path / "from", f"{rows[0][0].replace(':', '_')}.pose", 10)
    pose(tmp_path / "from", "1nFdgokPwBw.pose", 80)
    done = import_keypoints("o", tmp_path / "from", tmp_path / "out", tmp_path / "corpus")
    assert done.videos[["video_id", "status", "frames", "text"]].to_numpy().tolist() == [
        [rows[0][0], "ok", 10, "NA"],
        [rows[1][0], "ok", 25, "NA"],
    ]
    assert done.videos["bbox"].tolist() == ["", "0,0,320,480"]


@pytest.mark.real
def test_real_sentences_of_the_dgs_corpus_get_their_texts(shared, tmp_path):
    """Ten sentences, whose texts lie beside them as JSON; against pose-format and that JSON."""
    folder = shared / "data/formats/dgs_sentences"
    said = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}
    rows = [
        {
            "path": name, "text": one["sentence"]["english"], "text_original": one["sentence"]["german"],
            "signer": one["document_id"],
        }
        for name, one in said.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "texts.csv", index=False)
    done = import_keypoints("dgs", folder, tmp_path / "out", tmp_path / "texts.csv")
    videos = done.videos.set_index("video_id")
    assert len(videos) == 10
    assert done.unused == 0
    assert (videos["status"] == "ok").all(), videos["detail"].tolist()
    for name, one in said.items():
        whole = Pose.read((folder / f"{name}.pose").read_bytes())
        assert videos.loc[name, "frames"] == len(whole.body.data)
        assert videos.loc[name, "fps"] == pytest.approx(whole.body.fps)
        assert videos.loc[name, "text_original"] == " ".join(one["sentence"]["german"].split())
