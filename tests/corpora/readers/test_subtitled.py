"""Long videos with subtitles: which file belongs to which video, and which cues become sentences."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from helpers.films import film
from helpers.logs import logged

from seds import tables
from seds.config import ConfigError, Dataset
from seds.corpora import prepare
from seds.corpora.readers import subtitled

Cue = tuple[str, str, str]


def vtt(*cues: Cue) -> str:
    return "WEBVTT\n\n" + "".join(f"{start} --> {end}\n{text}\n\n" for start, end, text in cues)


SHORT = vtt(("00:00.000", "00:01.000", "Rain falls."), ("00:01.000", "00:02.000", "Snow."))


def write(root: Path, **files: str) -> Path:
    """Files by their paths; empty ones whose names end as videos do are names alone."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    return root


def read(root: Path, **options: object) -> pd.DataFrame:
    table = subtitled.read_annotations(root, Dataset(corpus="subtitled", **options))  # type: ignore[arg-type]
    return tables.check(table, tables.ANNOTATIONS, root)


def cuts(table: pd.DataFrame) -> list[tuple[str, float, float]]:
    return list(table[["text", "start_s", "end_s"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("video", "subtitles", "language"),
    [
        ("talk.mp4", "talk.vtt", "en"),
        ("talk.MOV", "talk.SRT", "en"),
        ("talk.mp4", "talk.en.vtt", "en"),
        ("talk.mp4", "talk.de.vtt", "de"),
        ("talk.mp4", "talk.pt-BR.vtt", "pt"),
        ("talk.mp4", "talk.ger.srt", "de"),
        ("talk.mp4", "talk_fr.srt", "fr"),
        ("talk.mp4", "talk.en.sdh.vtt", "en"),
        ("my talk.v2.mp4", "my talk.v2.vtt", "en"),
        ("-fZc293MpJk.mp4", "-fZc293MpJk.en.vtt", "en"),
        ("videos/x.webm", "subtitles/x.en.vtt", "en"),
        ("a/b/videos/x.mkv", "c/x.vtt", "en"),
        ("videos/512.mp4", "subtitles/512/signhd.vtt", "en"),
    ],
)
def test_subtitles_find_their_video(tmp_path: Path, video: str, subtitles: str, language: str) -> None:
    table = read(write(tmp_path, **{video: "", subtitles: SHORT}))
    assert table["path"].tolist() == [f"{tmp_path}/{video}"] * 2
    name = video.rpartition(".")[0]
    assert table["video_id"].tolist() == [f"{name} 0.000-1.000", f"{name} 1.000-2.000"]
    assert cuts(table) == [("Rain falls.", 0.0, 1.0), ("Snow.", 1.0, 2.0)]
    assert set(table["language"]) == {language}
    assert (table["problem"] == "").all()


def test_video_in_the_same_folder_comes_first(tmp_path: Path) -> None:
    files = {f"{folder}/{name}": text for folder in "ab" for name, text in (("x.mp4", ""), ("x.vtt", SHORT))}
    assert sorted(set(read(write(tmp_path, **files))["path"])) == [f"{tmp_path}/a/x.mp4", f"{tmp_path}/b/x.mp4"]


def test_subtitles_without_a_video_say_where_it_was_expected(tmp_path: Path) -> None:
    write(tmp_path, **{"gone.en.vtt": SHORT, "x/a.mp4": "", "y/a.mp4": "", "z/a.vtt": SHORT})
    videos = prepare.prepare("mine", Dataset(corpus="subtitled"), tmp_path)
    assert videos["status"].tolist() == ["missing"] * 4
    assert videos["detail"].tolist()[::2] == [f"{tmp_path}/{name}: no such file" for name in ("gone.mp4", "z/a.mp4")]


def test_one_language_and_one_file_of_a_video_are_read(tmp_path: Path) -> None:
    german = SHORT.replace("Rain falls", "Regen")
    files = {"a.mp4": "", "a.de.vtt": german, "a.en.vtt": SHORT, "a.en.srt": SHORT, "b.mp4": "", "b.de.vtt": german}
    write(tmp_path, **files, **{"c.mp4": ""})
    with logged() as messages:
        assert set(read(tmp_path)["video_id"].str[0]) == {"a"}
    assert "in 'de', not 'en': 2" in "\n".join(messages)
    assert "another file of that video is read: 1" in "\n".join(messages)
    assert "2 of 3 videos have no subtitles, such as b.mp4" in "\n".join(messages)
    table = read(tmp_path, language="de")
    assert table["text"].tolist() == ["Regen.", "Snow."] * 2
    assert set(table["language"]) == {"de"}


def test_offset_moves_cues_but_not_before_the_start(tmp_path: Path) -> None:
    root = write(tmp_path, **{"a.mp4": "", "a.vtt": SHORT})
    assert cuts(read(root, offset_s=2.5)) == [("Rain falls.", 2.5, 3.5), ("Snow.", 3.5, 4.5)]
    table = read(root, offset_s=-1.5)
    assert cuts(table[1:]) == [("Snow.", 0.0, 0.5)]
    assert table["problem"][0] == f"{tmp_path}/a.vtt:3: ends at -0.5 s, before its video begins"


def test_cues_that_continue_a_sentence_are_joined(tmp_path: Path) -> None:
    cues = [
        ("00:00.000", "00:01.000", "I was at the..."),
        ("00:01.200", "00:02.000", "...station when the train"),
        ("00:02.000", "00:03.000", "left."),
        ("00:03.000", "00:04.000", "It was late,"),
        ("00:06.000", "00:07.000", "and cold…"),
        ("00:07.500", "00:08.000", 'She said: "No."'),
        ("00:08.000", "00:09.000", "Fine"),
    ]
    root = write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)})
    assert cuts(read(root, join_s=0.5)) == [
        ("I was at the station when the train left.", 0.0, 3.0),
        ("It was late,", 3.0, 4.0),
        ('and cold She said: "No."', 6.0, 8.0),
        ("Fine", 8.0, 9.0),
    ]
    assert len(read(root, join_s=0.0)) == 6
    assert cuts(read(root, join_s=0.5, longest_s=2.0))[0] == ("I was at the station when the train", 0.0, 2.0)
    assert len(read(root)) == 7


