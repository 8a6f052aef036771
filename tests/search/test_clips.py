"""Videos that are only files, rendered ones, through the real detector and network, against what the stages make of
the same files: as the library takes them and as `seds search --video` is typed.
"""

import json
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import seds
from helpers.corpus import SIZES
from helpers.films import film, write_uneven
from helpers.toy_search import ROOT, write_index, write_model, write_params

from seds.config import load_params
from seds.index.store import SearchError
from seds.search import clips
from seds.search.gallery import Gallery
from seds.video import frames
from stages import adapt, manifest, pose, prepare, render, rgb

pytestmark = pytest.mark.slow

# A clip's tokens differ from the stored ones by the float16 of these alone: cosines by 1e-4 at most, and scores are
# cosines times logit_scale, here 14.3.
TOKEN_ERROR, SCORE_ERROR = 5e-4, 14.3e-4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A corpus of four rendered videos and sentences, with all that the stages make of it but a trained model; its
    features are those of a sign encoder of its own.
    """
    root = tmp_path_factory.mktemp("clips")
    small = load_params(ROOT / "params.yaml").adapt.small.model_copy(update={"epochs": 1, "batch": 4})
    write_params(
        root,
        "demo",
        render={"train_sentences": 2, "dev_sentences": 1, "test_sentences": 1},
        adapt={"small": small.model_dump()},
    )
    write_model(root, SIZES.model_copy(update={"rgb_features": 256}), name="demo")
    with chdir(root):
        render.main()
        for stage in (prepare, pose, adapt, rgb, manifest):
            stage.main("demo")
        write_index(root, "demo")
        yield root


@pytest.fixture
def gallery(root: Path) -> Gallery:
    return Gallery.open("demo")


def file_of(gallery: Gallery, video_id: str) -> Path:
    video = gallery.video(video_id)
    assert video is not None
    return Path(video["path"])


def test_a_file_of_the_corpus_is_encoded_like_its_video(gallery: Gallery) -> None:
    assert len(gallery.videos) == 4, "the detector saw hands in all"
    video_id = gallery.videos["video_id"].iloc[-1]
    path = file_of(gallery, video_id)
    stored, fresh = gallery.clip(video_id), gallery.encode_clip(path)
    assert fresh.video_id == path.name
    assert fresh.encoded.valid == stored.encoded.valid > 1
    assert list(fresh.encoded.tokens) == list(gallery.streams)
    for stream, tokens in fresh.encoded.tokens.items():
        torch.testing.assert_close(tokens, stored.encoded.tokens[stream], rtol=0, atol=TOKEN_ERROR)
    np.testing.assert_allclose(fresh.times, stored.times, atol=1e-5)
    assert fresh.duration_s == pytest.approx(stored.duration_s)


def test_the_command_ranks_a_file_like_the_stored_video(gallery: Gallery, tmp_path: Path) -> None:
    video = gallery.videos.iloc[0]
    clip = tmp_path / "my clip.mp4"
    clip.write_bytes(file_of(gallery, video["video_id"]).read_bytes())
    printed = json.loads(seds("search", "demo", "--video", str(clip), "--json", "--explain").stdout)
    assert (printed["query"], printed["stream"]) == ({"video": str(clip)}, gallery.streams[0])

    stored = gallery.clip(video["video_id"])
    expected = {hit.sentence_id: hit.score for hit in gallery.search_video(stored)}
    found = {hit["sentence_id"]: hit["score"] for hit in printed["results"]}
    assert found == pytest.approx(expected, abs=SCORE_ERROR)
    assert video["sentence_id"] in found
    assert len(set(found.values())) == 4, "no score stands for all"
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert [hit["rank"] for hit in printed["results"]] == [1, 2, 3, 4]
    for hit in printed["results"]:
        texts = gallery.sentences.set_index("sentence_id")["text"]
        assert hit["text"] == texts[hit["sentence_id"]]
        assert len(hit["moments"]) == len(hit["text"].split())
        assert all(0 <= moment["start_s"] < moment["end_s"] <= video["duration_s"] + 1e-3 for moment in hit["moments"])


def test_clip_of_a_varying_rate_has_the_times_of_its_frames(gallery: Gallery, tmp_path: Path) -> None:
    video_id = gallery.videos["video_id"].iloc[2]
    stored, images = gallery.clip(video_id), list(frames(file_of(gallery, video_id)))
    fps = gallery.videos["fps"].iloc[2]
    begins = np.arange(len(images) + 1) / fps
    begins[12:] += 2  # the camera paused
    write_uneven(tmp_path / "paused.mp4", images, begins)
    fresh = gallery.encode_clip(tmp_path / "paused.mp4")
    # The same hands are seen in either, so a window spans the same frames.
    first, end = (stored.times * fps).round().astype(int).T
    np.testing.assert_allclose(fresh.times, np.stack([begins[first], begins[end - 1] + 1 / fps], axis=1), atol=2e-3)
    assert fresh.duration_s == pytest.approx(begins[-1], abs=0.01)


def test_files_without_a_hand_or_a_video_give_an_error(gallery: Gallery, tmp_path: Path) -> None:
    film(tmp_path / "empty.mp4")
    with pytest.raises(SearchError, match=r"^empty.mp4: no hand is visible in any of its 12 frames"):
        gallery.encode_clip(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("a text")
    with pytest.raises(SearchError, match=r"^text.mp4 cannot be read: is not a readable video"):
        gallery.encode_clip(tmp_path / "text.mp4")
    with pytest.raises(SearchError, match=r"^nowhere.mp4 cannot be read: no such file"):
        gallery.encode_clip(tmp_path / "nowhere.mp4")


def test_half_precision_features_of_a_gpu_are_searched_on_a_cpu(gallery: Gallery) -> None:
    header = gallery.header
    made = header.model_copy(update={"rgb": header.rgb | {"precision": "float16", "compiled": "true"}})
    assert made.rgb != header.rgb
    assert clips.extractors(made, gallery.params).rgb is not None
    video_id = gallery.videos["video_id"].iloc[1]
    elsewhere = Gallery(replace(gallery.index, header=made), gallery.model, gallery.params)
    found = elsewhere.encode_clip(file_of(gallery, video_id)).encoded.tokens["rgb"]
    torch.testing.assert_close(found, gallery.clip(video_id).encoded.tokens["rgb"], rtol=0, atol=TOKEN_ERROR)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 2}, r"\(rgb: stride '4', now '2'\)"),
        ({"size": 96, "crop": 64}, r"size '128', now '96'; crop '"),
        ({"alpha": 0.5}, r"weights 'none, alpha 0', now 'random, seed 0'; alpha '0', now '0.5'\)"),
        ({"alpha": 1.0}, r"adapted 'sha256 \w+', now None"),
    ],
)
def test_other_extraction_settings_give_an_error(gallery: Gallery, change: dict[str, object], message: str) -> None:
    rgb = gallery.params.rgb
    now = rgb.model_copy(update={"small": rgb.small.model_copy(update=change)})
    with pytest.raises(SearchError, match=message + r".*run: dvc repro index@demo"):
        clips.extractors(gallery.header, gallery.params.model_copy(update={"rgb": now}))


def test_imported_features_cannot_be_extracted_for_a_clip(gallery: Gallery) -> None:
    released = gallery.params.datasets["demo"].model_copy(update={"corpus": "released"})
    with pytest.raises(SearchError, match="were imported"):
        clips.extractors(gallery.header, gallery.params.model_copy(update={"datasets": {"demo": released}}))
