"""ELAN files as a corpus: which tiers are sentences and signs, and where their videos are."""

import os
from pathlib import Path

import pandas as pd
import pytest
from helpers.elan import aligned, by_hand, medium, refers, tier, write
from helpers.films import film
from helpers.logs import logged

from seds import tables
from seds.config import ConfigError, Dataset, Participant
from seds.corpora import prepare
from seds.corpora.readers import elan
from seds.corpora.readers.elan_tiers import likeliest
from seds.tables import TableError

SENTENCES = [(1000, 3000, "Rain falls today."), (3000, 6000, "Snow is cold.")]
SIGNS = [(1000, 1500, "RAIN"), (1600, 2900, "FALL"), (3100, 4000, "SNOW")]


def read(root: Path, **options: object) -> pd.DataFrame:
    table = elan.read_annotations(root, Dataset(corpus="elan", **options))  # type: ignore[arg-type]
    return tables.check(table, tables.ANNOTATIONS, root)


def signs(root: Path, **options: object) -> pd.DataFrame:
    return elan.read_signs(root, Dataset(corpus="elan", **options))  # type: ignore[arg-type]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_sentences_are_cuts_of_the_video(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    write(
        tmp_path / "a.eaf",
        {"Translation": SENTENCES, "Gloss": SIGNS},
        {"./a.mp4": "file:///C:/a.mp4"},
        Translation="s001",
    )
    table = read(tmp_path, sentence_tiers="Translation")
    assert table["video_id"].tolist() == ["a a2", "a a3"]
    assert table["text"].tolist() == [text for _, _, text in SENTENCES]
    assert table[["start_s", "end_s"]].to_numpy().tolist() == [[1.0, 3.0], [3.0, 6.0]]
    assert set(table["path"]) == {f"{tmp_path}/a.mp4"}
    assert set(table["signer"]) == {"s001"}
    assert set(table["language"]) == {"en"}
    assert (table["problem"] == "").all()


@pytest.mark.parametrize("tiers", ["Trans*", ["Trans*"], ["Trans[1]_A", "Trans[1]_B"], "Trans[1]*", "*_?"])
def test_tiers_are_named_exactly_or_by_pattern(tmp_path: Path, tiers: str | list[str]) -> None:
    """A name may hold what stands for something in a pattern."""
    write(tmp_path / "a.eaf", {"Trans[1]_A": SENTENCES, "Trans[1]_B": SENTENCES, "Gloss": SIGNS}, {})
    if tiers == "Trans[1]*":  # here [1] is the character 1
        with pytest.raises(TableError, match=r"sentence_tiers: no tier is called 'Trans\[1\]\*'"):
            read(tmp_path, sentence_tiers=tiers)
    else:
        assert len(read(tmp_path, sentence_tiers=tiers)) == 4


def test_tiers_are_listed_and_the_likeliest_proposed(tmp_path: Path) -> None:
    for name in "ab":
        tiers = {
            "Deutsche_Übersetzung_A": [(0, 1000, "Hier sollte das auch langsam wachsen, ja.")],
            "Translation_into_English_A": [(0, 1000, "Here it should grow slowly.")],
            "Translation_into_English_B": [(2000, 3000, "I see, very well.")],
            "Lexem_Gebärde_r_A": SIGNS,
            "Mundbild_A": [(0, 500, "wachsen")],
            "empty": [],
        }
        write(tmp_path / f"{name}.eaf", tiers, {})  # type: ignore[arg-type]
    with pytest.raises(TableError) as error:
        read(tmp_path)
    message = str(error.value)
    assert "Lexem_Gebärde_r_A: 6 annotations in 2 files, such as RAIN; FALL; SNOW" in message
    assert "empty: 0 annotations in 2 files" in message
    assert 'sentence_tiers: ["Translation_into_English_A", "Translation_into_English_B"]' in message
    assert 'sign_tiers: ["Lexem_Gebärde_r_A"]' in message
    with pytest.raises(TableError, match=r"sign_tiers: no tier is called 'Glos'\. The tiers are"):
        read(tmp_path, sentence_tiers="Translation*", sign_tiers="Glos")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "sentences", "found"),
    [
        ("pympi_sample_3.0.eaf", ["text"], []),
        ("signbleu_weather_001.eaf", ["sentence"], ["both", "right"]),
        ("readelan_example.eaf", [], []),
    ],
)
def test_likeliest_tiers_of_real_files(shared: Path, tmp_path: Path, name: str, sentences: list, found: list) -> None:
    (tmp_path / name).symlink_to(shared / "data/formats" / name)
    assert likeliest(elan.all_tiers(tmp_path)) == (sentences, found)


