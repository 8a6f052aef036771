"""docs/api.md against a real server: its commands as they are typed, and the description that the server gives."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.served import Served
from helpers.shown import ROOT

from seds.serve import schema

PAGE = ROOT / "docs" / "api.md"
TOKEN = "a-token-of-mine"  # the page's
# The page asks for videos of the demo.
IDS = {"test-0003-signer5": "plain", "test-0000-signer1": "cut-a"}
LINE = re.compile(r"^    (?P<command>.*?)\s+# (?P<status>\d{3}|wait)$")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")]


@pytest.fixture(scope="module")
def locked(served: Served) -> Iterator[Served]:
    server = Served(served.root, served.clip, "--token", TOKEN)
    yield server
    server.close()


def commands() -> list[tuple[str, str]]:
    """(command, the status that it gives), in the page's order."""
    lines = PAGE.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    return [(match["command"], match["status"]) for match in map(LINE.match, lines) if match]


def test_commands_of_the_page_give_what_it_says(locked: Served, tmp_path: Path) -> None:
    shutil.copy(locked.clip, tmp_path / "clip.mp4")
    script = [
        f'SERVER={locked.url[:-1]}; TOKEN={TOKEN}; AUTH="Authorization: Bearer $TOKEN"',
        "curl() { command curl -w '%{stderr}%{http_code}\\n' \"$@\"; }",
    ]
    expected = []
    for i, (command, status) in enumerate(commands()):
        for name, ours in IDS.items():
            command = command.replace(name, ours)
        assigned = command.startswith("CLIP=")
        quiet = "2>/dev/null" if status == "wait" else ""
        script.append(f"{command} {quiet}" if assigned or quiet else f"{command} > out-{i}")
        expected += [status] if status != "wait" else []
    done = subprocess.run(["bash", "-c", "\n".join(script)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stderr.split() == expected
    assert len(expected) > 15
    for i, (command, status) in enumerate(commands()):
        if "/api/" in command and status != "wait" and not command.startswith("CLIP="):
            answer = json.loads((tmp_path / f"out-{i}").read_text())
            assert ("error" in answer) == (int(status) >= 400), command
    assert (tmp_path / "poster.jpg").read_bytes().startswith(b"\xff\xd8")


def test_page_names_every_address_that_the_server_describes(locked: Served) -> None:
    described = locked.get("/api/openapi.json", Authorization=f"Bearer {TOKEN}").json
    page = PAGE.read_text(encoding="utf-8")
    for path in described["paths"]:
        assert path.split("{")[0] in page, path
    assert not {"/", "/api/answer", "/static/{name}"} & set(described["paths"])
    search = described["paths"]["/api/search"]["get"]
    assert search["operationId"] == "get_api_search"
    for status, model in ((200, "VideosForSentence"), (422, "Error"), (401, "Error")):
        content = search["responses"][str(status)]["content"]["application/json"]
        assert content["schema"]["$ref"] == f"#/components/schemas/{model}"
    assert "HTTPValidationError" not in json.dumps(described)
    fields = described["components"]["schemas"]["VideoHit"]["properties"]
    assert set(fields) == set(schema.VideoHit.model_fields)
