"""Corpora of single signs: each in its official layout, with the traps that its users met."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.films import film, write_uneven

from seds.add.recognise import recognise
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.readers import reader, single_signs
from seds.tables import TableError


def write(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def prepared(corpus: str, root: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The videos and signs of a corpus, which `seds add` recognises."""
    found = recognise(root)
    assert (found.kind, found.corpus) == (corpus, corpus)
    videos, signs, _ = prepare.prepare_with_signs("x", Dataset.model_validate(found.entry), root)
    return videos, signs


def problems(corpus: str, root: Path) -> list[str]:
    return reader(corpus)(root, Dataset(corpus=corpus))["problem"].tolist()


HEADER = "Participant ID,Video file,Gloss,ASL-LEX Code\n"


@pytest.mark.parametrize("top", ["", "ASL_Citizen/"])
def test_asl_citizen_takes_glosses_from_its_tables(tmp_path: Path, top: str) -> None:
    odd = "4.7299129501965353e-7-seedSOUR.mp4"
    rows = {
        "train": f"P1,{odd},SOUR1,A_1\nP46,2-DOG.mp4,DOG1,A_2\n",
        "val": "P2,gone.mp4,NA,A_3\n",
        "test": "P3,4.mp4\n",
    }
    for split, lines in rows.items():
        write(tmp_path / f"{top}splits/{split}.csv", HEADER + lines)
    film(tmp_path / top / "videos" / odd)
    film(tmp_path / top / "videos/2-DOG.mp4", shade=1)
    videos, signs = prepared("asl_citizen", tmp_path)
    assert videos["video_id"].tolist() == [odd.removesuffix(".mp4"), "2-DOG", "gone", "4"]
    assert videos["status"].tolist() == ["ok", "ok", "missing", "refused"]
    assert videos[["split", "signer", "text"]].to_numpy().tolist()[:3] == [
        ["train", "P1", "SOUR1"],
        ["train", "P46", "DOG1"],
        ["dev", "P2", "NA"],
    ]
    assert signs[["label", "start_s", "end_s", "source"]].to_numpy().tolist() == [
        ["SOUR1", 0, 1.2, "dictionary"],
        ["DOG1", 0, 1.2, "dictionary"],
    ]


def instance(video_id: object, **more: object) -> dict:
    given = {"frame_start": 1, "frame_end": -1, "split": "train", "url": "http://signs.org/a.swf", "signer_id": 7}
    return {"video_id": video_id, "bbox": [9, 9, 999, 999], "fps": 25, **given, **more}


def wlasl(root: Path, *instances: object, gloss: object = "book") -> Path:
    write(root / "WLASL_v0.3.json", [{"gloss": gloss, "instances": list(instances)}])
    return root


def test_wlasl_counts_frames_from_one_at_25_a_second(tmp_path: Path) -> None:
    film(tmp_path / "videos/00295.mp4", frames=20, fps=10)
    film(tmp_path / "videos/69241.mp4", frames=20, fps=10, shade=1)
    later = instance("69241", frame_start=11, frame_end=35, split="val")
    wlasl(tmp_path, instance("00295"), later, instance("1", split="test"))
    videos, signs = prepared("wlasl", tmp_path)
    assert videos["video_id"].tolist() == ["00295", "69241", "1"]
    assert videos[["start_s", "end_s"]].fillna(-1).to_numpy().tolist() == [[-1, -1], [0.4, 1.4], [-1, -1]]
    assert videos["split"].tolist() == ["train", "dev", "test"]
    assert videos["status"].tolist() == ["ok", "ok", "missing"]
    assert set(videos["bbox"]) == {""}
    assert signs[["label", "start_s", "end_s"]].round(6).to_numpy().tolist() == [["book", 0, 2], ["book", 0, 1]]


@pytest.mark.parametrize(("frames", "times"), [(10, [-1, -1]), (40, [2.0, 3.0])])
def test_wlasl_films_from_youtube_may_be_cut_already(tmp_path: Path, frames: int, times: list[float]) -> None:
    film(tmp_path / "videos/1.mp4", frames=frames)
    url = "https://www.youtube.com/watch?v=Zs7-Z_Zs7Zs"
    wlasl(tmp_path, instance("1", frame_start=51, frame_end=75, url=url))
    row = reader("wlasl")(tmp_path, Dataset(corpus="wlasl")).iloc[0]
    assert row[["start_s", "end_s"]].fillna(-1).tolist() == times


def test_wlasl_reads_raw_films_by_their_address(tmp_path: Path) -> None:
    film(tmp_path / "raw_videos_mp4/Zs7-Z_Zs7Zs.mp4")
    for number, url in enumerate(("https://youtu.be/Zs7-Z_Zs7Zs?t=3", "www.youtube.com/watch?a=1&v=Zs7-Z_Zs7Zs")):
        wlasl(tmp_path, instance(str(number), frame_start=6, frame_end=25, url=url))
        row = reader("wlasl")(tmp_path, Dataset(corpus="wlasl")).iloc[0]
        assert row["path"] == f"{tmp_path}/raw_videos_mp4/Zs7-Z_Zs7Zs.mp4"
        assert row[["start_s", "end_s"]].tolist() == [0.2, 1.0]