@pytest.mark.real
def test_real_file_is_a_corpus(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "w.eaf").symlink_to(shared / "data/formats/signbleu_weather_001.eaf")
    touch(tmp_path, "NIA_SL_G1_COLDWAVE000019_1_TW07_F.mp4")
    options = {
        "sentence_tiers": "sentence",
        "sign_tiers": ["both", "left", "right"],
        "nonmanual_tiers": ["Ci", "EBf", "M*"],
    }
    table, found = read(tmp_path, **options), signs(tmp_path, **options)
    assert table["path"].tolist() == [f"{tmp_path}/NIA_SL_G1_COLDWAVE000019_1_TW07_F.mp4"]
    assert (found["problem"] == "").all()
    assert found["tier"].value_counts().to_dict() == {"manual": 10, "nonmanual": 4}
    assert found.loc[found["label"] == "tomorrow1", "start_s"].tolist() == [0.0]
    assert set(found.loc[found["tier"] == "nonmanual", "label"]) == {"Ci", "EBf", "Mo1"}


@pytest.mark.parametrize(
    ("file", "video", "header"),
    [
        ("eaf/a.eaf", "videos/x.mp4", medium("file:///C:/My%20Videos/x.mp4", "../videos/x.mp4")),
        ("eaf/a.eaf", "videos/x y.mp4", medium("", "..\\videos\\x%20y.mp4")),
        ("eaf/a.eaf", "videos/x.mp4", medium("", "file:///./../videos/x.mp4")),
        ("a.eaf", "x.mp4", medium("file:///D:/somewhere/x.mp4")),
        ("a.eaf", "deep/down/x.mp4", medium("file:///Users/me/x.mp4", "../../x.mp4")),
        ("a.eaf", "x.mp4", medium("file:///Users/me/x.mpg", "./x.mpg")),
        ("a.eaf", "a.mp4", medium("file:///Users/me/x.wav", "./x.wav", "audio/x-wav")),
        ("a.eaf", "a.mp4", medium("file:///Users/me/other.mp4")),
        ("eaf/a.eaf", "video/a.mp4", ""),
        ("a.eaf", "z.mp4", medium("file:///gone.mp4") + medium("file:///z.mp4")),
        ("a.eaf", "x.mp4", medium("http://example.org/v/x.mp4?download=1", "./x.mp4")),
    ],
)
def test_video_is_found(tmp_path: Path, file: str, video: str, header: str) -> None:
    touch(tmp_path, video)
    by_hand(tmp_path / file, {"s": 0, "t": 1000}, tier("x", aligned("a1", "s", "t", "Hello you.")), header)
    assert read(tmp_path, sentence_tiers="x")["path"].tolist() == [f"{tmp_path}/{video}"]


