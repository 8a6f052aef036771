"""`seds compare` as it is typed, on folders and on revisions and experiments of a real DVC repository."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import seds
from helpers.evaluated import change_manifest, write_project
from helpers.markup import HOSTILE, Page

from seds import tables
from seds.compare import differences
from seds.compare.differences import Pair
from seds.compare.page import page
from seds.config import Report
from seds.data.split import sentence_columns
from seds.evaluation import results
from seds.messages import printable
from seds.retrieval.metrics import METRICS

PIPELINE = """
stages:
  manifest:
    cmd: mkdir -p data/manifest && cp toy.parquet data/manifest/toy.parquet
    deps: [toy.parquet]
    outs: [data/manifest/toy.parquet]
  evaluate:
    cmd: mkdir -p results/toy && cp ${model}.safetensors results/toy/similarity.safetensors
    params: [model]
    outs: [results/toy/similarity.safetensors]
"""


def write_scores(path: Path, sure: float) -> None:
    """Random scores of the test videos; the right sentence's are so much higher."""
    manifest = tables.read("data/manifest/toy.parquet", tables.MANIFEST, "")
    videos = manifest[manifest["usable"]]
    sentence_ids, sentence_of = sentence_columns(videos["sentence_id"].tolist())
    scores = np.random.default_rng(0).normal(size=(len(videos), len(sentence_ids)))
    scores[np.arange(len(videos)), sentence_of] += sure
    streams = {stream: scores.astype(np.float32) for stream in ("fusion", "pose")}
    results.write_similarity(path, results.Similarity(streams, videos["video_id"].tolist(), sentence_ids))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results in `good` and `poor`; the workspace has none."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path / "good" / results.SIMILARITY, 9)
    write_scores(tmp_path / "poor" / results.SIMILARITY, 0)
    return tmp_path


def compared(*arguments: str) -> dict:
    return json.loads(seds("compare", *arguments, "--json", "--resamples", "100").stdout)


def test_folders_are_compared_and_a_page_is_written(project: Path) -> None:
    printed = seds("compare", "good", "poor", "--resamples", "100", "--worst", "2").stdout
    assert "A: good\nB: poor\n8 sentences, 15 videos of the test split that both ranked\n" in printed
    assert printed.endswith("show/toy/compare.html\n")
    found = compared("good", "poor", "--worst", "2")
    for row in found["streams"]:
        assert row["metrics"]["R@1"]["a"] == 100
        assert row["metrics"]["R@1"]["difference"] < 0
        assert row["metrics"]["R@1"]["high"] <= 0
        assert row["lost"] == row["first_before"] > 0
        for name in METRICS:
            assert set(row["metrics"][name]) == {"a", "b", "difference", "low", "high", "p"}
            assert f"| {row['a']} | {row['direction'].upper()} | {name} |" in printed
    assert len(found["streams"]) == 4
    seen = Page(Path("show/toy/compare.html").read_text(encoding="utf-8"))
    assert len(seen.of("article")) == 4, "two that got worse, in each direction"
    pictures = [str(image["src"]) for image in seen.of("img")]
    assert len(pictures) == 4 * 2 * 4, "the answer, and what the worse model found"
    assert all(source.startswith("data:image/jpeg") for source in pictures)
    assert seen.of("script") == []


def test_workspaces_are_compared_by_their_results(project: Path) -> None:
    write_scores(project / "results/toy" / results.SIMILARITY, 9)
    assert compared("good")["b"] == "workspace"
    assert all(row["same"] == row["queries"] for row in compared("good")["streams"])
    shutil.copytree("data/manifest", "elsewhere/data/manifest")
    shutil.copytree("results", "elsewhere/results")
    for other in ("elsewhere", "elsewhere/results/toy"):
        assert compared(other, ".")["a"] == other


