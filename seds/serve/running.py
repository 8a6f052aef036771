"""How `seds search` finds a server of the same corpus on this machine, which has everything in memory already.

A server writes where it listens into its scratch folder, which its user alone can read and which goes when it ends.
Whoever cannot read the file has not the key, and is not answered. What the server has opened must be what lies on the
disk now, the code included, or its answers would be old ones.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from seds.search.answer import Answer, Question, from_json
from seds.serve.scratch import in_use
from seds.system.files import digest, write_json

FOLDER = Path("work/serve")  # has a folder for each corpus
ANSWER = "/api/answer"
KEY = "Seds-Key"  # the header that the user's own requests have
_FILE = "server.json"
_PATIENCE_S = 3.0  # about as long as the search takes without a server
_CODE = Path(__file__).parents[1]


def opened(dataset: str, root: Path) -> str:
    """64 hex digits for all that decides the answers: the index, the model, params.yaml and the code, as they are now.

    By inode, size and time of the files: reading a large model takes as long as opening it.
    """
    root = root.resolve()
    files = [root / "params.yaml", *(root / "index" / dataset).glob("*"), *(root / "models" / dataset).glob("*.*")]
    found = []
    for path in sorted([*files, *_CODE.rglob("*.py")]):
        with suppress(FileNotFoundError):
            state = path.stat()
            found.append([str(path), state.st_ino, state.st_size, state.st_mtime_ns])
    return digest(found)


def announce(scratch: Path, address: tuple[str, int], token: str | None, key: str, version: str) -> None:
    """Let `seds search` of this user find the server whose scratch folder this is.

    token: of visitors, None where they need none. key: of the user's own requests. version: what `opened` said before
    the server opened it.
    """
    record = {"host": socket.gethostname(), "address": address, "pid": os.getpid(), "token": token, "key": key}
    write_json(scratch / _FILE, record | {"version": version})


def new_key() -> str:
    return secrets.token_urlsafe(24)


def ask(dataset: str, question: Question, root: Path = Path()) -> Answer | None:
    """The answer of a running server; None where there is none, or none that answers soon and without an error."""
    record = next(_records(root / FOLDER / dataset, opened(dataset, root)), None)
    if record is None:
        return None
    asked = {"q": question.text, "video": question.video, "like": question.like, "stream": question.stream}
    asked |= {"k": str(question.k), "explained": str(question.explained)}
    query = urlencode({name: value for name, value in asked.items() if value is not None}, errors="surrogatepass")
    headers = {KEY: record["key"]} | ({"Authorization": f"Bearer {record['token']}"} if record["token"] else {})
    host, port = record["address"]
    try:
        with closing(HTTPConnection(host, port, timeout=_PATIENCE_S)) as connection:
            connection.request("GET", f"{ANSWER}?{query}", headers=headers)
            response = connection.getresponse()
            return from_json(json.loads(response.read())) if response.status == 200 else None
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None


def _records(folder: Path, version: str) -> Iterator[dict[str, Any]]:
    """What servers that live on this machine have written, of those that have opened this version."""
    for scratch in in_use(folder):
        with suppress(OSError, ValueError, KeyError, TypeError):
            record: dict[str, Any] = json.loads((scratch / _FILE).read_text(encoding="utf-8"))
            if (record["host"], record["version"]) == (socket.gethostname(), version):
                yield record
