"""A server answers `seds search` of its user, as the command would by itself; otherwise the command is on its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import seds
from helpers.served import Served

from seds.search.answer import Question
from seds.serve import running

pytestmark = pytest.mark.slow

ASKED = Question("a sentence of plain", None, None, 3, None, 0)


@pytest.fixture
def record(served: Served, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the server has written for the command, in whose project we are."""
    monkeypatch.chdir(served.root)
    (path,) = (path for path in served.root.glob("work/serve/toy/*/server.json") if written_by(path, served))
    return path


def written_by(path: Path, server: Served) -> bool:
    return json.loads(path.read_text())["address"][1] == server.port


@pytest.mark.parametrize(
    "arguments",
    [
        ("a sentence of plain", "-k", "3"),
        ("A small cat & a dog?", "--json", "--explain", "--stream", "pose"),
        ("--video", "cut-a", "--csv", "--explain", "-k", "2"),
        ("手話 👩‍🚀 café", "--json"),
        ("two", "-k", "500", "--json"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_running_server_answers_as_the_command_itself(record: Path, arguments: tuple[str, ...]) -> None:
    assert seds("search", "toy", *arguments).stdout == seds("search", "toy", *arguments, "--no-server").stdout


def test_heat_map_of_a_server_is_the_same_picture(record: Path, tmp_path: Path) -> None:
    for name, option in (("server", "--server"), ("alone", "--no-server")):
        seds("search", "toy", "a cat", "--heatmap", str(tmp_path / name), option)
    assert (tmp_path / "server").read_bytes() == (tmp_path / "alone").read_bytes()


def test_answer_of_a_server_loads_no_heavy_library(record: Path) -> None:
    code = (
        "import sys; from seds.cli import app\n"
        "app(['search', 'toy', 'a cat'], standalone_mode=False)\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'tqdm', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "score" in done.stdout


@pytest.mark.parametrize(
    "question", [ASKED, Question("", None, None, 1, None, 0), Question("a", None, None, 1, "sound", 0)]
)
def test_what_a_server_rejects_is_left_to_the_command(record: Path, question: Question) -> None:
    assert (running.ask("toy", question) is not None) == (question == ASKED)


def test_file_for_the_command_is_its_users_alone(record: Path) -> None:
    assert record.parent.stat().st_mode & 0o777 == 0o700


def test_requests_without_the_key_are_not_answered(served: Served, record: Path) -> None:
    query: dict[str, object] = {"q": "a", "k": 1, "explained": 0}
    key = json.loads(record.read_text())["key"]
    assert [served.get(running.ANSWER, query, Seds_Key=k).status for k in ("", key[:-1], key)] == [404, 404, 200]
    assert served.get(running.ANSWER, query).status == 404
    assert served.get(running.ANSWER, query, Seds_Key=key, Host="evil.example").status == 421


@pytest.mark.parametrize("path", ["index/toy/index.json", "models/toy/seds.safetensors", "params.yaml"])
def test_server_with_other_files_than_the_disks_is_left(record: Path, path: str) -> None:
    before = Path(path).stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    try:
        assert running.ask("toy", ASKED) is None
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert running.ask("toy", ASKED) is not None


@pytest.mark.parametrize("broken", ["", "[]", "{", '{"host": 1}'])
def test_file_that_is_no_record_is_left(record: Path, broken: str) -> None:
    whole = record.read_text()
    record.write_text(broken)
    try:
        assert running.ask("toy", ASKED) is None
    finally:
        record.write_text(whole)


def test_file_of_a_dead_server_is_left(record: Path, tmp_path: Path) -> None:
    """Of one that was killed, there is no lock."""
    for folder in ("index", "models"):
        (tmp_path / folder).symlink_to(Path(folder).resolve())
    left = tmp_path / "work/serve/toy/clips-left"
    left.mkdir(parents=True, mode=0o700)
    (left / "lock").touch()
    found = json.loads(record.read_text()) | {"version": running.opened("toy", tmp_path)}
    (left / "server.json").write_text(json.dumps(found))
    assert running.ask("toy", ASKED, tmp_path) is None
    holder = subprocess.Popen(["flock", left / "lock", "sleep", "60"])
    try:
        while running.ask("toy", ASKED, tmp_path) is None:
            assert holder.poll() is None
        left.chmod(0o755)
        assert running.ask("toy", ASKED, tmp_path) is None, "others may have written it"
    finally:
        holder.kill()
        holder.wait()


def test_server_that_hangs_is_not_waited_for(served: Served, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running, "_PATIENCE_S", 0.2)
        os.kill(served.process.pid, signal.SIGSTOP)
        try:
            assert running.ask("toy", ASKED) is None
        finally:
            os.kill(served.process.pid, signal.SIGCONT)
    assert running.ask("toy", ASKED) is not None
