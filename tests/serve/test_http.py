"""The HTTP layer of the real server: responses, errors, ranges, headers. Nothing here needs a browser."""

import csv
import io
import json
import math
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest
from helpers.markup import Page
from helpers.served import HOSTILE, Served

from seds.corpora import eaf
from seds.search.alignment import cell_edges
from seds.search.gallery import Gallery
from seds.search.language_names import language_names
from seds.serve.security import HEADERS


@pytest.fixture(scope="module")
def gallery(served: Served) -> Gallery:
    return Gallery.open("toy", served.root)


def no_formula(text: str) -> str:
    """As a table has it."""
    return f"'{text}" if text.startswith("-") else text


def test_search_gives_what_the_gallery_gives(served: Served, gallery: Gallery) -> None:
    for stream in (None, *gallery.streams):
        query = {"q": "a sentence of plain", "k": 5} | ({"stream": stream} if stream else {})
        results = served.get("/api/search", query).json["results"]
        expected = gallery.search_text("a sentence of plain", 5, stream)
        assert [(r["rank"], r["video"]) for r in results] == [(hit.rank, hit.video_id) for hit in expected]
        assert [r["score"] for r in results] == pytest.approx([hit.score for hit in expected], abs=1e-4)
        assert {"text", "signer", "split", "seconds"} <= set(results[0])
        assert "path" not in results[0]


@pytest.mark.parametrize("video", ["cut-a", *HOSTILE])
def test_a_video_of_any_id_gives_its_sentences_and_why(served: Served, gallery: Gallery, video: str) -> None:
    answer = served.get("/api/video", {"video": video, "k": 3}).json
    assert answer["video"]["video"] == video
    expected = gallery.search_video(gallery.clip(video), 3)
    assert [r["score"] for r in answer["results"]] == pytest.approx([hit.score for hit in expected], abs=1e-4)
    for result, hit in zip(answer["results"], expected, strict=True):
        assert [v["video"] for v in result["videos"]] == list(hit.video_ids)
        assert result["own"] == (video in hit.video_ids)
    why = served.get("/api/why", {"q": "a small cat", "video": video}).json
    alignment = gallery.explain_clip("a small cat", gallery.clip(video))
    assert why["words"] == ["a", "small", "cat"]
    assert why["edges"] == pytest.approx(cell_edges(alignment.times), abs=1e-3)
    assert sum(map(sum, why["weights"])) == pytest.approx(alignment.weights.sum(), abs=0.01)
    assert [m["start"] for m in why["moments"]] == pytest.approx([m.start_s for m in alignment.moments])
    assert why["seconds"] == pytest.approx(2.4)


@pytest.mark.parametrize("video", ["cut-a", *HOSTILE[:3]])
def test_a_video_finds_videos_that_sign_like_it(served: Served, gallery: Gallery, video: str) -> None:
    query = {"video": video, "k": 3, "stream": "pose"}
    answer = served.get("/api/like", query).json
    expected = gallery.search_like(gallery.clip(video), 3, "pose")
    assert answer["video"]["video"] == video
    assert [(r["rank"], r["video"]) for r in answer["results"]] == [(hit.rank, hit.video_id) for hit in expected]
    why = served.get("/api/like/why", {"found": expected[0].video_id, "video": video}).json
    assert why["words"] == list(gallery.explain_like(gallery.clip(video), gallery.clip(expected[0].video_id)).words)
    table = served.get("/download/like.csv", query).body.decode("utf-8-sig")
    shown = [row["video_id"] for row in csv.DictReader(io.StringIO(table))]
    assert shown == [no_formula(hit.video_id) for hit in expected]
    for wrong in ({}, {"video": video, "clip": "x"}):
        assert served.get("/api/like", wrong).json["error"] == "give either video or clip"
    assert served.get("/api/like", {"video": "nothing"}).status == 404


def test_page_and_answers_say_what_the_model_reads(served: Served, gallery: Gallery) -> None:
    page = Page(served.get("/").body.decode())
    assert language_names(gallery.reading.languages) in page.texts["bdi"]
    assert "Cyrillic letters" in served.get("/api/search", {"q": "собака"}).json["warning"]
    assert served.get("/api/search", {"q": "a sentence of plain"}).json["warning"] == ""


