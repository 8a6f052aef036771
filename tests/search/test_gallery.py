"""The gallery against the model itself, on an index that the stage wrote."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corpus import SIZES, WORDS
from helpers.encoded import encode
from helpers.toy_search import write_index, write_model, write_project, write_searchable
from safetensors.torch import load_file

from seds.config import load_params
from seds.data.batches import Numerics
from seds.data.split import Split, load_split
from seds.export.embeddings import export_embeddings
from seds.index.store import SearchError, open_index
from seds.model import checkpoint
from seds.model.seds import SEDS
from seds.retrieval import inference
from seds.search.gallery import Gallery

# Stored tokens are float16: a cosine errs by 1e-4 at most, and scores are cosines times logit_scale, here 14.3.
ERROR = 14.3e-4
LEARNED = {"token_weights": "learned"}


def project(root: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[SEDS, Gallery]:
    model = write_project(root, {"train": 2, "dev": 1, "test": 3}, **options)
    monkeypatch.chdir(root)
    write_index(root)
    return model, Gallery.open("toy")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return Gallery.open("toy", write_searchable(tmp_path_factory.mktemp("gallery"), {"train": 2, "dev": 1, "test": 3}))


def test_split(model: SEDS) -> Split:
    params = load_params()
    return load_split("toy", "test", params.rules("toy"), model.sizes, model.numerics)


test_split.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("numerics", ["default", "published"])
def test_a_search_gives_the_scores_that_evaluate_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numerics: Numerics
) -> None:
    model, gallery = project(tmp_path, monkeypatch, numerics=numerics)
    split = test_split(model)
    matrices = inference.score(model, split)
    assert gallery.streams == ("fusion", "pose", "rgb")
    for stream, matrix in matrices.items():
        for column, text in enumerate(split.texts):
            found = {hit.video_id: hit.score for hit in gallery.search_text(text, 1000, stream)}
            searched = [found[video.video_id] for video in split.videos]
            np.testing.assert_allclose(searched, matrix[:, column], atol=ERROR)
        for row, video in enumerate(split.videos):
            clip = gallery.clip(video.video_id)
            scored = {hit.sentence_id: hit.score for hit in gallery.search_video(clip, 1000, stream)}
            np.testing.assert_allclose([scored[s] for s in split.sentence_ids], matrix[row], atol=ERROR)
    assert gallery.search_text("a cat") == gallery.search_text("a cat", stream="fusion")


def test_learned_token_weights_are_in_index_search_and_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_project(tmp_path, {"train": 2, "dev": 1, "test": 2}, SIZES.model_copy(update=LEARNED))
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if name.startswith("token_weights."):
                p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(len(name))))
    monkeypatch.chdir(tmp_path)
    checkpoint.save(Path("models/toy"), model, model.state_dict(), {}, "")
    write_index(tmp_path)
    gallery, split = Gallery.open("toy"), test_split(model)
    assert gallery.header.token_weights == "learned"
    for stream, matrix in inference.score(model, split).items():
        for column, text in enumerate(split.texts):
            found = {hit.video_id: hit.score for hit in gallery.search_text(text, 1000, stream)}
            np.testing.assert_allclose([found[v.video_id] for v in split.videos], matrix[:, column], atol=ERROR)
        video = gallery.clip(split.videos[3].video_id)
        scored = {hit.sentence_id: hit.score for hit in gallery.search_video(video, 1000, stream)}
        np.testing.assert_allclose([scored[s] for s in split.sentence_ids], matrix[3], atol=ERROR)
    alike = model.token_weights
    model.token_weights = torch.nn.ModuleDict()
    assert not np.allclose(inference.score(model, split)["fusion"], matrix, atol=ERROR)
    model.token_weights = alike
    files = export_embeddings(open_index("toy"), tmp_path / "exported", "safetensors")
    weights = load_file(next(file for file in files if file.name == "videos.safetensors"))["weights/fusion"]
    offsets = gallery.index.video_tokens["fusion"].offsets
    sums = [weights[a:b].sum().item() for a, b in pairwise(offsets)]
    assert sums == pytest.approx([1.0] * len(sums), abs=1e-5)


def test_hits_are_ranked_and_say_what_they_are(gallery: Gallery) -> None:
    hits = gallery.search_text("a river", k=7)
    assert [hit.rank for hit in hits] == list(range(1, 8))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    rows = gallery.videos.set_index("video_id")
    for hit in hits:
        row = rows.loc[hit.video_id]
        assert (hit.sentence_id, hit.text, hit.split, hit.path) == (
            row["sentence_id"],
            row["text"],
            row["split"],
            "none.mp4",
        )
        assert hit.start_s is None
        assert hit.duration_s == row["duration_s"] > 0
    answers = gallery.search_video(gallery.clip("test-cat-0"), k=1000)
    assert len(answers) == len(gallery.sentences) == 3 * len(WORDS)
    signed = {hit.sentence_id: hit.video_ids for hit in answers}
    assert signed["test-cat"] == ("test-cat-0", "test-cat-1", "test-cat-2")
    assert len(gallery.videos) == sum(map(len, signed.values())) == 6 * len(WORDS) - 1  # one of the corpus is unusable


@pytest.mark.parametrize("streams", ["pose", "rgb"])
def test_a_model_of_one_stream_is_searched_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: str) -> None:
    _, gallery = project(tmp_path, monkeypatch, sizes=SIZES.model_copy(update={"streams": streams}))
    assert gallery.streams == (streams,)
    assert gallery.search_text("a cat", 3) == gallery.search_text("a cat", 3, streams)
    with pytest.raises(SearchError, match=f"unknown stream 'fusion'; the model of toy has {streams}"):
        gallery.search_text("a cat", stream="fusion")


@pytest.mark.slow
def test_a_first_pass_chooses_candidates_and_keeps_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, exact = project(tmp_path / "exact", monkeypatch)
    _, wide = project(tmp_path / "wide", monkeypatch, first_pass=1, candidates=1000)
    _, narrow = project(tmp_path / "narrow", monkeypatch, first_pass=1, candidates=10)
    assert wide.search_text("a cloud", 50) == exact.search_text("a cloud", 50)
    clip = exact.clip("test-dog-0")
    assert wide.search_video(clip, 50) == exact.search_video(clip, 50)
    every = {hit.video_id: hit.score for hit in exact.search_text("a cloud", 1000)}
    found = narrow.search_text("a cloud", 5)
    assert len(found) == 5
    assert [hit.score for hit in found] == pytest.approx([every[hit.video_id] for hit in found], abs=1e-5)
    assert len(narrow.search_text("a cloud", 20)) == 20, "asked for more than the candidates, it scores as many"


def test_searches_in_many_threads_answer_as_one(gallery: Gallery) -> None:
    texts = [f"a {word}" for word in WORDS] * 4
    alone = [gallery.search_text(text, 5) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: gallery.search_text(text, 5), texts)) == alone


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "word " * 50_000, "\x00\x07\x1b[31m", "<b>&amp;</b>", "\udcff", "你好 世界", "' OR 1=1 --"]
)
def test_a_query_may_be_any_text(gallery: Gallery, text: str) -> None:
    hits = gallery.search_text(text, 3)
    assert len(hits) == 3
    assert all(np.isfinite(hit.score) for hit in hits)
    assert np.isfinite(gallery.explain_clip(text, gallery.clip(hits[0].video_id)).weights).all()


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_query_is_an_error(gallery: Gallery, text: str) -> None:
    with pytest.raises(SearchError, match="the query is empty"):
        gallery.search_text(text)


def test_unknown_videos_and_bad_counts_give_an_error(gallery: Gallery) -> None:
    with pytest.raises(SearchError, match="the gallery of toy has no video 'nobody'"):
        gallery.clip("nobody")
    with pytest.raises(SearchError, match="k is 0"):
        gallery.search_text("a cat", 0)


def test_open_says_what_is_missing_or_does_not_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path, {"train": 1})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SearchError, match="index/toy has not been made yet; make it with: dvc repro index@toy"):
        Gallery.open("toy")
    with pytest.raises(SearchError, match="unknown dataset 'toys'"):
        Gallery.open("toys")
    params = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("[train, dev, test]", "[train]"))
    write_index(tmp_path)
    assert len(Gallery.open("toy").videos) == len(WORDS) - 1
    write_model(tmp_path, seed=1)
    with pytest.raises(SearchError, match=r"made by another model .* dvc repro index@toy"):
        Gallery.open("toy")
    (tmp_path / "models/toy/seds.safetensors").unlink()
    with pytest.raises(SearchError, match="dvc repro train@toy"):
        Gallery.open("toy")


def test_a_clip_of_the_gallery_is_what_the_model_made_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, gallery = project(tmp_path, monkeypatch)
    split = test_split(model)
    videos, _ = encode(model, split)
    for row, video in enumerate(split.videos):
        clip = gallery.clip(video.video_id)
        assert clip.encoded.valid == int(videos.valid[row].sum()) == 1 + len(video.starts)
        for stream, tokens in clip.encoded.tokens.items():
            torch.testing.assert_close(tokens.norm(dim=1), torch.ones(len(tokens)), rtol=0, atol=1e-3)
            expected = torch.nn.functional.normalize(videos.streams[stream][row, : clip.encoded.valid], dim=-1)
            torch.testing.assert_close(tokens, expected, rtol=0, atol=5e-4)
        first, last = video.raw_frames[video.starts], np.minimum(video.starts + 15, len(video.raw_frames) - 1)
        np.testing.assert_allclose(clip.times[:, 0], first / 25, atol=1e-6)
        np.testing.assert_allclose(clip.times[:, 1], (video.raw_frames[last] + 1) / 25, atol=1e-6)