def test_file_without_punctuation_is_not_one_sentence(tmp_path: Path) -> None:
    cues = [(f"00:{i:02d}.000", f"00:{i + 1:02d}.000", f"word{i}") for i in range(59)]
    table = read(write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)}), join_s=1.0)
    assert (table["end_s"] - table["start_s"]).tolist() == [30.0, 29.0]


@pytest.mark.parametrize(
    "text",
    ["[music]", "(applause)", "♪ la la ♪", "[Music] (laughs)", "- [sighs]", "...", "♪", "（拍手）", "&nbsp;", ""],
)
def test_what_is_no_signing_is_left_out_and_counted(tmp_path: Path, text: str) -> None:
    cues = [
        ("00:00.000", "00:01.000", text),
        ("00:01.000", "00:02.000", "(He nods) Yes [sic]"),
        ("00:02.000", "00:03.000", "Yes."),
    ]
    with logged() as messages:
        table = read(write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)}))
    assert table["text"].tolist() == ["(He nods) Yes [sic]", "Yes."]
    assert "cues: 1 of 3 left out" in "\n".join(messages)
    assert f"{tmp_path}/a.vtt:3" in "\n".join(messages)


def test_what_is_no_signing_may_be_said(tmp_path: Path) -> None:
    cues = [
        ("00:00.000", "00:01.000", "[voice-over] Hello."),
        ("00:01.000", "00:02.000", "[music]"),
        ("00:02.000", "00:03.000", "Yes."),
    ]
    root = write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)})
    assert read(root, unsigned=r"\[voice-over\].*")["text"].tolist() == ["[music]", "Yes."]
    with pytest.raises(ConfigError, match=r"unsigned '\(' is no regular expression"):
        read(root, unsigned="(")


def test_cuts_of_an_unwanted_length_are_left_out(tmp_path: Path) -> None:
    cues = [("00:00.000", "00:00.300", "Oh."), ("00:01.000", "00:02.000", "Yes."), ("00:02.000", "00:40.000", "Long.")]
    root = write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)})
    with logged() as messages:
        assert read(root, shortest_s=0.5, longest_s=20.0)["text"].tolist() == ["Yes."]
    assert "shorter than 0.5 s: 1" in "\n".join(messages)
    assert "longer than 20 s: 1" in "\n".join(messages)


def test_overlapping_cues_stay_and_simultaneous_ones_are_one(tmp_path: Path) -> None:
    cues = [
        ("00:00.000", "00:02.000", "One."),
        ("00:01.000", "00:03.000", "Two."),
        ("00:01.000", "00:03.000", "Three."),
        ("00:01.000", "00:03.000", "Three."),
    ]
    table = read(write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)}))
    assert cuts(table) == [("One.", 0.0, 2.0), ("Two. Three.", 1.0, 3.0)]


