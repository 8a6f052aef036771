"""`seds search` as it is typed."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import seds
from helpers.toy_search import write_searchable
from PIL import Image

from seds.search.answer import SentenceHit
from seds.search.gallery import Gallery
from seds.search.printed import as_csv


@pytest.fixture(scope="module")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_searchable(tmp_path_factory.mktemp("searchable"), {"train": 1, "test": 2})


@pytest.fixture
def project(searchable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(searchable)
    return searchable


def test_a_sentence_gives_a_table_of_videos(project: Path) -> None:
    lines = seds("search", "toy", "a cat", "-k", "3").stdout.splitlines()
    hits = Gallery.open("toy").search_text("a cat", 3)
    assert lines[0].split() == ["score", "video", "time", "in", "file", "split", "text"]
    assert len(lines) == 4
    for line, hit in zip(lines[1:], hits, strict=True):
        assert line.split()[:3] == [str(hit.rank), f"{hit.score:.2f}", hit.video_id]
        assert f"0.00-{hit.duration_s:.2f} s" in line
        assert line.endswith(hit.text)


@pytest.mark.slow
def test_a_sentence_needs_few_libraries(project: Path) -> None:
    """A second or two would pass before it is searched for."""
    heavy = (
        "mmaction", "mmcv", "mmengine", "mmpose", "mediapipe", "av", "cv2", "dvc", "faiss", "matplotlib", "open_clip",
        "pandas", "pandera", "scipy", "sklearn", "tqdm.auto", "torch._dynamo", "torch._inductor", "torchvision",
    )  # fmt: skip
    code = (
        "import sys; from seds.cli import app\n"
        "app(['search', 'toy', 'a cat', '--explain', '--no-server'], standalone_mode=False)\n"
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "score" in done.stdout


def test_json_has_the_same_results_and_moments_if_asked(project: Path) -> None:
    output = json.loads(seds("search", "toy", "a cat", "-k", "2", "--json", "--explain", "--stream", "pose").stdout)
    hits = Gallery.open("toy").search_text("a cat", 2, "pose")
    assert (output["query"], output["stream"]) == ({"text": "a cat"}, "pose")
    assert [result["video_id"] for result in output["results"]] == [hit.video_id for hit in hits]
    for result in output["results"]:
        assert [moment["word"] for moment in result["moments"]] == ["a", "cat"]
        for moment in result["moments"]:
            assert 0 <= moment["start_s"] < moment["end_s"] <= result["duration_s"] + 1e-3
    assert "moments" not in json.loads(seds("search", "toy", "a cat", "--json").stdout)["results"][0]


def test_a_video_of_the_gallery_gives_sentences(project: Path) -> None:
    lines = seds("search", "toy", "--video", "test-dog-0", "-k", "2", "--explain").stdout.splitlines()
    gallery = Gallery.open("toy")
    hits = gallery.search_video(gallery.clip("test-dog-0"), 2)
    assert lines[0].split() == ["score", "sentence", "videos", "text"]
    first = hits[0]
    columns = ["1", f"{first.score:.2f}", first.sentence_id, str(len(first.video_ids)), *first.text.split()]
    assert lines[1].split() == columns
    assert len(lines) == 1 + 2 * (1 + 2), "each result has a line per word"
    assert " s  a  (" in lines[2]


def test_a_heat_map_is_a_picture(project: Path) -> None:
    seds("search", "toy", "a $cat$ at_night", "--heatmap", "maps/one.png")
    with Image.open(project / "maps/one.png") as image:
        assert image.format == "PNG"
        assert image.size[0] == 1200


def test_a_query_in_another_language_is_warned_of(project: Path) -> None:
    assert "The model reads English." in seds("search", "toy", "a cat").stderr
    answer = json.loads(seds("search", "toy", "собака", "--json").stdout)
    assert answer["reads"] == ["en"]
    assert "Most of this query is in Cyrillic letters" in answer["warning"]
    for options in ((), ("--csv",)):
        assert answer["warning"] in seds("search", "toy", "собака", *options).stderr
    assert json.loads(seds("search", "toy", "a cat", "--json").stdout)["warning"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy", ""), "the query is empty"),
        (("toy", "a", "--stream", "sound"), "unknown stream 'sound'; the model of toy has fusion, pose, rgb"),
        (("toy", "--video", "test-dog-9"), "no video 'test-dog-9'; similar: test-dog-"),
        (
            ("toy", "--video", "params.yaml"),
            "was extracted with other settings than params.yaml has now (pose: estimator None",
        ),
        (("toy", "--like", "test-dog-9"), "no video 'test-dog-9'; similar: test-dog-"),
        (("nothing", "a"), "unknown dataset 'nothing'"),
    ],
)
def test_what_cannot_be_searched_gives_a_clear_error(project: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in seds("search", *arguments, code=1).stderr


@pytest.mark.parametrize(
    "arguments",
    [("toy",), ("toy", "a", "--video", "b"), ("toy", "--like", "a", "--video", "b"), ("toy", "a", "-k", "0")],
)
def test_contradictory_arguments_are_rejected(project: Path, arguments: tuple[str, ...]) -> None:
    seds("search", *arguments, code=2)


def test_csv_has_the_results_and_a_row_a_word_if_asked(project: Path) -> None:
    def rows(*arguments: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(seds("search", "toy", *arguments, "--csv").stdout)))

    gallery = Gallery.open("toy")
    hits = gallery.search_text("a cat", 2)
    found = rows("a cat", "-k", "2")
    assert [(row["rank"], row["video_id"], row["text"]) for row in found] == [
        (str(hit.rank), hit.video_id, hit.text) for hit in hits
    ]
    assert [float(row["score"]) for row in found] == pytest.approx([hit.score for hit in hits], abs=1e-4)
    assert found[0]["start_s"] == ""
    explained = rows("a cat", "-k", "2", "--explain")
    assert [(row["video_id"], row["word"]) for row in explained] == [
        (hit.video_id, word) for hit in hits for word in ("a", "cat")
    ]
    moment = gallery.explain_clip("a cat", gallery.clip(hits[0].video_id)).moments[1]
    assert float(explained[1]["word_start_s"]) == pytest.approx(moment.start_s, abs=1e-3)
    sentences = rows("--video", "test-dog-0", "-k", "1")
    assert sentences[0]["video_ids"].split() == list(gallery.search_video(gallery.clip("test-dog-0"), 1)[0].video_ids)
    assert "give either --json or --csv" in seds("search", "toy", "a", "--csv", "--json", code=2).stderr


def test_a_video_finds_videos_that_sign_like_it(project: Path) -> None:
    gallery = Gallery.open("toy")
    hits = gallery.search_like(gallery.clip("test-dog-0"), 2)
    lines = seds("search", "toy", "--like", "test-dog-0", "-k", "2", "--explain").stdout.splitlines()
    assert lines[0].split() == ["score", "video", "time", "in", "file", "split", "text"]
    assert lines[1].split()[:3] == ["1", f"{hits[0].score:.2f}", hits[0].video_id]
    output = json.loads(seds("search", "toy", "--like", "test-dog-0", "-k", "2", "--json", "--explain").stdout)
    assert output["query"] == {"like": "test-dog-0"}
    assert [result["video_id"] for result in output["results"]] == [hit.video_id for hit in hits]
    first = output["results"][0]["moments"][0]
    assert first["word"].startswith("0.0-")
    rows = csv.DictReader(io.StringIO(seds("search", "toy", "--like", "test-dog-0", "-k", "2", "--csv").stdout))
    assert [row["video_id"] for row in rows] == [hit.video_id for hit in hits]


def test_a_name_of_both_a_file_and_a_video_is_ambiguous(project: Path) -> None:
    file = project / "test-dog-0"
    file.write_text("no video")
    try:
        assert "write ./test-dog-0 for the file" in seds("search", "toy", "--like", "test-dog-0", code=1).stderr
        assert "other settings" in seds("search", "toy", "--like", "./test-dog-0", code=1).stderr
    finally:
        file.unlink()


def test_csv_has_no_formulas() -> None:
    texts = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain", "a=b")
    hits = [SentenceHit(i, -0.5, "id", text, ("-a", "b")) for i, text in enumerate(texts, 1)]
    rows = list(csv.DictReader(io.StringIO(as_csv(hits))))
    assert [row["text"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "plain", "a=b"]
    assert (rows[0]["score"], rows[0]["video_ids"]) == ("-0.5", "'-a b")