@pytest.mark.parametrize(
    ("link", "status", "detail"),
    [
        ("./gone.mp4", "missing", "{root}/gone.mp4: no such file"),
        ("", "missing", "{root}/b.mp4: no such file"),
        ("../../../../../../../../etc/passwd", "refused", "only files inside it are opened"),
        ("/etc/passwd", "missing", "passwd"),
        ("x\ny.mp4", "missing", "no such file"),
        ("y" * 5000, "missing", "name too long"),
        ("clips/../../secret.mp4", "refused", "only files inside it are opened"),
    ],
)
def test_missing_video_is_named_and_nothing_outside_opened(tmp_path: Path, link: str, status: str, detail: str) -> None:
    root = tmp_path / "corpus"
    touch(tmp_path, "secret.mp4")
    touch(root, "x/b.mp4", "y/b.mp4")
    header = medium("", link)
    by_hand(root / "b.eaf", {"s": 0, "t": 1000}, tier("x", aligned("a1", "s", "t", "Hello you.")), header)
    videos = prepare.prepare("mine", Dataset(corpus="elan", sentence_tiers="x"), root)
    assert videos["status"].tolist() == [status]
    assert detail.format(root=root).lower() in videos["detail"][0].lower()


def test_times_count_from_the_origin_of_the_video(tmp_path: Path) -> None:
    touch(tmp_path, "b.mp4")
    header = medium("", "./gone.mp4", origin_ms=9000) + medium("", "./b.mp4", origin_ms=2500)
    tiers = tier("x", aligned("a1", "s", "t", "Hello you.")) + tier("g", aligned("a2", "s", "t", "HELLO"))
    by_hand(tmp_path / "a.eaf", {"s": 1000, "t": 2000}, tiers, header)
    options = {"sentence_tiers": "x", "sign_tiers": "g"}
    assert read(tmp_path, **options)[["start_s", "end_s"]].to_numpy().tolist() == [[3.5, 4.5]]
    assert signs(tmp_path, **options)[["start_s", "end_s"]].to_numpy().tolist() == [[0.0, 1.0]]
    by_hand(tmp_path / "a.eaf", {"s": 1000, "t": 2000}, tiers, header.replace("2500", "-1500"))
    assert read(tmp_path, **options)[["start_s", "end_s"]].to_numpy().tolist() == [[0.0, 0.5]]
    assert signs(tmp_path, **options)[["start_s", "end_s"]].to_numpy().tolist() == [[0.0, 0.5]]


TWO = tier("T_A", aligned("a1", "s", "t", "I ask you."), PARTICIPANT="A") + tier(
    "T_B", aligned("b1", "s", "t", "I answer you.")
)


def test_participants_have_a_camera_each(tmp_path: Path) -> None:
    touch(tmp_path, "1_1a1.mp4", "1_1b1.mp4")
    header = medium("", "./1_1a1.mp4") + medium("", "./1_1b1.mp4", origin_ms=1000)
    by_hand(tmp_path / "1.eaf", {"s": 0, "t": 1000}, TWO, header)
    participants = {"A": Participant(media="*_1a1.mp4"), "B": Participant(media="*_1b1.mp4")}
    table = read(tmp_path, sentence_tiers="T_*", participants=participants)
    assert table[["path", "start_s", "signer"]].to_numpy().tolist() == [
        [f"{tmp_path}/1_1a1.mp4", 0.0, "1 A"],
        [f"{tmp_path}/1_1b1.mp4", 1.0, "1 B"],
    ]


