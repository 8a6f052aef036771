"""A model applied to a split: scores against encoding everything and comparing it whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corpus import RULES, SIZES, write_corpus
from helpers.encoded import encode, similarities
from torch.nn import functional as F

from seds.data.split import Split, load_split
from seds.model import encoding
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.model.similarity import Tokens, text_to_video, video_to_text
from seds.retrieval import inference


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, {"test": 3}, frames=30)
    return root


def model_and_split(root: Path, numerics: str, streams: str = "both") -> tuple[SEDS, Split]:
    sizes = SIZES.model_copy(update={"streams": streams})
    model = SEDS(sizes, numerics)
    initialise(model, torch.Generator().manual_seed(0))
    return model, load_split("toy", "test", RULES, sizes, numerics, root)


@pytest.mark.parametrize("numerics", ["default", "published"])
@torch.no_grad()
def test_score_equals_comparing_everything_at_once(
    corpus: Path, numerics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, split = model_and_split(corpus, numerics)
    videos, texts = encode(model, split)
    words = Tokens(F.normalize(texts.tokens, dim=-1), texts.valid)
    monkeypatch.setattr(encoding, "VIDEO_BATCH", 5)
    monkeypatch.setattr(inference, "DUAL_MIX", 0.3)
    found = inference.score(model, split)
    again = similarities(model, videos, texts, 0.3)
    assert tuple(found) == tuple(again) == model.streams
    for stream, values in videos.streams.items():
        frames = Tokens(F.normalize(values, dim=-1), videos.valid)
        i2t, t2i = (f(frames, words, model.masked) for f in (video_to_text, text_to_video))
        expected = (model.logit_scale.exp() * (0.3 * i2t + 0.7 * t2i)).numpy()
        assert expected.shape == (len(split.videos), len(split.sentence_ids))
        np.testing.assert_allclose(found[stream], expected, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(again[stream], expected, rtol=1e-5, atol=1e-4)


def test_scores_of_a_weight_are_those_of_a_model_that_has_it(corpus: Path) -> None:
    model, split = model_and_split(corpus, "default")
    streams, fusions = inference.score_weights(model, split, (0.0, 0.5, 0.8))
    assert set(streams) == {"pose", "rgb"}
    assert list(fusions) == [0.0, 0.5, 0.8]
    for weight, fusion in fusions.items():
        model.pose_weight.fill_(weight)
        for stream, expected in inference.score(model, split).items():
            np.testing.assert_allclose({**streams, "fusion": fusion}[stream], expected, rtol=1e-5, atol=1e-4)
    assert not np.allclose(fusions[0.0], fusions[0.8], atol=0.1)


@pytest.mark.parametrize("streams", ["pose", "rgb"])
def test_score_of_a_single_stream_has_it_alone(corpus: Path, streams: str) -> None:
    assert set(inference.score(*model_and_split(corpus, "default", streams))) == {streams}


def test_every_video_and_sentence_is_encoded_once(corpus: Path) -> None:
    model, split = model_and_split(corpus, "default")
    videos, texts = [], []
    model.fusion.register_forward_hook(lambda _module, inputs, _output: videos.append(len(inputs[0])))
    model.text_tower.register_forward_hook(lambda _module, inputs, _output: texts.append(len(inputs[0])))
    inference.score(model, split)
    assert sum(videos) == len(split.videos)
    assert sum(texts) == len(split.sentence_ids)
