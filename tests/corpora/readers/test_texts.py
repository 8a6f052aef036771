"""Captions of the release and of a user, and what of a corpus's sentences the model can read."""

import csv
import logging
import pickle
import unicodedata

import pandas as pd
import pytest
from helpers.official import TEXTS

from seds import tables
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.captions import RELEASES, read_captions
from seds.corpora.readers import phoenix14t, texts
from seds.text import tokenise


def annotations(*video_ids: str, **columns: object) -> pd.DataFrame:
    row = {
        "sentence_id": [f"s-{v}" for v in video_ids], "split": "train", "text": "regen", "text_original": "regen ",
        "language": "de", "signer": "", "path": "", "start_s": None, "end_s": None, "fps": None, "problem": "",
    }  # fmt: skip
    return tables.check(pd.DataFrame({"video_id": video_ids} | row | columns), tables.ANNOTATIONS, "test")


def with_captions(name: str, corpus: str = "folder") -> Dataset:
    return Dataset(corpus=corpus, captions=name)


def test_without_captions_the_table_stays_as_it_is(tmp_path):
    table = annotations("a", "b")
    pd.testing.assert_frame_equal(texts.captioned(table, Dataset(corpus="folder"), tmp_path), table)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("key", texts.KEYS)
def test_captions_replace_the_text_and_leave_the_original(tmp_path, suffix, key):
    table = annotations("a", "b", "c")
    captions = pd.DataFrame({"text": ["Rain,\tat\nnoon", ' "Sun" '], key: table[key][[1, 0]]})
    if suffix == ".parquet":
        captions.to_parquet(tmp_path / "en.parquet")
    else:
        captions.to_csv(
            tmp_path / f"en{suffix}", sep="\t" if suffix == ".tsv" else ",", index=False, encoding="utf-8-sig"
        )
    result = texts.captioned(table, with_captions(f"en{suffix}"), tmp_path)
    assert result["text"].tolist() == ['"Sun"', "Rain, at noon", ""]
    assert set(result["text_original"]) == {"regen "}
    assert set(result["language"]) == {"en"}
    assert result["video_id"].tolist() == ["a", "b", "c"]


def test_what_captions_lack_and_what_they_have_too_much_is_said(tmp_path, caplog):
    (tmp_path / "en.csv").write_bytes(b"video_id,text\r\na,Rain\r\na,Snow\r\nb\r\n\r\n,Fog\r\nelsewhere,Sun\r\n")
    with caplog.at_level(logging.WARNING):
        result = texts.captioned(annotations("a", "b"), with_captions("en.csv"), tmp_path)
    assert result["text"].tolist() == ["Rain", ""]
    assert "en.csv has no text for 1 of 2 videos, such as b" in caplog.text
    assert "en.csv: of its rows, 3 of 5 left out" in caplog.text
    assert "row 2: video_id 'a'" in caplog.text
    assert "en.csv:4: 1 fields, expected 2" in caplog.text
    assert "row 4: has no video_id and no sentence_id" in caplog.text
    assert "1 texts are for no video_id of the corpus, such as 'elsewhere'" in caplog.text


def test_no_caption_is_lost_to_a_quotation_over_rows(tmp_path):
    (tmp_path / "en.tsv").write_text('video_id\ttext\na\t"Come here,\nb\tshe said\nc\tto the dog."\n')
    result = texts.captioned(annotations("a", "b", "c"), with_captions("en.tsv"), tmp_path)
    assert result["text"].tolist() == ['"Come here,', "she said", 'to the dog."']
    (tmp_path / "en.csv").write_text('video_id,text\na,"12"" inch\nb,Dog\nc,Cat "\n')
    with pytest.raises(tables.TableError, match=r"en\.csv:2-4: a quotation mark"):
        texts.captioned(annotations("a", "b", "c"), with_captions("en.csv"), tmp_path)


def test_white_space_around_captions_is_no_part_of_them(tmp_path):
    (tmp_path / "en.csv").write_text('video_id, text\na, "Come, dog"\n b ,"Sit" \n\u00a0c\u3000,Stay\n')
    result = texts.captioned(annotations("a", "b", "c"), with_captions("en.csv"), tmp_path)
    assert result["text"].tolist() == ["Come, dog", "Sit", "Stay"]


def test_ids_are_compared_exactly_and_texts_may_hold_anything(tmp_path):
    names = [*(f"v{i}" for i in range(len(TEXTS))), "bo\u0308en", "böen", "007"]
    wanted = [read for _, read in TEXTS.values()]
    pd.DataFrame({"video_id": names, "text": [*(text for text, _ in TEXTS.values()), "A", "B", "C"]}).to_csv(
        tmp_path / "en.csv", index=False, quoting=csv.QUOTE_ALL
    )
    result = texts.captioned(annotations(*names), with_captions("en.csv"), tmp_path)
    assert result["text"].tolist() == [*wanted, "A", "B", "C"]


