"""Clips uploaded to the real server: good ones give sentences, bad ones errors, and no file stays."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.films import film
from helpers.served import SIGNED, Served, write_mpeg4

from seds import video
from seds.search.gallery import Gallery
from seds.serve import clip_worker

MB = 1 << 20


def files_below(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file() and path.name != "server.log"}


@pytest.mark.slow
def test_a_clip_gives_the_gallerys_sentences_as_others_wait(served: Served, tmp_path: Path) -> None:
    clip = write_mpeg4(tmp_path / "signer.mp4", video.frames(served.clip), fps=12)
    grey = film(tmp_path / "grey.mp4").read_bytes()
    before, scratch_before = files_below(served.root), served.scratch()
    first = served.post(clip.read_bytes(), Content_Disposition='attachment; filename="../../../../tmp/evil.mp4"')
    assert first.status == 202
    others = [served.post(grey) for _ in range(2)]  # while the first one's extraction starts
    assert [other.status for other in others] == [202, 202]
    assert [other.json["before"] for other in others] == [1, 2]
    too_many = served.post(grey)
    assert too_many.status == 429
    assert int(too_many.headers["retry-after"]) > 0
    assert served.get("/api/why", {"q": "a cat", "clip": first.json["clip"]}).status == 409

    ready = served.finished(first.json["clip"], k=5)
    gallery = Gallery.open("toy", served.root)
    extracted = clip_worker.read(clip_worker.build(gallery.extractors())({"path": str(clip)}, lambda _: None))
    encoded = gallery.encode_extracted(clip, extracted)
    expected = gallery.search_video(encoded, 5)
    assert [r["text"] for r in ready.json["results"]] == [hit.text for hit in expected]
    assert [r["score"] for r in ready.json["results"]] == pytest.approx([hit.score for hit in expected], abs=1e-3)
    assert ready.json["seconds"] == pytest.approx(SIGNED / 12)
    pose = served.get(f"/api/clips/{first.json['clip']}", {"k": 5, "stream": "pose"}).json["results"]
    assert [r["text"] for r in pose] == [hit.text for hit in gallery.search_video(encoded, 5, "pose")]
    why = served.get("/api/why", {"q": "a cat", "clip": first.json["clip"]}).json
    expected_why = gallery.explain_clip("a cat", encoded)
    assert sum(map(sum, why["weights"])) == pytest.approx(expected_why.weights.sum(), abs=0.01)

    assert ready.json["film"], "browsers do not play MPEG-4 part 2"
    played = served.get("/media", {"clip": first.json["clip"]}, Range="bytes=4-7")
    assert (played.status, played.headers["content-type"], played.body) == (206, "video/mp4", b"ftyp")
    for other in others:
        failed = served.finished(other.json["clip"])
        assert failed.status == 422
        assert "no hand is visible in any of its 12 frames" in failed.json["error"]
        assert "clip-" not in failed.json["error"], "its name here is nobody's business"
    left = files_below(served.root) - before
    assert {path.suffix for path in left} <= {".mp4"}, left
    assert len(left) == 1, "the film of the first clip alone"
    assert set(served.scratch()) - set(scratch_before) == {next(iter(left)).name}


@pytest.mark.slow
def test_a_playable_clip_is_played_as_it_is(served: Served) -> None:
    whole = served.clip.read_bytes()
    number = served.post(whole).json["clip"]
    assert served.finished(number).json["film"]
    for _ in range(2):
        played = served.get("/media", {"clip": number})
        assert (played.status, played.headers["content-type"], played.body) == (200, "video/mp4", whole)


def refused(served: Served, body: object, **headers: str) -> tuple[int, str]:
    before = served.scratch()
    answer = served.post(body, **headers)
    assert 400 <= answer.status < 500, answer
    assert served.scratch() == before, "its file is gone"
    return answer.status, answer.json["error"]


@pytest.mark.parametrize("body", [b"<html><script>alert(1)</script></html>", b"\0" * 5000, b"#EXTM3U\n/etc/passwd\n"])
def test_files_that_are_not_videos_are_rejected(served: Served, body: bytes) -> None:
    assert refused(served, body) == (422, "this clip cannot be used: it is not a readable video")


def test_images_and_empty_files_are_rejected(served: Served, tmp_path: Path) -> None:
    assert refused(served, b"") == (422, "the file is empty (0 bytes)")
    picture = served.get("/poster", {"video": "plain"}).body
    assert refused(served, picture)[0] == 422


@pytest.mark.parametrize("kind", ["text/html", "multipart/form-data; boundary=x", "image/png", "", "x" * 5000])
def test_other_content_types_are_rejected(served: Served, kind: str) -> None:
    assert refused(served, b"x", Content_Type=kind)[0] == 415


def test_large_frames_are_rejected_without_decoding(served: Served, tmp_path: Path) -> None:
    large = write_mpeg4(tmp_path / "large.mp4", [np.zeros((2048, 4096, 3), np.uint8)])
    assert large.stat().st_size < 200_000
    status, words = refused(served, large.read_bytes())
    assert status == 422
    assert "more than 262,144 pixels" in words


def test_too_many_frames_are_rejected_without_decoding(served: Served, tmp_path: Path) -> None:
    images = [np.zeros((16, 16, 3), np.uint8)] * 20_000
    bomb = write_mpeg4(tmp_path / "bomb.mp4", images, fps=10_000)
    assert bomb.stat().st_size < MB
    assert refused(served, bomb.read_bytes()) == (422, "this clip cannot be used: it has more than 300 frames")
    long = write_mpeg4(tmp_path / "long.mp4", images[:200], fps=1)
    assert refused(served, long.read_bytes()) == (422, "this clip cannot be used: it is longer than 10 s")


@pytest.mark.slow
def test_two_gigabytes_are_rejected_declared_or_streamed(served: Served) -> None:
    before = served.scratch()
    began = time.monotonic()
    with connected(served) as connection:
        connection.sendall(head(served, "Content-Length: 2147483648"))
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 3

    def endless() -> Iterator[bytes]:
        for _ in range(2048):
            yield b"x" * MB

    # Somebody who does not stop sending may find the connection closed before he reads why.
    with suppress(BrokenPipeError, ConnectionResetError):
        assert served.post(endless()).status == 413
    wait_for(lambda: served.scratch() == before)
    assert served.get("/api/search", {"q": "still there"}).status == 200


@pytest.mark.slow
def test_interrupted_uploads_leave_no_file_and_block_nobody(served: Served) -> None:
    before = served.scratch()
    slow = connected(served)
    slow.sendall(head(served, "Content-Length: 1000") + b"x")
    for _ in range(4):  # more than may be on their way at a time
        with connected(served) as gone:
            gone.sendall(head(served, "Content-Length: 1000") + b"x" * 500)
            time.sleep(0.1)
    wait_for(lambda: len(served.scratch()) == len(before) + 1)  # the slow one's alone
    with slow:
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    wait_for(lambda: served.scratch() == before)
    assert refused(served, b"no video")[0] == 422, "there is room again"
    assert "Traceback" not in served.log.read_text()


def test_an_unknown_clip_is_not_found(served: Served) -> None:
    for path, query in (("/api/clips/abc", {}), ("/media", {"clip": "abc"}), ("/api/why", {"q": "a", "clip": "abc"})):
        answer = served.get(path, query)
        assert answer.status == 404
        assert "has expired" in answer.json["error"]
    assert served.get("/media", {"clip": "abc", "video": "plain"}).status == 422


def connected(served: Served) -> socket.socket:
    return socket.create_connection((served.host, served.port), timeout=20)


def head(served: Served, *lines: str) -> bytes:
    fixed = ("POST /api/clips HTTP/1.1", f"Host: {served.host}:{served.port}", f"Origin: {served.url[:-1]}")
    return "\r\n".join((*fixed, "Content-Type: video/mp4", *lines, "", "")).encode()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)
