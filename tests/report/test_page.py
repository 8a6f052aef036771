"""The report stage as it is run, on a corpus with videos; what hostile texts, lost videos and large sets make of it."""

import base64
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.evaluated import change_manifest, change_params, save_model, write_project
from helpers.markup import HOSTILE, Page

from seds import tables
from seds.config import ConfigError, Evaluate, Report, load_params
from seds.data.split import Split
from seds.evaluation import results
from seds.evaluation.curves import histogram, recall
from seds.evaluation.measure import Evaluation, Training, metric_files
from seds.evaluation.results import GROUPS, INTERVALS, TEST, ResultError, Similarity
from seds.messages import printable
from seds.pages.html import jpeg_url
from seds.report.page import Results, open_results, page
from seds.retrieval import ranks
from stages import evaluate
from stages import report as stage


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run() -> tuple[str, Page]:
    evaluate.main("toy")
    stage.main("toy")
    html = Path("results/toy/report.html").read_text(encoding="utf-8")
    return html, Page(html)


def random_results(texts: list[str], video_ids: list[str], signers: list[str], sentence_of: np.ndarray) -> Results:
    """Results of two random streams on videos without files, by the functions that stage evaluate calls."""
    generator = np.random.default_rng(0)
    right = sentence_of[:, None] == np.arange(len(texts))
    streams = {
        name: (generator.normal(size=right.shape) + 3 * right).astype(np.float32) for name in ("fusion", "pose", "rgb")
    }
    metrics, rankings = ranks.evaluate(streams, sentence_of)
    split = Split.__new__(Split)  # of which only these are read
    split.texts, split.sentence_of = texts, sentence_of
    split.sentence_ids, split.videos = list(map(str, range(len(texts)))), video_ids
    evaluation = Evaluation(streams, rankings, metrics)
    files = metric_files(evaluation, {"0": evaluation}, split, signers, Training(), {}, Evaluate(bootstrap=20))
    videos = pd.DataFrame(
        {"video_id": video_ids, "signer": signers, "text": [texts[s] for s in sentence_of], "path": ""}
    )
    return Results(
        Similarity(streams, video_ids, split.sentence_ids), sentence_of, videos, texts, files[TEST],
        files[INTERVALS], files[GROUPS], recall(rankings), histogram(rankings),
    )  # fmt: skip


