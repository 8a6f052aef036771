"""CSL-Daily: the official tree, real names and texts in the official files, and files that contradict each other."""

import json
import logging
import pickle
from pathlib import Path

import pandas as pd
import pytest
from helpers.official import FRAMES, NOWHERE, OUTSIDE, SIZE, TEXTS, lay_out

from seds import tables
from seds.config import Dataset
from seds.corpora.pickles import PickleError
from seds.corpora.prepare import prepare
from seds.corpora.readers import csl_daily

CSL = Dataset(corpus="csl_daily")
NAMES = {
    "S000000_P0000_T00": "train",
    "S000000_P0004_T00": "train",
    "S000020_P0000_T00": "dev",
    "S000020_P0004_T00": "test",
}


def entry(name: object, text: str = "你们好！", length: object = FRAMES) -> dict[str, object]:
    characters = list(text)
    label = {"name": name, "length": length, "label_gloss": ["你们", "好"], "label_char": characters}
    return label | {"label_word": characters, "label_postag": ["r"] * len(characters), "signer": 0, "time": 0}


def annotate(root: Path, *entries: object, **split_of: str) -> None:
    """Write the pickle with these entries and the split file with these names."""
    folder = root / "sentence_label"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"info": list(entries), "gloss_map": ["你们", "好"]}
    (folder / "csl2020ct_v2.pkl").write_bytes(pickle.dumps(content))
    lines = ["name|split", *(f"{name}|{split}" for name, split in split_of.items())]
    (folder / "split_1.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(params=csl_daily.FRAMES)
def root(request, tmp_path):
    """The official tree, and those of two copies, with four videos of two sentences."""
    annotate(tmp_path, *map(entry, NAMES), **NAMES)
    for name in NAMES:
        lay_out(tmp_path / request.param / name, "{:06d}.jpg")
    return tmp_path


def test_the_official_tree_is_prepared(root):
    videos = prepare("csl", CSL, root)
    assert dict(zip(videos["video_id"], videos["split"], strict=True)) == NAMES
    assert videos["status"].tolist() == ["ok"] * 4
    assert videos["sentence_id"].tolist() == ["S000000", "S000000", "S000020", "S000020"]
    assert videos["signer"].tolist() == ["0000", "0004", "0000", "0004"]
    assert set(videos["text"]) == {"你们好！"}
    assert set(videos["language"]) == {"zh"}
    assert (videos[["frames", "fps", "width", "height"]] == (FRAMES, 30.0, SIZE, SIZE)).all(axis=None)


def test_the_lengths_of_the_annotation_are_handed_on(tmp_path):
    annotate(tmp_path, entry("S1_P0_T0", length=52), S1_P0_T0="train")
    assert csl_daily.read_annotations(tmp_path, CSL)["stated_frames"].tolist() == [52]


def test_the_text_file_says_the_same_as_the_pickle(tmp_path):
    annotate(tmp_path, *map(entry, NAMES), **NAMES)
    expected = csl_daily.read_annotations(tmp_path, CSL)
    lines = ["index|name|length|gloss|char|word|postag"]
    lines += [f"{i}|{name}|{FRAMES}|你们 好|你 们 好 ！|你们 好 ！|r a w" for i, name in enumerate(NAMES)]
    (tmp_path / "sentence_label/csl2020ct_v2.pkl").unlink()
    (tmp_path / "sentence_label/video_map.txt").write_bytes("\r\n".join(["\ufeff" + lines[0], *lines[1:]]).encode())
    pd.testing.assert_frame_equal(csl_daily.read_annotations(tmp_path, CSL), expected)


def test_video_of_the_split_file_alone_has_its_sentences_text(tmp_path, caplog):
    annotate(
        tmp_path, entry("S000005_P0000_T00", "你叫什么名字？"),
        S000005_P0000_T00="train", S000005_P0004_T00="train", S000099_P0000_T00="dev",
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        table = csl_daily.read_annotations(tmp_path, CSL).set_index("video_id")
    assert table["text"].tolist() == ["你叫什么名字？", "你叫什么名字？", ""]
    assert table["problem"].tolist() == ["", "", ""]
    assert table["stated_frames"].isna().tolist() == [False, True, True]
    assert "split_1.txt:3: S000005_P0004_T00 is not in the annotation and takes the text of other" in caplog.text
    assert "split_1.txt:4: S000099_P0000_T00 is not in the annotation and has no text" in caplog.text


def test_a_video_without_a_split_is_listed(tmp_path):
    annotate(tmp_path, entry("S000007_P0000_T00"), entry("S000007_P0003_T00"), S000007_P0000_T00="train")
    videos = prepare("csl", CSL, tmp_path).set_index("video_id")
    assert videos.loc["S000007_P0003_T00", ["split", "status"]].tolist() == ["", "refused"]
    assert "S000007_P0003_T00 is in no split" in videos.loc["S000007_P0003_T00", "detail"]
    assert videos.loc["S000007_P0000_T00", "status"] == "missing"


def test_every_text_is_one_row_whatever_it_holds(tmp_path):
    names = {f"S{i}_P0_T0": "train" for i in range(len(TEXTS))}
    annotate(tmp_path, *(entry(name, text) for name, (text, _) in zip(names, TEXTS.values(), strict=True)), **names)
    table = csl_daily.read_annotations(tmp_path, CSL)
    assert table["text"].tolist() == [read for _, read in TEXTS.values()]
    assert table["text_original"].tolist() == [text for text, _ in TEXTS.values()]


def test_hostile_rows_are_listed_and_the_rest_goes_on(root):
    frames = next(root / folder for folder in csl_daily.FRAMES if (root / folder).is_dir())
    (frames / "loop").symlink_to("loop")
    lay_out(root.parent / f"outside-{root.name}", "{:06d}.jpg")
    beside = f"{'../' * len(frames.relative_to(root.parent).parts)}outside-{root.name}"
    assert (frames / beside).is_dir()
    strange = [beside, *OUTSIDE, *NOWHERE]
    good = list(NAMES)
    malformed = [
        "no dict",
        entry(7),
        entry(""),
        entry("unlisted", length="many"),
        {"name": "no_text", "length": 3},
        entry(good[0], "别的"),
        entry("half\ud83d"),
        entry("half_text", "\ud83d"),
    ]
    splits = dict.fromkeys((*good, *strange), "train") | {"val_": "valid"}
    annotate(root, *map(entry, (*good, *strange, "val_")), *malformed, **splits)
    with (root / "sentence_label/split_1.txt").open("a") as file:
        file.write(f"\n{good[1]}|test\n|train\nx|y|z\n\n")
    videos = prepare("csl", CSL, root)
    assert len(videos) == len(good) + len(strange) + 1 + 3 + len(malformed)  # 3 more in the split file
    found = dict(zip(videos["video_id"], videos["status"], strict=True))
    assert [found[name] for name in good] == ["ok"] * 4
    assert {found[name] for name in (beside, *OUTSIDE)} == {"refused"}
    assert {found[name] for name in NOWHERE} == {"missing"}
    assert found["val_"] == "refused"
    assert found[f"{good[1]}#2"] == "duplicate"
    assert videos["status"].value_counts()["refused"] == 3 + 1 + 2 + len(malformed)
    details = "\n".join(videos["detail"])
    assert f"csl2020ct_v2.pkl: info[{len(good) + len(strange) + 1}]: expected a dict, got 'no dict'" in details
    assert "unlisted: expected its length in frames, got 'many'" in details
    assert "contains lone surrogates: 'half\\ud83d'" in details
    assert "no_text: expected a list of characters, got None" in details
    assert f"{good[0]} is already at" in details
    assert "expected a name and one of train, dev, test, got val_|valid" in details


def test_a_pickle_that_would_call_something_is_refused(tmp_path):
    class Calls:
        def __reduce__(self):
            return (print, ("called",))

    annotate(tmp_path, Calls())
    with pytest.raises(PickleError, match=r"csl2020ct_v2\.pkl: refused, it names builtins\.print"):
        csl_daily.read_annotations(tmp_path, CSL)


def test_a_file_that_is_missing_or_of_another_format_is_named(tmp_path):
    with pytest.raises(tables.TableError, match=r"expected .*csl2020ct_v2\.pkl or .*video_map\.txt"):
        csl_daily.read_annotations(tmp_path, CSL)
    annotate(tmp_path, entry("a"), a="train")
    (tmp_path / "sentence_label/split_1.txt").unlink()
    with pytest.raises(tables.TableError, match=r"split_1\.txt cannot be read"):
        csl_daily.read_annotations(tmp_path, CSL)
    (tmp_path / "sentence_label/csl2020ct_v2.pkl").write_bytes(pickle.dumps([entry("a")]))
    with pytest.raises(tables.TableError, match=r"expected a dict with a list under 'info', got \["):
        csl_daily.read_annotations(tmp_path, CSL)


@pytest.mark.slow
@pytest.mark.real
def test_the_real_names_and_texts_in_the_official_files(shared, tmp_path):
    """All 20,655 videos, with the two in which split file and annotation are known to differ."""
    entries, split_of = [], {}
    for split in tables.SPLITS:
        for line in (
            (shared / f"data/csl_daily_annotations/csl_daily_{split}.jsonl").read_text("utf-8").split("\n")[:-1]
        ):
            video = json.loads(line)
            split_of[video["name"]] = split
            if video["name"] != "S000005_P0004_T00":
                entries.append(entry(video["name"], video["text_zh"]))
    annotate(tmp_path, *entries, entry("S000007_P0003_T00", "他是谁？"), **split_of)
    table = tables.check(csl_daily.read_annotations(tmp_path, CSL), tables.ANNOTATIONS, tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 18401, "dev": 1077, "test": 1176, "": 1}
    assert table.groupby("split")["sentence_id"].nunique().to_dict() == {"": 1, "train": 6598, "dev": 797, "test": 798}
    assert table["signer"].nunique() == 10
    assert (table.groupby("sentence_id")["text"].nunique() == 1).all()
    of = table.set_index("video_id")
    assert of.loc["S000005_P0004_T00", ["text", "problem"]].tolist() == ["你叫什么名字？", ""]
    assert (table["problem"] != "").sum() == 1
    assert "is in no split" in of.loc["S000007_P0003_T00", "problem"]