REFUSED = [
    ({"q": ""}, "empty"),
    ({"q": " \t\n"}, "empty"),
    ({}, "q: Field required"),
    ({"q": "x" * 1001}, "1,001 characters"),
    ({"q": "a\0b"}, r"control characters: a\x00b"),
    ({"q": "a\x1b[2J"}, "control characters"),
    ({"q": "a", "k": 51}, "from 1 to 50"),
    ({"q": "a", "k": 10**30}, "from 1 to 50"),
    ({"q": "a", "k": 0}, "from 1 to 50"),
    ({"q": "a", "k": "nan"}, "k: "),
    ({"q": "a", "k": "1e400"}, "k: "),
    ({"q": "a", "k": "9" * 5000}, "k: "),
    ({"q": "a", "stream": "../pose"}, "has fusion, pose, rgb"),
]


@pytest.mark.parametrize(("query", "words"), REFUSED)
def test_hostile_queries_are_rejected_with_a_reason(served: Served, query: dict[str, object], words: str) -> None:
    answer = served.get("/api/search", query)
    assert answer.status == 422
    assert words in answer.json["error"]
    assert len(answer.body) < 1000


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_that_can_be_typed_is_a_query(served: Served, text: str) -> None:
    answer = served.get("/api/search", {"q": text, "k": 2})
    assert answer.status == (422 if "\x1b" in text else 200)


@pytest.mark.parametrize("raw", ["%ED%B0%80", "%FF", "%C0%AF", "a%80"])
def test_invalid_utf8_is_rejected(served: Served, raw: str) -> None:
    assert served.ask("GET", f"/api/search?q={raw}", None, {}).status == 400


def test_a_ten_megabyte_query_is_rejected_unread(served: Served) -> None:
    with socket.create_connection((served.host, served.port), timeout=10) as connection:
        connection.sendall(b"GET /api/search?q=")
        try:
            for _ in range(160):
                connection.sendall(b"x" * 65_536)
            sent_all = True
        except OSError:
            sent_all = False
        try:
            answer = connection.recv(1000)
        except ConnectionResetError:
            answer = b""
    assert not sent_all or answer.startswith(b"HTTP/1.1 400")
    assert served.get("/api/search", {"q": "still there"}).status == 200


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd", "/static/../config.py", "/static/%2e%2e%2fconfig.py", "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/media/../../../etc/passwd", "/docs", "/openapi.json", "/static/", "//etc/passwd", "/api/clips/..%2f..%2fetc",
    ],
)  # fmt: skip
def test_no_path_of_a_request_reaches_a_file(served: Served, target: str) -> None:
    answer = served.ask("GET", target, None, {})
    assert answer.status == 404
    assert "error" in answer.json


@pytest.mark.parametrize("video", ["../../../../etc/passwd", "/etc/passwd", "data/raw/toy/plain.mp4", "plain.mp4", ""])
def test_a_video_is_found_by_its_id_and_by_nothing_else(served: Served, video: str) -> None:
    for path in ("/media", "/poster", "/api/film", "/api/video"):
        assert served.get(path, {"video": video}).status == 404


