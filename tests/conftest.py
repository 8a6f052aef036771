"""Shared fixtures. No test touches the network or the working tree.

Tests marked `real` read real corpora and all recorded tensors (`data/`, `golden/`) from the folder that SEDS_SHARED
names, by default `shared` beside the repository. Where it is absent, or SEDS_SHARED is empty, they are skipped.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from seds.system.threads import sleep_soon

sleep_soon()
os.environ.setdefault("OMP_NUM_THREADS", "1")  # sums in one order: float32 gradients stay within their limits
os.environ.setdefault("SEDS_SHARED", str(Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora and of all recorded tensors."""
    folder = os.environ["SEDS_SHARED"]
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"SEDS_SHARED names no folder with real corpora: {folder!r}")
    return Path(folder)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs the whole pipeline or a browser is slow, too. The longest files come first, so that none is left to
    run alone at the end.
    """
    for item in items:
        if item.get_closest_marker("pipeline") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.slow)
    longest = {item.path for item in items if item.get_closest_marker("longest")}
    items.sort(key=lambda item: item.path not in longest)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes run the tests (pytest -n 2), a file is run by one of them, since its tests share what
    takes long to make; so is a folder whose files share it in a conftest.py of their own.
    """
    from xdist.scheduler import LoadFileScheduling

    class LoadShared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.split("::")[0])
            shares = (config.rootpath / file.parent / "conftest.py").exists() and file.parent.name != "tests"
            return str(file.parent if shares else file)

    config.option.loadscopereorder = False  # they are in order: pytest_collection_modifyitems
    return LoadShared(config, log)
