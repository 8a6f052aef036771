"""YouTube-ASL and YouTube-SL-25: lists of films, most of which nobody can download any more."""

from pathlib import Path

import pytest
from helpers.films import film

from seds.add.recognise import recognise
from seds.config import ConfigError, Dataset
from seds.corpora import prepare
from seds.corpora.readers import youtube_sl
from seds.tables import TableError

VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\n{}\n\n00:01.000 --> 00:02.000\n[music]\n"
IDS = ("-aaaaaaaaaa", "_bbbbbbbbbb", "ccccccccccc", "ddddddddddd")


def fill(root: Path) -> None:
    for i, name in enumerate(IDS[:3]):
        film(root / f"videos/{name}.mp4", shade=i)
    (root / "subtitles").mkdir()
    for name in IDS[:2]:
        (root / f"subtitles/{name}.en.vtt").write_text(VTT.format(f"Text of {name}."))
    (root / f"subtitles/{IDS[1]}.de.vtt").write_text(VTT.format("Deutsch."))
    (root / "subtitles/eeeeeeeeeee.en.vtt").write_text(VTT.format("Not listed."))


def test_every_listed_film_is_in_the_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fill(tmp_path)
    (tmp_path / "youtube_asl_video_ids.txt").write_text("\n".join(IDS) + "\n")
    found = recognise(tmp_path)
    assert found.kind == "youtube_sl"
    videos = prepare.prepare("x", Dataset.model_validate(found.entry), tmp_path).set_index("video_id")
    cuts = [f"videos/{name} 0.000-1.000" for name in IDS[:2]]
    assert videos["status"].to_dict() == {cuts[0]: "ok", cuts[1]: "ok", IDS[2]: "refused", IDS[3]: "missing"}
    assert videos.loc[cuts[1], "text"] == "Text of _bbbbbbbbbb."
    assert "has no subtitles that are read" in videos.loc[IDS[2], "detail"]
    assert "1 subtitle files are of no listed film" in caplog.text


def test_films_of_one_sign_language_are_read(tmp_path: Path) -> None:
    fill(tmp_path)
    languages = ("ase", "gsg", "???", "ase")
    content = "".join(f"{name},{language}\r\n" for name, language in zip(IDS, languages, strict=True))
    (tmp_path / "youtube-sl-25-metadata.csv").write_bytes(content.encode())
    everything = youtube_sl.read_annotations(tmp_path, Dataset(corpus="youtube_sl"))
    assert len(everything) == 4
    german = youtube_sl.read_annotations(tmp_path, Dataset(corpus="youtube_sl", sign_language="gsg"))
    assert german["text"].tolist() == ["Text of _bbbbbbbbbb."]
    with pytest.raises(ConfigError, match=r"sign_language 'bfi': .* has \?\?\?, ase, gsg"):
        youtube_sl.read_annotations(tmp_path, Dataset(corpus="youtube_sl", sign_language="bfi"))


@pytest.mark.parametrize("content", ["a,ase\n../x,ase\n", "a,ase\nb\n", "\0"])
def test_list_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "youtube-sl-25-metadata.csv").write_text(content)
    with pytest.raises(TableError, match=r"youtube-sl-25-metadata\.csv"):
        youtube_sl.read_annotations(tmp_path, Dataset(corpus="youtube_sl"))
