"""OpenASL: clips whose names have colons, films and boxes in shares, and texts without quoting."""

import json
from pathlib import Path

import pytest
from helpers.films import film

from seds.add.recognise import recognise
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.readers import openasl

OPENASL = Dataset(corpus="openasl")
VID = "1nFdgokPwBw-00:00:14.100-00:00:17.266"


def write(root: Path, *rows: tuple[str, ...]) -> Path:
    (root / "data").mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(openasl.COLUMNS), *map("\t".join, rows)]
    (root / "data/openasl-v1.0.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def row(vid: str, start: str, end: str, text: str = 'He said "no', split: str = "train") -> tuple[str, ...]:
    return vid, vid[:11], start, end, text, text.lower(), "", split


@pytest.mark.parametrize("name", [VID, VID.replace(":", "_"), VID.replace(":", "-"), VID.replace(":", "")])
def test_clip_is_found_whatever_stands_for_its_colons(tmp_path: Path, name: str) -> None:
    film(tmp_path / f"clips/{name}.mp4")
    write(tmp_path, row(VID, "00:00:14.100", "00:00:17.266"))
    (tmp_path / "data/bbox-v1.0.json").write_text(json.dumps({VID: [0, 0, 0.5, 1]}))
    (found,) = openasl.read_annotations(tmp_path, OPENASL).itertuples()
    assert (found.video_id, found.path, found.bbox) == (VID, f"{tmp_path}/clips/{name}.mp4", "")
    assert found.start_s != found.start_s
    assert found.text == 'He said "no'


def test_films_are_cut_and_boxed(tmp_path: Path) -> None:
    film(tmp_path / "raw-video/1nFdgokPwBw.mp4", frames=20)
    texts = [("00:00:00.500", "00:00:01.250", "NA", "train"), ("00:00:00.100", "00:00:00.500", "x", "valid")]
    rows = [row(f"1nFdgokPwBw-{start}-{end}", start, end, text, split) for start, end, text, split in texts]
    odd = [
        row("1nFdgokPwBw-a", "14", "17"), row("1nFdgokPwBw-b", "00:00:02.000", "00:00:01.000"),
        row("1nFdgokPwBw-c", "00:00:00.000", "00:00:01.000", split="later"), ("short",),
        row("gone_______-d", "00:00:00.000", "00:00:01.000", split="test"),
    ]  # fmt: skip
    write(tmp_path, *rows, *odd)
    boxes = {rows[0][0]: [0.25, -0.01, 0.75, 1.02], odd[4][0]: [0.5, 0, 0.4, 1]}
    (tmp_path / "data/bbox-v1.0.json").write_text(json.dumps(boxes))
    found = recognise(tmp_path)
    assert found.kind == "openasl"
    videos = prepare.prepare("x", Dataset.model_validate(found.entry), tmp_path)
    assert videos["status"].tolist() == ["ok", "ok", *["refused"] * 5]
    assert videos[["start_s", "end_s", "text", "split", "bbox"]].to_numpy().tolist()[:2] == [
        [0.5, 1.25, "NA", "train", "16,0,48,48"],
        [0.1, 0.5, "x", "dev", ""],
    ]
    assert "expected start and end of a cut, got '14' and '17'" in videos["detail"][2]
    assert "expected a box" in videos["detail"][6]
