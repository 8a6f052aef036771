"""One sign encoder for all tests that need one that has learnt."""

from contextlib import chdir
from pathlib import Path

import pytest
from helpers.toy_signs import NAME, write_corpus, write_params

from stages import adapt


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus of toy signs and data/adapt, an encoder that tells them apart."""
    root = tmp_path_factory.mktemp("trained")
    with chdir(root):
        write_corpus(Path(), {"train": 40, "dev": 16})
        write_params(Path(), epochs=24, batch=8, lr=3e-3, colour=0.1, recolour=0.0, dropout=0.1, nonmanual_weight=2.0)
        adapt.main(NAME)
    return root