@pytest.mark.slow
def test_page_shows_the_numbers_and_pictures_of_the_queries(project: Path) -> None:
    change_params(project, "report", worst=3, best=2, frames=2)
    html, seen = run()
    metrics = json.loads(Path("metrics/toy/test.json").read_text())
    cells = [text.strip() for text in seen.texts["td"]]
    for stream in ("fusion", "pose", "rgb"):
        for direction in ("t2v", "v2t"):
            values = metrics[stream][direction]
            row = [f"{values[name]:.1f}" for name in ("R@1", "R@5", "R@10", "R@50", "MedR", "MeanR")]
            assert " ".join([direction.upper(), *row, f"{values['MRR']:.3f}"]) in " ".join(cells)
    assert f"{metrics['fusion']['t2v']['R@1_low']:.1f} – {metrics['fusion']['t2v']['R@1_high']:.1f}" in html
    table = tables.read("results/toy/ranks.parquet", tables.RANKS, "")
    assert table["rank"].max() > 1, "an untrained model misses some"
    articles = sum(
        min(3, (own["rank"] > 1).sum()) + min(2, (own["rank"] == 1).sum())
        for _, own in table[table["stream"] == "fusion"].groupby("direction")
    )
    assert len(seen.of("article")) == articles
    pictures = [image for image in seen.of("img") if str(image["src"]).startswith("data:image/jpeg")]
    assert len(pictures) == articles * 2 * 2, "answer and rival, two frames each"
    for image in pictures:
        data = np.frombuffer(base64.b64decode(str(image["src"]).partition(",")[2]), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (108, 144, 3)
        assert image["alt"]
    assert len(seen.of("img")) - len(pictures) == 3, "a matrix a stream"
    worst = table[(table["stream"] == "fusion") & (table["direction"] == "t2v")].sort_values("rank").iloc[-1]
    assert seen.texts["b"][0] == str(worst["rank"])


@pytest.mark.slow
def test_minimal_pairs_have_a_table(project: Path) -> None:
    contrast = ["<mouth>"] * 4 + [""] * 12
    change_manifest(project, pair=["p"] * 4 + [""] * 12, contrast=contrast)
    html, seen = run()
    told = json.loads(Path("metrics/toy/test.json").read_text())["told_apart"]["test"]["<mouth>"]
    assert "told apart" in html.lower()
    assert "&lt;mouth&gt;" in html
    row = ["1", *(f"{value:.1f}" for name, value in told.items() if name != "pairs")]
    assert " ".join(row) in " ".join(text.strip() for text in seen.texts["td"])
    assert "keypoints, px" not in html, "more than two videos are not compared"


@pytest.mark.slow
def test_page_loads_nothing_and_links_to_the_search_page(project: Path) -> None:
    change_params(project, "report", search_url="http://127.0.0.1:8000/", worst=4)
    html, seen = run()
    assert seen.of("script") == []
    assert "url(" not in html
    for tag, attributes in seen.elements:
        assert not {name for name in attributes if name.startswith("on")}
        assert str(attributes.get("src", "data:")).startswith("data:")
        assert tag != "link"
    (policy,) = [meta["content"] for meta in seen.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    queries = [parse_qs(urlsplit(str(link["href"])).query) for link in seen.of("a")]
    assert all(str(link["href"]).startswith("http://127.0.0.1:8000/?") for link in seen.of("a"))
    assert {text for query in queries for text in query.get("q", [])} <= {f"a {w}" for w in (
        "cat", "dog", "house", "tree", "river", "stone", "cloud", "bread"
    )}  # fmt: skip
    assert {key for query in queries for key in query} == {"q", "video"}


@pytest.mark.slow
def test_links_need_a_search_page_with_a_web_address(project: Path) -> None:
    change_params(project, "report", search_url=None)
    assert run()[1].of("a") == []
    change_params(project, "report", search_url="javascript:alert(1)")
    with pytest.raises(ConfigError, match=r"report\.search_url"):
        load_params()


@pytest.mark.slow
def test_videos_that_are_gone_or_were_never_released_say_so(project: Path) -> None:
    Path("data/raw/toy/long.mp4").unlink()
    html, seen = run()
    assert "No pictures" in html
    assert "long.mp4: no such file" in html
    assert len(seen.of("img")) == 3
    change_manifest(project, path="")
    html, _ = run()
    assert "no video was released, only its features" in html


def test_tables_follow_seeds_published_ties_and_streams(project: Path) -> None:
    change_params(project, "evaluate", published_ties=True)
    save_model(Path("models/toy/seeds/9"), 9)
    html, seen = run()
    assert "Over 2 seeds" in seen.texts["h3"]
    assert "By the published rule for ties" in seen.texts["h3"]
    deviation = json.loads(Path("metrics/toy/test.json").read_text())["seeds"]["std"]["pose"]["v2t"]["MeanR"]
    assert f"± {deviation:.1f}" in html
    Path("models/toy/seeds/9/seds.safetensors").unlink()
    for file in Path("models/toy/seeds/9").iterdir():
        file.unlink()
    Path("models/toy/seeds/9").rmdir()
    save_model(Path("models/toy"), 1, "pose")
    change_params(project, "evaluate", published_ties=False, bootstrap=0)
    html, seen = run()
    assert not [h for h in seen.texts["h3"] if "seeds" in h or "published" in h]
    assert "Streams compared" not in html
    assert "fusion" not in html
    assert "interval" not in html


def test_hostile_texts_are_shown_and_nothing_else() -> None:
    count = len(HOSTILE)
    evaluated = random_results(HOSTILE, [f"{text} " for text in HOSTILE], HOSTILE, np.arange(count))
    html = page("<b>toy", evaluated, Report(worst=count, best=count, search_url="http://127.0.0.1:8000"))
    seen = Page(html)
    assert "<b>toy" in "".join(seen.texts["h1"])
    assert seen.of("script") == []
    assert len(seen.of("img")) == 3, "the matrices alone"
    assert not {"\0", "\x1b", "\u202e"} & set(html)
    assert "49" not in "".join(seen.texts["bdi"])
    for text in HOSTILE:
        assert seen.texts["bdi"].count(printable(text)) >= 2, "as answer of both directions"
        assert printable(f"{text} ", 80) in seen.texts["bdi"]
    for link in seen.of("a"):
        parts = urlsplit(str(link["href"]))
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("http", "127.0.0.1:8000", "/", "")
        ((key, (value,)),) = parse_qs(parts.query, keep_blank_values=True).items()
        assert value in ({text[:300] for text in HOSTILE} if key == "q" else {f"{text} " for text in HOSTILE})
    assert len(html) < 400_000


def test_page_of_a_corpus_like_how2sign_has_a_bounded_size() -> None:
    sentences, videos = 1964, 2342
    sentence_of = np.concatenate([np.arange(sentences), np.arange(videos - sentences)])
    ids = [f"-fZc293MpJk_{i}-1-rgb_front" for i in range(videos)]
    evaluated = random_results(["a word " * 30] * sentences, ids, [str(i % 11) for i in range(videos)], sentence_of)
    html = page("how2sign", evaluated, Report())
    # Each picture of 144 px is 16 kB at most: JPEG of noise.
    noise = np.random.default_rng(0).integers(0, 256, (144, 144, 3)).astype(np.uint8)
    pictures = 2 * (Report().worst + Report().best) * 2 * Report().frames * len(jpeg_url(noise))
    assert len(html) + pictures < 5_000_000
    assert "400 of 1,964 sentences" in html


def test_results_of_another_manifest_or_none_name_the_command(project: Path) -> None:
    manifest = tables.read("data/manifest/toy.parquet", tables.MANIFEST, "")
    with pytest.raises(ResultError, match=r"similarity\.safetensors not found; make it with: dvc repro evaluate@toy"):
        open_results("toy", manifest)
    evaluate.main("toy")
    with pytest.raises(ResultError, match=r"'test-cat-0', which data/manifest/toy\.parquet does not list"):
        open_results("toy", manifest.iloc[1:])
    (Path("results/toy") / results.RECALL).unlink()
    with pytest.raises(ResultError, match=r"recall\.json cannot be read .*dvc repro evaluate@toy"):
        open_results("toy", manifest)