def test_wlasl_rows_that_make_no_sense_are_listed(tmp_path: Path) -> None:
    odd = [
        instance("../../etc/passwd"), instance("a", frame_start="x"), 7, instance(None), instance("b", split="later"),
        instance("c", frame_start=30, frame_end=20), instance("d", frame_start=float("inf")), instance(["e"]),
    ]  # fmt: skip
    wlasl(tmp_path, *odd, instance("sound"))
    found = problems("wlasl", tmp_path)
    assert all(found[:-1])
    assert len(found) == 9
    assert found[-1] == ""
    assert "entry 0, instance 1: expected a number as frame_start, got 'x'" in found[1]
    assert problems("wlasl", wlasl(tmp_path, instance("a"), gloss="")) == [
        f"{tmp_path}/WLASL_v0.3.json: entry 0, instance 0: names no sign"
    ]


@pytest.mark.parametrize("content", ["[", "{}", "[" * 100_000, "\0", '[{"gloss": "\\ud800", "instances": 3}]'])
def test_wlasl_that_is_no_json_is_named(tmp_path: Path, content: str) -> None:
    write(tmp_path / "WLASL_v0.3.json", content)
    if "gloss" in content:
        assert problems("wlasl", tmp_path) == [
            f"{tmp_path}/WLASL_v0.3.json: entry 0: expected a gloss and its instances"
        ]
    else:
        with pytest.raises(TableError, match=r"WLASL_v0\.3\.json"):
            problems("wlasl", tmp_path)


def test_ms_asl_is_cut_from_films_by_seconds(tmp_path: Path) -> None:
    entry = {
        "org_text": "Beer", "clean_text": "beer", "text": "beer!", "label": 805, "signer_id": 3, "start": 10, "end": 40,
        "start_time": 0.25, "end_time": 1.5, "fps": 29.97, "url": "www.youtube.com/watch?v=Zs7-Z_Zs7Zs",
        "box": [0.0, 0.25, 1.0, 0.75], "width": 640.0, "height": 360.0,
    }  # fmt: skip
    odd = [{**entry, "url": "http://x.org"}, {**entry, "start_time": None}, {**entry, "box": [1, 2]}, "x"]
    for split in ("train", "val", "test"):
        write(tmp_path / f"MS-ASL/MSASL_{split}.json", [entry, *odd] if split == "train" else [entry])
    film(tmp_path / "films/Zs7-Z_Zs7Zs.mp4", frames=20, width=64, height=48)
    videos, signs = prepared("ms_asl", tmp_path)
    assert videos["status"].tolist() == ["ok", *["refused"] * 4, "duplicate", "duplicate"]
    row = videos.iloc[0]
    assert row[["video_id", "start_s", "end_s", "text", "signer", "bbox"]].tolist() == [
        "Zs7-Z_Zs7Zs 0.25-1.5", 0.25, 1.5, "beer", "3", "16,0,48,48",
    ]  # fmt: skip
    assert signs[["label", "start_s", "end_s"]].to_numpy().tolist() == [["beer", 0, 1.25]]


def test_sem_lex_keeps_labels_as_they_stand(tmp_path: Path) -> None:
    lines = [
        ",video_id,split,label,label_type,signer_id", '0,M1,train,"a, b c",freetext,9', "1,M2,val,na,asllex,8",
        "2,M1,train,dog,asllex,9", "3,gone,test,cat_1,asllex,7", "4,,test,x,asllex,7",
    ]  # fmt: skip
    write(tmp_path / "semlex_metadata.csv", "\n".join(lines))
    grey = [np.full((48, 64, 3), 10 * level, np.uint8) for level in range(15)]
    for name in ("train/train-videos/M1.webm", "val/M2.webm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        times = [level / 30 for level in range(15)]
        write_uneven(tmp_path / name, grey[:: 1 if "M1" in name else -1], times, "libvpx", rate=1000)
    videos, signs = prepared("sem_lex", tmp_path)
    assert videos["status"].tolist() == ["ok", "ok", "duplicate", "missing", "refused"]
    assert videos[["split", "signer"]].to_numpy().tolist()[:2] == [["train", "9"], ["dev", "8"]]
    assert signs["label"].tolist() == ["a, b c", "na"]
    assert videos["fps"].tolist()[:2] == pytest.approx([30, 30], rel=0.01)  # the files claim 1,000
    assert videos["text"].tolist()[3] == "cat 1"


def test_row_says_what_it_lacks() -> None:
    def problem(**given: object) -> str:
        return single_signs.row("v", "train", "A", Path("v.mp4"), at="f:1", **given)["problem"]  # type: ignore[arg-type]

    assert problem() == ""
    assert problem(start_s=2, end_s=1) == "f:1: begins at 2 s, but ends at 1 s"
    assert problem(problem="f:1: odd") == "f:1: odd"


def test_no_name_leads_out_of_a_corpus(tmp_path: Path) -> None:
    root, out = tmp_path / "corpus", "../../outside.mp4"
    film(tmp_path / "outside.mp4")
    for split in ("train", "val", "test"):
        write(root / f"citizen/splits/{split}.csv", f"{HEADER}P1,{out},DOG,A\n")
        address = "www.youtube.com/watch?v=../../etc/p"
        write(root / f"ms/MSASL_{split}.json", [{"url": address, "text": "a", "start_time": 0, "end_time": 1}])
    write(root / "lex/semlex_metadata.csv", f"video_id,label,split\n{out},dog,train\n/etc/passwd,dog,train\n")
    wlasl(root / "w", instance("../../outside"), instance("/etc/passwd"))
    for corpus, folder in (("asl_citizen", "citizen"), ("ms_asl", "ms"), ("sem_lex", "lex"), ("wlasl", "w")):
        videos = prepare.prepare("x", Dataset(corpus=corpus), root / folder)
        assert set(videos["status"]) <= {"refused", "missing", "duplicate"}, corpus
        assert all(str(path).startswith(f"{root}/") for path in videos.loc[videos["status"] == "missing", "path"])