def test_cue_that_makes_no_sense_costs_only_itself(tmp_path: Path) -> None:
    cues = [
        ("00:01.000", "00:01.000", "No length."),
        ("00:03.000", "00:02.000", "Backwards."),
        ("soon", "00:02.000", "Never."),
        ("00:04.000", "00:05.000", "Fine."),
    ]
    files = {"a.mp4": "", "a.vtt": vtt(*cues), "b.mp4": "", "b.ttml": "<tt>", "c.mp4": "", "c.srt": ""}
    root = write(tmp_path, **files)
    os.mkfifo(root / "d.srt")
    with logged() as messages:
        table = read(root)
    assert f"no cues: 1\n    {tmp_path}/c.srt" in "\n".join(messages)
    problems = sorted(problem for problem in table["problem"] if problem)
    assert problems[:3] == [
        f"{tmp_path}/a.vtt:3: begins at 1 s, but ends at 1 s",
        f"{tmp_path}/a.vtt:6: begins at 3 s, but ends at 2 s",
        f"{tmp_path}/a.vtt:9: expected two times, got 'soon --> 00:02.000'",
    ]
    assert problems[3].startswith(f"{tmp_path}/b.ttml:1: is not well-formed XML")
    assert len(problems) == 4
    assert table.loc[table["problem"] == "", "text"].tolist() == ["Fine."]
    assert table["video_id"].is_unique


def test_folders_named_as_splits_are_the_splits(tmp_path: Path) -> None:
    files = {
        f"{split}/{name}": text
        for split in ("train", "val", "test")
        for name, text in (("a.mp4", ""), ("a.vtt", SHORT))
    }
    table = read(write(tmp_path, **files))
    assert table.groupby("split")["path"].unique().map(list).to_dict() == {
        "dev": [f"{tmp_path}/val/a.mp4"],
        "test": [f"{tmp_path}/test/a.mp4"],
        "train": [f"{tmp_path}/train/a.mp4"],
    }


def test_splits_that_are_drawn_keep_the_cuts_of_a_video_together(tmp_path: Path) -> None:
    for i in range(40):
        cues = [("00:00.000", "00:01.000", f"Sentence {i}."), ("00:01.000", "00:02.000", f"Another {i}.")]
        write(tmp_path, **{f"{i}.mp4": "", f"{i}.vtt": vtt(*cues)})
    with logged() as messages:
        table = read(tmp_path)
    assert (table.groupby("path")["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "dev", "test"}
    assert "chosen by sentence and video or signer" in "\n".join(messages)


def test_corpus_of_films_is_prepared(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "train", "dev", "test")):
        film(tmp_path / split / f"{i}.mp4", frames=30, shade=i)
        text = [("00:00.000", "00:01.500", f"Sentence {i}."), ("00:01.500", "00:03.000", f"More of {i}.")]
        write(tmp_path, **{f"{split}/{i}.vtt": vtt(*text)})
    videos = prepare.prepare("mine", Dataset(corpus="subtitled"), tmp_path)
    assert (videos["status"] == "ok").all()
    assert prepare.lacking(videos) == []
    assert videos["frames"].tolist() == [30] * 8


def test_names_that_are_no_utf8_are_rows_with_a_problem(tmp_path: Path) -> None:
    write(tmp_path, **{"talk.mp4": "", "talk.srt": SHORT})
    for name in (b"caf\xe9.mp4", b"caf\xe9.vtt", b"alone\xff.vtt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(SHORT)
    videos = prepare.prepare("mine", Dataset(corpus="subtitled"), tmp_path).set_index("video_id")
    odd = videos[videos["path"].str.contains(r"\\x")]
    assert len(odd) == 4
    assert odd["status"].unique() == ["refused"]
    assert videos.loc[r"caf\xe9 0.000-1.000", "detail"] == (
        rf"{tmp_path}/caf\xe9.mp4: the name is no UTF-8, so no table can hold it; rename the file"
    )


def test_folder_without_subtitles_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(tables.TableError, match=r"expected subtitles \(\.vtt, .* found none"):
        read(write(tmp_path, **{"a.mp4": ""}))


def test_youtube_s_own_subtitles_are_read(tmp_path: Path) -> None:
    events = [{"tStartMs": 500, "dDurationMs": 1000, "segs": [{"utf8": "Hi there."}]}]
    table = read(write(tmp_path, **{"a.mp4": "", "a.en.json3": json.dumps({"events": events})}))
    assert cuts(table) == [("Hi there.", 0.5, 1.5)]


@pytest.mark.slow
def test_a_hundred_thousand_cues_are_read(tmp_path: Path) -> None:
    def time(ms: int) -> str:
        return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"

    cues = [(time(i * 2000), time(i * 2000 + 1500), f"Cue number {i}.") for i in range(100_000)]
    table = read(write(tmp_path, **{"a.mp4": "", "a.vtt": vtt(*cues)}))
    assert len(table) == 100_000
    assert cuts(table.tail(1)) == [("Cue number 99999.", 199_998.0, 199_999.5)]
