import base64
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import shown
from helpers.markup import HOSTILE, Page
from typer.testing import CliRunner

from seds import tables
from seds.cli import app
from seds.config import load_params
from seds.messages import printable
from seds.show.contact_sheet import open_corpus
from seds.show.keypoint_quality import KEYPOINT_QUALITY, measure_corpus
from seds.show.quality_page import SKIPPED_ROWS, TABLE_ROWS, page


def corpus(root: Path, rows: list[dict[str, object]], keypoints: dict[str, np.ndarray | str]):
    shown.write_corpus(root, rows, keypoints)
    return open_corpus(shown.NAME, load_params(root / "params.yaml"), root / "data")


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two good videos, one without a hand half the time, one that failed, one that is missing, one not tried."""
    monkeypatch.chdir(tmp_path)
    shown.write_video(tmp_path / "video.mp4")
    half = shown.keypoints()
    for side in ("left", "right"):
        shown.lose_hand(half, side, slice(10, 20))
    rows = [
        shown.row("good", "video.mp4", signer="A"),
        shown.row("half", "video.mp4", signer="A", split="test"),
        shown.row("gone", "x.mp4", status="missing", detail="x.mp4: no such file"),
        shown.row("damaged", "y.mp4"),
        shown.row("new", "z.mp4"),
        shown.row("fine", "", signer="B", split="test"),
    ]
    keypoints = {"good": shown.keypoints(), "half": half, "damaged": "y.mp4: truncated", "fine": shown.keypoints()}
    return corpus(tmp_path, rows, keypoints)


def test_the_table_has_every_video_worst_first(four) -> None:
    table = measure_corpus(four)
    assert table["video_id"].tolist() == ["half", "good", "fine", "gone", "damaged", "new"]
    assert table["status"].tolist() == ["ok"] * 3 + ["missing", "pose failed", "pose failed"]
    assert table["detail"].tolist()[3:5] == ["x.mp4: no such file", "y.mp4: truncated"]
    assert "dvc repro pose@demo" in table["detail"].iloc[5]
    assert table["dropped"].tolist()[:3] == [0.5, 0, 0]
    assert table.loc[3:, ["badness", "jitter", "left_visible"]].isna().all(axis=None)


def test_the_command_writes_one_page_and_all_measures(four, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["show", "demo", "--worst", "2", "--frames", "3"])
    assert result.exit_code == 0, result.output
    assert "show/demo/keypoints.html: 3 of 6 videos measured" in result.output
    html = (tmp_path / "show/demo/keypoints.html").read_text(encoding="utf-8")
    parsed = Page(html)
    pd.testing.assert_frame_equal(
        tables.read(tmp_path / "show/demo/keypoints.parquet", KEYPOINT_QUALITY, "seds show"), measure_corpus(four)
    )
    assert parsed.of("html") == [{"lang": "en"}]
    assert len(parsed.of("article")) == 2
    images = parsed.of("img")
    assert len(images) == 6
    for image in images:
        kind, _, data = str(image["src"]).partition(",")
        assert kind == "data:image/jpeg;base64"
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).shape == (180, 240, 3)
        assert image["alt"]
    assert len(parsed.of("svg")) == 9
    assert html.index("y.mp4: truncated") < html.index(">Measures<"), "what failed stands on top"
    assert [text for text in parsed.texts["code"] if text.startswith("seds show")] == [
        "seds show demo half",
        "seds show demo good",
    ]


def test_the_page_loads_nothing_and_runs_only_its_own_script(four) -> None:
    html = page(four, measure_corpus(four), "keypoints.parquet", worst=2, frames=2)
    parsed = Page(html)
    for _, attributes in parsed.elements:
        assert not {name for name in attributes if name.startswith("on")}
        for link in ("src", "href", "xlink:href", "action"):
            assert str(attributes.get(link, "data:")).startswith("data:")
    assert "url(" not in html
    (script,) = parsed.texts["script"]
    (policy,) = [meta["content"] for meta in parsed.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" == policy


def test_hostile_texts_are_shown_as_text(tmp_path: Path) -> None:
    values = {"split": "dev", "path": ""}
    rows = [shown.row(text, **values | {"text": text, "signer": text}) for text in HOSTILE]
    rows += [shown.row(f"lost {text}", "", status="unreadable", detail=text) for text in HOSTILE]
    hostile = corpus(tmp_path, rows, dict.fromkeys(HOSTILE, shown.keypoints()))
    html = page(hostile, measure_corpus(hostile), "keypoints.parquet", worst=len(HOSTILE), frames=1)
    parsed = Page(html)
    assert len(parsed.of("script")) == 1
    # Without a video each has its skeleton moving, and one frame of it, and there is no other image.
    assert len(parsed.of("img")) == 2 * len(HOSTILE)
    assert parsed.of("b") == []
    assert "<b> 1" in "".join(parsed.texts["p"]), "the shards' header is a text, too"
    shown_texts = parsed.texts["bdi"]
    for text in HOSTILE:
        assert shown_texts.count(printable(text)) >= 2, "as id and as sentence"
        assert f"lost {text}"[:80] in shown_texts or printable(f"lost {text}") in shown_texts
    assert not {"\0", "\x1b", "\u202e"} & set(html)
    assert "49" not in "".join(shown_texts)
    assert "seds show demo -- --output" in parsed.texts["code"]
    assert "seds show demo ''\"'\"'; rm -rf ~ '\"'\"''" in parsed.texts["code"]
    assert len(html) - sum(len(img["src"]) for img in parsed.of("img")) < 100_000, "long texts are cut"


def test_a_corpus_of_any_size_has_a_small_page(tmp_path: Path) -> None:
    count = TABLE_ROWS + 100
    ids = [f"video-{i}" for i in range(count)]
    rows = [shown.row(i, "", text="x" * 300) for i in ids]
    rows += [shown.row(f"lost-{i}", "", status="missing", detail="gone") for i in range(count)]
    many = corpus(tmp_path, rows, dict.fromkeys(ids, shown.keypoints(4)))
    html = page(many, measure_corpus(many), "keypoints.parquet", worst=1, frames=1)
    parsed = Page(html)
    assert f"The {TABLE_ROWS} worst of {count} videos, worst first" in parsed.texts["h2"]
    assert len(parsed.of("tr")) == 2 + TABLE_ROWS + 2  # two headings; the groups are all and train
    assert len(parsed.of("li")) == SKIPPED_ROWS
    assert f"600, of which the first {SKIPPED_ROWS} are listed" in html
    assert len(html) < 700_000


def test_a_corpus_without_keypoints_still_has_a_page(tmp_path: Path) -> None:
    nothing = corpus(tmp_path, [shown.row("gone", "", status="missing", detail="gone")], {})
    parsed = Page(page(nothing, measure_corpus(nothing), "keypoints.parquet", worst=3, frames=2))
    assert any("0 of 1 videos have keypoints" in text for text in parsed.texts["p"])
    assert "svg" not in parsed.texts


def test_a_missing_video_has_its_reason_instead_of_pictures(four, tmp_path: Path) -> None:
    (tmp_path / "video.mp4").unlink()
    html = page(four, measure_corpus(four), "keypoints.parquet", worst=1, frames=2)
    assert "No pictures" in html
    assert "video.mp4: no such file" in html


def test_options_that_do_not_fit_are_rejected(four) -> None:
    assert "not '.png'" in CliRunner().invoke(app, ["show", "demo", "--output", "page.png"]).output
    assert CliRunner().invoke(app, ["show", "demo", "good", "--worst", "3"]).exit_code == 2