def test_captions_may_be_a_folder_of_parquet_files(tmp_path):
    (tmp_path / "en.parquet").mkdir()
    for name in ("a", "b"):
        pd.DataFrame({"video_id": [name], "text": [f"Caption {name}"]}).to_parquet(
            tmp_path / f"en.parquet/{name}.parquet"
        )
    result = texts.captioned(annotations("a", "b"), with_captions("en.parquet"), tmp_path)
    assert result["text"].tolist() == ["Caption a", "Caption b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"gone\.csv not found"),
        ("a.txt", b"video_id,text\n", r"a\.txt: expected a \.csv, \.tsv, \.xlsx, \.ods, \.parquet file, or a folder"),
        ("a.csv", b"video_id,caption\na,b\n", r"a\.csv: no column text; it has video_id, caption"),
        ("a.csv", b"", r"a\.csv: no column text; it has none"),
        ("a.csv", b"video_id,text\na,\x8d\n", r"a\.csv is not text"),
        ("a.parquet", b"PAR1", r"is not a readable Parquet file"),
        ("../a.csv", None, r"captions '\.\./a\.csv' are outside"),
        ("/etc/passwd", None, r"captions '/etc/passwd' are outside"),
    ],
)
def test_captions_that_cannot_be_read_say_why(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(tables.TableError, match=message):
        texts.captioned(annotations("a"), with_captions(name), tmp_path)


def test_captions_are_found_by_video_and_else_by_sentence(tmp_path):
    caption = {"ori_text": "下雨", "num_frames": 1}
    entries = {
        "S1": [caption | {"video_name": "S1_P0_T00", "text": "It rains."}],
        "S2": [caption | {"video_name": "S2_P0_T00", "text": " Snow "}],
    }
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions/test.pkl").write_bytes(pickle.dumps(entries))
    table = annotations("S1_P0_T00", "S2_P7_T00", "S3_P0_T00", sentence_id=["S1", "S2", "S3"])
    result = texts.captioned(table, with_captions("captions", "csl_daily"), tmp_path)
    assert result["text"].tolist() == ["It rains.", "Snow", ""]
    with pytest.raises(tables.TableError, match="has captions of phoenix14t, csl_daily, how2sign, not of 'folder'"):
        texts.captioned(table, with_captions("captions"), tmp_path)


def test_a_sentence_is_over_length_where_the_model_loses_a_token():
    lengthening = [" ".join(["rain"] * n) for n in (29, 30, 31, 40)]
    exact, over = lengthening[1:3]
    assert (tokenise([exact], 32)[0] == tokenise([exact], 64)[0, :32]).all()  # nothing is left out
    assert not (tokenise([over], 32)[0] == tokenise([over], 64)[0, :32]).all()
    assert [texts.over_length([text]) for text in lengthening] == [0, 0, 1, 1]
    assert texts.over_length(lengthening) == 0.5


def test_report_says_what_fits_badly_and_what_has_no_text(tmp_path):
    table = annotations(
        "a", "b", "c", "d", text=["我" * 40, "我", "", ""], text_original=["我", "我", " ", "我"], language="zh"
    )
    status = {"dataset": "x", "frames": 1, "width": 1, "height": 1, "sha256": "", "status": "ok", "detail": ""}
    lines = texts.report(table.assign(fps=25.0, **status)).splitlines()
    assert lines[0] == "text: 2 sentences in 'zh', 50.0% exceed the 32 tokens that CLIP's text tower reads"
    assert "splits 'zh' badly; have another text side read it (train.*.model.text in params.yaml)" in lines[1]
    assert lines[2:] == ["without text, 2 of 4 left out", "  no text: 1", "    c", "  no caption: 1", "    d"]


def test_english_needs_no_captions(tmp_path):
    table = annotations("a", text="rain", language="en").assign(status="ok")
    assert texts.report(table) == "text: 1 sentences in 'en', 0.0% exceed the 32 tokens that CLIP's text tower reads"


@pytest.mark.slow
@pytest.mark.real
def test_released_captions_cover_phoenix_in_english(shared, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/manual").symlink_to(shared / "data/phoenix14t_annotations")
    (tmp_path / "captions").symlink_to(shared / "data/seds_release/data_ph")
    dataset = with_captions("captions", "phoenix14t")
    native = phoenix14t.read_annotations(tmp_path, dataset)
    table = prepare.read_annotations(dataset, tmp_path)
    assert (table["text"] != "").all()
    assert (table["text_original"] == native["text_original"]).all()
    assert table["text"][0] == "And now the weather forecast for tomorrow Thursday the twelfth August"
    assert texts.over_length(native["text"]) == pytest.approx(0.342, abs=0.001)
    assert texts.over_length(table["text"]) == pytest.approx(0.030, abs=0.001)


@pytest.mark.slow
@pytest.mark.real
def test_released_chinese_is_too_long_and_english_is_not(shared):
    captions = read_captions(shared / "data/seds_release/data_csl", RELEASES["csl_daily"])
    sentences = {c.sentence_id: c for c in captions}.values()
    assert texts.over_length(c.text_original for c in sentences) == pytest.approx(0.70, abs=0.01)
    assert texts.over_length(c.text for c in sentences) == pytest.approx(0.002, abs=0.001)


def test_clean_text_is_composed():
    assert texts.clean("  Bo\u0308en\tam \u2028Abend ") == unicodedata.normalize("NFC", "Böen am Abend")
