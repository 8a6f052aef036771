"""Who may use the server: tokens on networks, nobody's on this machine's own address; encryption."""

import datetime
import ipaddress
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from helpers.served import Served

from seds.serve import running
from seds.serve.server import Lock, ServeError, bind

SECRETS = ("/", "/api/search?q=a", "/media?video=plain", "/poster?video=plain", "/static/main.js", "/nothing")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def locked(served: Served) -> Iterator[Served]:
    server = Served(served.root, served.clip, "--host", "0.0.0.0")
    yield server
    server.close()


def test_network_address_needs_the_printed_token(locked: Served) -> None:
    assert len(locked.token) >= 32
    for target in SECRETS:
        for headers in ({}, {"Cookie": f"seds-{locked.port}=x"}, {"Authorization": "Bearer x"}, {"Authorization": "é"}):
            assert locked.ask("GET", target, None, headers).status == 401, (target, headers)
    assert locked.get("/", {"token": locked.token[:-1]}).status == 401
    assert locked.get("/api/search", {"q": "a", "token": locked.token}).status == 401, "only the page takes it there"
    assert locked.post(b"x").status == 401


def test_first_visit_leaves_a_cookie_for_the_others(locked: Served) -> None:
    first = locked.get("/", {"q": "a cat & dog", "token": locked.token})
    assert (first.status, first.headers["location"]) == (303, "/?q=a+cat+%26+dog")
    cookie = first.headers["set-cookie"]
    assert re.search(r"; HttpOnly; Path=/; SameSite=lax$", cookie)
    assert "default-src 'none'" in first.headers["content-security-policy"]
    for target in SECRETS[:-1]:
        assert locked.ask("GET", target, None, {"Cookie": f"other=1; {cookie.split(';')[0]}"}).status == 200, target


def test_token_in_a_header_is_enough_for_programs(locked: Served) -> None:
    answer = locked.get("/api/search", {"q": "a"}, Authorization=f"Bearer {locked.token}")
    assert (answer.status, "error" in answer.json) == (200, False)
    other = locked.get("/api/search", {"q": "a"}, Authorization=f"Bearer {locked.token}", Host="evil.example")
    assert other.status == 421, "a token opens nothing to other sites"


def test_command_of_the_servers_user_needs_no_token(locked: Served) -> None:
    (record,) = (
        found
        for path in locked.root.glob("work/serve/toy/*/server.json")
        if (found := json.loads(path.read_text()))["address"] == ["127.0.0.1", locked.port]
    )
    query: dict[str, object] = {"q": "a", "k": 1, "explained": 0}
    own = {running.KEY.replace("-", "_"): record["key"]}
    assert locked.get(running.ANSWER, query, **own).status == 401, "a stranger to the network"
    assert locked.get(running.ANSWER, query, **own, Authorization=f"Bearer {record['token']}").status == 200


def test_loopback_address_needs_no_token(served: Served) -> None:
    assert served.token is None
    assert served.get("/").status == 200


@pytest.mark.parametrize(
    ("host", "lock", "needed"),
    [
        ("127.0.0.1", Lock(), False), ("127.0.0.5", Lock(), False), ("0.0.0.0", Lock(), True),
        ("0.0.0.0", Lock(open=True), False), ("127.0.0.1", Lock(token="chosen-by-me"), True),
    ],
)  # fmt: skip
def test_token_is_needed_but_on_loopback(host: str, lock: Lock, needed: bool) -> None:
    with bind(host, 0) as listener:
        access = lock.access(listener)
        assert (access is not None) == needed
        if access and lock.token:
            assert access.token == lock.token
        if access and not lock.token:
            again = lock.access(listener)
            assert again is not None
            assert again.token != access.token


def write_certificate(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now.replace(year=2100))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return paths


def test_certificate_and_key_encrypt_what_is_sent(served: Served, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    options = ["--certificate", str(certificate), "--key", str(key), "--token", "chosen-by-me"]
    server = Served(served.root, served.clip, *options)
    try:
        assert server.url.startswith("https://127.0.0.1:")
        first = server.get("/", {"token": "chosen-by-me"})
        assert (first.status, first.headers["location"]) == (303, "/")
        assert "; Secure" in first.headers["set-cookie"]
    finally:
        server.close()


def test_lock_names_options_that_do_not_fit(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, encrypted = write_certificate(tmp_path / "other", b"secret")
    for lock, message in (
        (Lock(token="chosen-by-me", open=True), "exclude each other"),
        (Lock(token="short"), "expected 8 to 200 letters"),
        (Lock(token="with a blank"), "expected 8 to 200 letters"),
        (Lock(certificate=certificate), "belong together"),
        (Lock(key=key), "belong together"),
        (Lock(certificate=tmp_path / "none.pem", key=key), "No such file"),
        (Lock(certificate=certificate, key=encrypted), "no password"),
        (Lock(certificate=key, key=certificate), "not a certificate and its key"),
    ):
        with pytest.raises(ServeError, match=message):
            lock.check()
    Lock(certificate=certificate, key=key).check()