def test_media_is_served_whole_and_in_ranges(served: Served) -> None:
    bytes_of = (served.root / "data/raw/toy/plain.mp4").read_bytes()
    size = len(bytes_of)

    def ask(**headers: str):
        return served.get("/media", {"video": "plain"}, **headers)

    whole = ask()
    assert (whole.status, whole.headers["content-type"], whole.body) == (200, "video/mp4", bytes_of)
    assert whole.headers["accept-ranges"] == "bytes"
    for range_, part in (
        ("bytes=0-0", bytes_of[:1]),
        ("bytes=100-199", bytes_of[100:200]),
        ("bytes=100-", bytes_of[100:]),
        ("bytes=-50", bytes_of[-50:]),
        (f"bytes=10-{size + 1000}", bytes_of[10:]),
        (f"bytes=-{size + 1000}", bytes_of),
    ):
        answer = ask(Range=range_)
        assert (answer.status, answer.body) == (206, part), range_
        start = bytes_of.index(part) if len(part) > 1 else 0
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{size}"
    for outside in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}", "bytes=-0", f"bytes=-0, {size}-{size}"):
        answer = ask(Range=outside)
        assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}"), outside
    partly = ask(Range=f"bytes={size}-, 20-29,")
    assert (partly.status, partly.body) == (206, bytes_of[20:30]), "what is there is sent"
    several = ask(Range="bytes=0-9,20-29")
    assert several.status == 206
    assert several.headers["content-type"].startswith("multipart/byteranges")
    assert bytes_of[:10] in several.body
    assert bytes_of[20:30] in several.body
    for senseless in (
        "bytes=5-2", "bytes=x-y", "lines=1-2", "bytes", "bytes=", "bytes=-", "bytes=1", "bytes=1-2-3", "bytes=0-1, x",
        "bytes=\u00b2-3", "bytes=" + "9" * 5000 + "-",
    ):  # fmt: skip
        assert (ask(Range=senseless).status, ask(Range=senseless).body) == (200, bytes_of), "to be ignored"
    assert ask(Range="bytes=" + "0-1," * 3000).status == 200, "too many to be meant"
    assert served.get("/media", {"video": "plain"}, method="HEAD", Range="bytes=0-9").status == 200
    same = {"Range": "bytes=0-9", "If_Range": whole.headers["etag"]}
    assert ask(**same).status == 206
    assert ask(**same | {"If_Range": whole.headers["last-modified"]}).status == 206
    assert ask(**same | {"If_Range": '"another"'}).status == 200
    assert ask(**same | {"If_Range": formatdate(0, usegmt=True)}).status == 200
    head = served.get("/media", {"video": "plain"}, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))


def test_a_cut_says_where_it_is_in_its_file(served: Served) -> None:
    assert served.get("/api/film", {"video": "cut-b"}).json == pytest.approx({"start": 4.8, "end": 7.2})
    assert served.get("/api/film", {"video": "plain"}).json == {"start": 0.0, "end": None}


@pytest.mark.parametrize("video", ["folder", "mpeg4"])
def test_an_unplayable_video_is_transcoded_once(served: Served, video: str) -> None:
    assert served.get("/api/film", {"video": video}).json == {"start": 0.0, "end": None}
    first = served.get("/media", {"video": video})
    assert first.headers["content-type"] == "video/mp4"
    assert first.body[4:8] == b"ftyp"
    again = served.get("/media", {"video": video})
    assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])


def test_posters_are_jpegs(served: Served) -> None:
    for video in ("plain", "cut-a", "folder", "mpeg4", "bare", *HOSTILE):
        answer = served.get("/poster", {"video": video})
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.body[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("video", "status", "words"),
    [("gone", 404, "no longer exists"), ("broken", 422, "cannot be decoded")],
)
def test_a_video_that_cannot_be_shown_says_why(served: Served, video: str, status: int, words: str) -> None:
    for path in ("/media", "/poster", "/api/film"):
        answer = served.get(path, {"video": video})
        assert answer.status == status
        assert words in answer.json["error"]
        assert str(served.root) not in answer.json["error"]


def test_keypoints_without_a_video_are_drawn_moving(served: Served) -> None:
    film = served.get("/media", {"video": "bare"})
    assert (film.status, film.headers["content-type"]) == (200, "video/mp4")
    assert served.get("/api/film", {"video": "bare"}).json == {"start": 0.0, "end": None}


def test_every_response_has_the_security_headers(served: Served) -> None:
    for path in ("/", "/static/main.js", "/api/search?q=a", "/media?video=plain", "/nothing", "/api/search"):
        headers = served.get(path).headers
        for name, value in HEADERS.items():
            assert headers[name.lower()] == value
        assert "server" not in headers
    assert served.get("/", Host="evil.example").headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:1234", 200), ("localhost:8000", 200), ("[::1]:80", 200), ("10.0.0.7", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:8000", 421), ("", 421),
        ("127.0.0.1@evil.example", 421), ("evil.example#127.0.0.1", 421), ("127.0.0.1:x", 421),
    ],
)  # fmt: skip
def test_requests_for_another_host_are_rejected(served: Served, host: str, status: int) -> None:
    assert served.get("/api/search", {"q": "a"}, Host=host).status == status


def test_other_sites_may_only_link_to_the_page(served: Served) -> None:
    for site in ("cross-site", "same-site"):
        assert served.get("/", {"q": "a"}, Sec_Fetch_Site=site).status == 200
        for path in ("/api/search?q=a", "/media?video=plain", "/static/main.js"):
            assert served.get(path, Sec_Fetch_Site=site).status == 403
    assert served.get("/api/search", {"q": "a"}, Sec_Fetch_Site="same-origin").status == 200
    assert served.get("/api/search", {"q": "a"}, Sec_Fetch_Site="none").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1", "file://"])