def test_what_cannot_be_compared_says_what_to_run(project: Path) -> None:
    Path("empty").mkdir()
    assert "dvc repro evaluate@toy" in seds("compare", "good", "empty", code=1).output
    change_manifest(project, video_id=[f"other-{i}" for i in range(16)])
    assert "does not list; it is of another corpus" in seds("compare", "good", "poor", code=1).output
    text = Path("params.yaml").read_text().replace("datasets:\n", "datasets:\n  more: {corpus: folder}\n")
    Path("params.yaml").write_text(text)
    assert "say which corpus with --dataset; params.yaml has: more, toy" in seds("compare", "a", "b", code=1).output


@pytest.mark.slow
def test_revisions_and_experiments_come_from_dvc(project: Path) -> None:
    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    def dvc(*arguments: str) -> None:
        run(sys.executable, "-m", "dvc", *arguments, "-q")

    for name in ("good", "poor"):
        Path(name, results.SIMILARITY).rename(f"{name}.safetensors")
        Path(name).rmdir()
    Path("data/manifest/toy.parquet").rename("toy.parquet")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("params.yaml").write_text(f"model: poor\n{Path('params.yaml').read_text()}")
    Path(".gitignore").write_text("/data\n/results\n/models\n/metrics\n/show\n")
    run("git", "init", "-q")
    run("git", "config", "user.name", "somebody")
    run("git", "config", "user.email", "somebody@example.org")
    dvc("init")
    Path(".dvc/config").write_text(f"[core]\n    remote = local\n['remote \"local\"']\n    url = {project}/remote\n")
    dvc("repro")
    run("git", "add", ".")
    run("git", "commit", "-qm", "Evaluate")
    dvc("exp", "run", "--temp", "-n", "trial", "-S", "model=good")
    shutil.rmtree("results")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("model: poor\n", ""))

    found = compared("HEAD", "trial")
    assert found["a"].startswith("HEAD (")
    assert found["b"].startswith("trial (")
    for row in found["streams"]:
        assert row["metrics"]["R@1"]["b"] == 100
        assert row["lost"] == 0 < row["won"]
    assert not Path("results").exists(), "the workspace stays as it is"
    assert len(Page(Path("show/toy/compare.html").read_text(encoding="utf-8")).of("img")) > 0

    Path("remote").mkdir()
    Path(".dvc/cache/files").rename("remote/files")  # as `dvc push` writes it
    assert compared("HEAD", "HEAD")["streams"][0]["same"] == 8, "the remote has it"
    shutil.rmtree("remote")
    assert "was made, but is neither in DVC's cache" in seds("compare", "HEAD", "trial", code=1).output
    assert "'nothing' is neither a folder nor a revision" in seds("compare", "nothing", "trial", code=1).output


def test_hostile_texts_are_shown_and_nothing_else() -> None:
    count = len(HOSTILE)
    videos = pd.DataFrame(
        {"video_id": [f"{text} " for text in HOSTILE], "signer": HOSTILE, "text": HOSTILE, "path": ""}
    )
    good = np.eye(count)
    pair = Pair(
        ("<b>one", "<i>two"), ({"pose": good}, {"pose": np.roll(good, 1, 1)}), np.arange(count), videos, HOSTILE,
        (0, 3), 2,
    )  # fmt: skip
    rows = differences.compare(pair, 100, 0)
    settings = Report(worst=count, best=0, search_url="http://127.0.0.1:8000")
    html = page("<u>toy", pair, rows, 100, settings)
    seen = Page(html)
    assert "<u>toy" in "".join(seen.texts["h1"])
    assert seen.texts["bdi"][:2] == ["<b>one", "<i>two"]
    assert seen.of("script") == seen.of("img") == []
    assert not {"\0", "\x1b", "\u202e"} & set(html)
    for text in HOSTILE:
        assert seen.texts["bdi"].count(printable(text)) >= 4, "as answer and as what is found, in both directions"
    assert all(str(link["href"]).startswith("http://127.0.0.1:8000/?") for link in seen.of("a"))
