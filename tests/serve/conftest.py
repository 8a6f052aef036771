"""One project and one real server for all tests of the search page."""

from collections.abc import Iterator

import pytest
from helpers.served import Served, write_project_with_videos


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    server = Served(root, write_project_with_videos(root))
    yield server
    server.close()
    assert list(root.glob("work/serve/toy/*")) == [root / "work/serve/toy/media"], "clips go with their server"
    assert "Traceback" not in server.log.read_text()