def test_clips_are_accepted_from_the_page_only(served: Served, origin: str) -> None:
    assert served.post(b"x", Origin=origin).status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_not_allowed(served: Served, method: str) -> None:
    assert served.ask(method, "/", None, {"Origin": served.url[:-1], "Content-Length": "0"}).status == 405


def test_a_get_with_a_body_is_rejected(served: Served) -> None:
    assert served.ask("GET", "/api/search?q=a", b"x" * 100, {}).status == 413


def test_the_page_is_self_contained_and_escapes_the_corpus(served: Served) -> None:
    answer = served.get("/")
    page = Page(answer.body.decode())
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.of("script") == [{"type": "module", "src": "/static/main.js"}]
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "action"):
            assert str(attributes.get(name, "/")).startswith(("/", "#"))
            assert not str(attributes.get(name, "/")).startswith("//")
    assert "random weights" in page.texts["strong"][0], "an honest word on the RGB features"
    assert "16 videos, 16 sentences" in page.texts["p"][0]
    for name in ("main", "net", "player", "results", "why", "clip"):
        script = served.get(f"/static/{name}.js")
        assert script.headers["content-type"].startswith("text/javascript")
        source = script.body.replace(b"http://www.w3.org/2000/svg", b"")  # a name, not an address
        for trick in (b"innerHTML", b"insertAdjacentHTML", b"http:", b"https:", b"eval("):
            assert trick not in source, name


def test_responses_are_strict_json(served: Served) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    body = served.get("/api/why", {"q": "a", "video": "plain"}).body
    assert math.isfinite(json.loads(body, parse_constant=refuse)["seconds"])


def test_two_hundred_concurrent_searches_are_all_answered(served: Served, gallery: Gallery) -> None:
    texts = [f"a sentence {number}" for number in range(200)]
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda text: served.get("/api/search", {"q": text, "k": 3}), texts))
    for answer in answers:
        assert answer.status == 200
        assert len(answer.json["results"]) == 3
    for text, answer in list(zip(texts, answers, strict=True))[::40]:
        expected = gallery.search_text(text, 3)
        assert [r["video"] for r in answer.json["results"]] == [hit.video_id for hit in expected], "its own answer"


def test_results_are_downloaded_as_a_table_without_paths(served: Served, gallery: Gallery) -> None:
    text = "a sentence of plain"
    answer = served.get("/download/videos.csv", {"q": text, "k": 16})
    assert answer.headers["content-disposition"] == "attachment"
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    hits = gallery.search_text(text, 16)
    assert [row["video_id"] for row in rows] == [no_formula(hit.video_id) for hit in hits]
    assert [row["text"] for row in rows] == [no_formula(hit.text) for hit in hits]
    assert "path" not in rows[0]
    answer = served.get("/download/sentences.csv", {"video": "cut-b", "k": 3})
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["text"] for row in rows] == [
        no_formula(hit.text) for hit in gallery.search_video(gallery.clip("cut-b"), 3)
    ]


def test_results_are_downloaded_as_elan_files(served: Served, tmp_path: Path) -> None:
    answer = served.get("/download/videos.zip", {"q": "a sentence of plain", "k": 16})
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {"README.txt", "long.eaf", "long.vtt", "long.search.vtt", "plain.eaf"} <= names
    tiers = {tier.name: tier.annotations for tier in eaf.read(tmp_path / "long.eaf").tiers}
    assert sorted((a.start_s, a.end_s) for a in tiers["sentences"]) == [(2.4, 4.8), (4.8, 7.2)]
    assert len(tiers["search"]) == 2
    assert str(served.root) not in (tmp_path / "long.eaf").read_text()


@pytest.mark.parametrize("path", ["videos.csv", "videos.zip", "sentences.csv"])
def test_downloads_of_nothing_say_why(served: Served, path: str) -> None:
    query = {"q": " ", "video": "none"}
    assert served.get(f"/download/{path}", query).status in (404, 422)
    assert served.get(f"/download/{path}", {"q": "a", "video": "plain", "k": 10_000}).status == 422
