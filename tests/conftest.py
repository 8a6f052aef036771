"""Shared fixtures. No test touches the network or the working tree."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and of all recorded tensors (`data/`, `golden/`); tests marked `real` skip without."""
    folder = os.environ.get("SEDS_SHARED")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SEDS_SHARED does not name a folder with real corpora")
    return Path(folder)