def test_participants_have_a_box_each(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp4")
    by_hand(tmp_path / "1.eaf", {"s": 0, "t": 1000}, TWO)
    boxes = {"A": Participant(bbox="0,0,320,360"), "B": Participant(bbox="320,0,640,360")}
    with logged() as messages:
        table = read(tmp_path, sentence_tiers="T_*", participants=boxes)
    assert table["bbox"].tolist() == ["0,0,320,360", "320,0,640,360"]
    assert not any("share a video" in message for message in messages)
    with pytest.raises(ConfigError, match=r"participants\.A: bbox '1,2': expected four numbers"):
        read(tmp_path, sentence_tiers="T_*", participants={"A": Participant(bbox="1,2")})


def test_participants_in_one_picture_are_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp4")
    by_hand(tmp_path / "1.eaf", {"s": 0, "t": 1000}, TWO.replace('"T_B"', '"T_B" PARTICIPANT="B"'))
    with logged() as messages:
        read(tmp_path, sentence_tiers="T_*")
    assert any("in 1 files, several participants share a video" in message for message in messages)


def test_one_of_several_videos_may_be_chosen(tmp_path: Path) -> None:
    touch(tmp_path, "left.mp4", "front.mp4")
    header = medium("", "./left.mp4") + medium("", "./front.mp4", origin_ms=40)
    by_hand(tmp_path / "a.eaf", {"s": 0, "t": 1000}, tier("x", aligned("a1", "s", "t", "Hello you.")), header)
    assert read(tmp_path, sentence_tiers="x")["path"].tolist() == [f"{tmp_path}/left.mp4"]
    chosen = read(tmp_path, sentence_tiers="x", media="front*")
    assert chosen[["path", "start_s"]].to_numpy().tolist() == [[f"{tmp_path}/front.mp4", 0.04]]


def test_sentences_and_signs_may_refer_to_others(tmp_path: Path) -> None:
    """A translation that refers to a segment, and glosses that divide it."""
    tiers = tier("segment", aligned("a1", "s", "t")) + tier(
        "text", refers("a2", "a1", "Rain falls."), PARENT_REF="segment"
    )
    tiers += tier("gloss", refers("a3", "a1", "RAIN"), refers("a4", "a1", "FALL", "a3"), PARENT_REF="segment")
    by_hand(tmp_path / "a.eaf", {"s": 1000, "t": 2000}, tiers)
    table, found = read(tmp_path, sentence_tiers="text"), signs(tmp_path, sentence_tiers="text", sign_tiers="gloss")
    assert table[["video_id", "start_s", "end_s"]].to_numpy().tolist() == [["a a2", 1.0, 2.0]]
    assert found[["label", "start_s", "end_s"]].to_numpy().tolist() == [["RAIN", 0.0, 0.5], ["FALL", 0.5, 1.0]]


def test_signs_belong_to_the_sentence_of_their_participant(tmp_path: Path) -> None:
    tiers = tier("T_A", aligned("a1", "s0", "s2", "One."), PARTICIPANT="A")
    tiers += tier("T_B", aligned("b1", "s1", "s3", "Two."), PARTICIPANT="B")
    tiers += tier("G_A", aligned("x", "s1", "s2", "ONE"), aligned("y", "s2", "s3", "LATE"), PARTICIPANT="A")
    tiers += tier("G_B", aligned("z", "s1", "s2", "TWO"), aligned("e", "s1", "s2", " "), PARTICIPANT="B")
    tiers += tier("N", aligned("n", "s0", "s3", "shake"), aligned("o", "s0", "s4", "never"))
    by_hand(tmp_path / "a.eaf", {"s0": 0, "s1": 1000, "s2": 3000, "s3": 4000, "s4": None}, tiers)
    options = {"sentence_tiers": "T_*", "sign_tiers": "G_*", "nonmanual_tiers": "N"}
    found = signs(tmp_path, **options)
    assert found[["video_id", "label", "start_s", "end_s", "problem"]].to_numpy().tolist() == [
        ["a a1", "ONE", 1.0, 3.0, ""],
        [f"{tmp_path}/a.eaf:{line(tmp_path, 'y')}", "LATE", 3.0, 4.0, "in no sentence"],
        ["a b1", "TWO", 0.0, 2.0, ""],
        ["a b1", "", 0.0, 2.0, ""],
        ["a a1", "shake", 0.0, 3.0, ""],
        [f"{tmp_path}/a.eaf:{line(tmp_path, 'o')}", "never", 0.0, 0.0, "has no times"],
    ]


def line(root: Path, name: str) -> int:
    text = (root / "a.eaf").read_text().splitlines()
    return next(number for number, row in enumerate(text, start=1) if f'ANNOTATION_ID="{name}"' in row)


def test_files_that_make_no_sense_cost_only_themselves(tmp_path: Path) -> None:
    tiers = tier(
        "x", aligned("a1", "s", "t", "Fine."), aligned("a2", "t", "s", "Back."), aligned("a3", "t", "u", "Open.")
    )
    by_hand(tmp_path / "a.eaf", {"s": 0, "t": 1000, "u": None}, tiers)
    (tmp_path / "b.eaf").write_text("<ANNOTATION_DOCUMENT>")
    by_hand(tmp_path / "c.eaf", {}, tier("other"))
    with logged() as messages:
        table = read(tmp_path, sentence_tiers="x")
    assert f"{tmp_path}: 1 files have no sentences, such as c.eaf" in messages
    assert table["video_id"].tolist() == ["a a1", "a a2", "a a3", "b"]
    assert table["problem"][0] == ""
    assert table["problem"][1].endswith("annotation 'a2' begins at 1 s, but ends at 0 s")
    assert table["problem"][2].endswith("annotation 'a3' its time slot 'u' has no time")
    assert table["problem"][3].startswith(f"{tmp_path}/b.eaf:1: is not well-formed XML")
    assert f"{tmp_path}/a.eaf:{line(tmp_path, 'a2')}:" in table["problem"][1]


def test_files_that_share_a_signer_are_in_one_split(tmp_path: Path) -> None:
    for i in range(60):
        sentences = [(0, 1000, f"Sentence {i} is here."), (1000, 2000, f"And {i} more.")]
        write(tmp_path / f"{i}.eaf", {"x": sentences}, {}, x=f"signer{i % 30}")  # type: ignore[arg-type]
    table = read(tmp_path, sentence_tiers="x")
    assert (table.groupby("signer")["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "dev", "test"}


def test_corpus_is_prepared_with_its_signs(tmp_path: Path) -> None:
    for i, split in enumerate(("train", "train", "dev", "test")):
        film(tmp_path / split / f"{i}.mp4", frames=60, shade=i)
        sentences = [(start, end, f"{text} {i}") for start, end, text in SENTENCES]
        write(tmp_path / split / f"{i}.eaf", {"text": sentences, "gloss": [*SIGNS, (9000, 9500, "AFTER")]}, {})  # type: ignore[arg-type]
    dataset = Dataset(corpus="elan", sentence_tiers="text", sign_tiers="gloss")
    videos, found, skipped = prepare.prepare_with_signs("mine", dataset, tmp_path)
    assert (videos["status"] == "ok").all()
    assert prepare.lacking(videos) == []
    assert found["label"].tolist() == ["RAIN", "FALL", "SNOW"] * 4
    assert found["start_s"].tolist() == pytest.approx([0.0, 0.6, 0.1] * 4)
    assert [(reason, detail) for reason, _, detail in skipped] == [("in no sentence", "'AFTER' from 9 to 9.5 s")] * 4


def test_folder_without_elan_files_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"expected ELAN files \(\*\.eaf\), found none"):
        read(tmp_path)


def test_elan_files_whose_names_are_no_utf8_are_read(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", frames=60)
    for name in (b"caf\xe9", b"\xff"):
        file = write(
            tmp_path / "b.eaf",
            {"Text": [(0, 3000, "Rain.")], "Gloss": [(0, 500, "RAIN"), (4000, 5000, "SNOW")]},
            {"./a.mp4": ""},
            Text="A",
        )
        file.rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".eaf"))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/broken\xfe.eaf")).write_text("<")
    dataset = Dataset(corpus="elan", sentence_tiers="Text", sign_tiers="Gloss")
    videos = prepare.prepare("mine", dataset, tmp_path)
    status = {name.split(" ")[0]: status for name, status in zip(videos["video_id"], videos["status"], strict=True)}
    assert status == {r"caf\xe9": "ok", r"\xff": "ok", r"broken\xfe": "refused"}
    named = elan.read_signs(tmp_path, dataset)["video_id"]
    assert set(videos.loc[videos["status"] == "ok", "video_id"]) < set(named)
    assert rf"{tmp_path}/caf\xe9.eaf" in {name.rpartition(":")[0] for name in named}, "a sign in no sentence"
