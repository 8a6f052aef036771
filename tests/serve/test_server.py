"""Starting: the port, the URL, its names; connections that never come to the point."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner

from seds.cli import app
from seds.serve import server
from seds.serve.security import Access, known_host
from seds.serve.server import HeaderTimeoutProtocol, Lock, ServeError, bind, urls


def test_a_busy_port_is_reported_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port} of 127.0.0.1 is in use .* --port"):
            bind("127.0.0.1", port)
        result = CliRunner().invoke(app, ["serve", "demo", "--port", str(port)])
    assert result.exit_code == 1
    assert f"error: port {port} of 127.0.0.1 is in use" in result.output
    result = CliRunner().invoke(app, ["serve", "demo", "--port", "0"])
    assert result.exit_code == 1
    assert "dvc repro index@demo" in result.output, "there is no index here, and how to make one"


@pytest.mark.parametrize("host", ["no such host.", "256.0.0.1", "8.8.8.8", "\udcff"])
def test_bind_names_an_address_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(ServeError, match=r"is not an address of this machine|cannot listen"):
        bind(host, 0)


def test_urls_can_be_opened_here_and_elsewhere() -> None:
    with bind("0.0.0.0", 0) as listener:
        port = listener.getsockname()[1]
        here, elsewhere = urls(listener, "0.0.0.0", None, Lock())
        assert here == f"http://127.0.0.1:{port}/"
        assert elsewhere == f"http://{socket.gethostname()}:{port}/"
        assert urls(listener, "::1", None, Lock()) == [f"http://[::1]:{port}/"]
        access = Access("abc", "seds", secure=True)
        assert urls(listener, "::1", access, Lock(certificate=Path("c"))) == [f"https://[::1]:{port}/?token=abc"]


@pytest.mark.parametrize(
    ("host", "known"),
    [("seds.example", True), ("SEDS.example:80", True), ("seds.example.", True), ("example", False), ("[::1", False)],
)
def test_known_host_accepts_the_names_of_params(host: str, known: bool) -> None:
    assert known_host(host.lower(), {"seds.example"}) == known


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The protocol on a small application, with little patience; its port."""
    monkeypatch.setattr(server, "_HEADERS_S", 1.0)

    async def hello(scope, receive, send) -> None:
        await asyncio.sleep(1.5 if scope["path"] == "/slow" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(hello, http=HeaderTimeoutProtocol, ws="none", lifespan="off", log_level="error")
    running_server = uvicorn.Server(config)
    thread = threading.Thread(target=running_server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:  # or a test that fails would leave a thread for which the whole run waits
        running_server.should_exit = True
        thread.join(60)
        listener.close()


@pytest.mark.slow
def test_slow_headers_time_out_but_slow_responses_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch) as port:

        def ask(*parts: bytes) -> bytes:
            """All that is said until the server closes the connection."""
            said = b""
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                try:
                    for part in parts:
                        connection.sendall(part)
                        time.sleep(0.1)
                    while more := connection.recv(1000):
                        said += more
                except (BrokenPipeError, ConnectionResetError):
                    pass
            return said

        kept = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        head = kept.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert ask(head).endswith(b"hello")
        assert ask(head[:10], head[10:]).endswith(b"hello"), "in time"
        assert ask(b"") == b"", "nothing at all"
        assert ask(*(b"GET / HTTP/1.1\r\nX: " + b"y" for _ in range(30))) == b"", "a byte now and then"
        assert ask(head.replace(b"/ ", b"/slow ", 1)).endswith(b"hello"), "the answer may take its time"
        assert ask(kept, head[:10]).count(b"hello") == 1, "the second head was waited for in vain"
