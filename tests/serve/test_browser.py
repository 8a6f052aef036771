"""The page in a real browser: typing, clicking, playing, dropping files; by mouse and keyboard, wide and narrow.

One browser for all of it, Debian's chromium without a window, and one server.
"""

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from helpers.films import film
from helpers.served import HOSTILE, Served

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 180_000  # machines may be busy
# Where videos stood when they began to play, were paused or set: a state may have come and gone before one looks.
RECORD_EVENTS = """
  window.happened = {play: [], pause: [], seeking: []};
  for (const [kind, times] of Object.entries(happened))
    document.addEventListener(kind, (event) => times.push(event.target.currentTime), {capture: true});
"""

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")]
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, served: Served) -> Iterator["sync_api.Page"]:
    """A page 1280 px wide, on which nothing may go wrong and which may ask nobody but the server."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda r: None if r.url.startswith((served.url, "data:")) else wrong.append(r.url))
    page.add_init_script(RECORD_EVENTS)
    yield page
    context.close()
    assert wrong == []


def search(page, served: Served, text: str) -> None:
    page.goto(served.url)
    page.fill("#q", text)
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")


def result(page, text: str):
    """The result whose sentence is `text`."""
    return page.locator(".result").filter(has=page.get_by_text(text, exact=True))


def wait_until_time(page, least: float, selector: str = ".result video") -> None:
    page.wait_for_function(
        "([s, t]) => document.querySelector(s)?.currentTime > t", arg=[selector, least], timeout=PATIENCE_MS
    )


def happened(page, kind: str) -> list[float]:
    """s of the file, at each event."""
    return page.evaluate("kind => window.happened[kind]", kind)


def wait_for_one_more(page, kind: str, before: list[float]) -> float:
    """Its time in the file."""
    page.wait_for_function("([kind, n]) => window.happened[kind].length > n", arg=[kind, len(before)])
    return happened(page, kind)[len(before)]


def pause(page, selector: str = ".result video") -> None:
    """Whether or not it had come to its end."""
    page.eval_on_selector(
        selector,
        """video => new Promise(resolve => {
          if (video.paused) return resolve();
          video.addEventListener("pause", resolve, {once: true});
          video.pause();
        })""",
    )


def test_what_is_shown_is_downloaded(page, served: Served) -> None:
    search(page, served, "a sentence of plain")
    page.click("#more")
    page.wait_for_function("() => document.querySelectorAll('.result').length === 16")
    with page.expect_download() as download:
        page.click("#save-table")
    assert download.value.suggested_filename == "videos.csv"
    content = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert len(list(csv.DictReader(content.splitlines()))) >= 16
    with page.expect_download() as download:
        page.click("#save-places")
    assert download.value.suggested_filename == "videos.zip"
    assert "long.eaf" in zipfile.ZipFile(download.value.path()).namelist()
    page.goto(f"{served.url}?video=cut-b")
    page.wait_for_selector(".result")
    assert not page.is_visible("#save-places")
    with page.expect_download() as download:
        page.click("#save-table")
    assert Path(download.value.path()).read_text(encoding="utf-8-sig").startswith("rank,score,sentence_id")
    page.click("#home")
    page.wait_for_selector("#save", state="hidden")


def test_search_results_play_and_show_why(page, served: Served) -> None:
    search(page, served, "a sentence of plain")
    assert page.url == f"{served.url}?q=a+sentence+of+plain"
    assert page.locator(".result").count() == 10
    assert "Best 10 videos" in page.inner_text("#status")
    page.click("#more")
    page.wait_for_function("() => document.querySelectorAll('.result').length === 16")
    plain = result(page, "a sentence of plain")
    assert plain.locator(".meta").inner_text() == "signer A · test · 2.4 s"
    plain.scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.images].filter(i => i.complete && i.naturalWidth).length > 3")
    plain.locator(".thumb").click()
    wait_until_time(page, 0.3)

    plain.get_by_role("button", name="Why this video").click()
    page.wait_for_selector(".row")
    words = page.locator(".row button")
    assert words.locator("bdi").all_inner_texts() == ["a", "sentence", "of", "plain"]
    pause(page)
    pauses = happened(page, "pause")
    words.nth(1).click()
    paused = wait_for_one_more(page, "pause", pauses)
    end = float(words.nth(1).locator("small").inner_text().split("–")[1].split()[0])
    assert end - 0.1 < paused < end + 0.4
    assert "percent of its weight" in page.locator(".strip svg").nth(1).get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert page.locator("video").count() == 0
    assert plain.locator(".thumb").evaluate("button => button === document.activeElement")


def test_a_negative_score_has_a_bar_to_the_left_of_zero(page, served: Served) -> None:
    def lower(route) -> None:
        answer = route.fetch()
        body = answer.json()
        for i, result in enumerate(body["results"]):
            result["score"] = 6.0 - i
        route.fulfill(response=answer, json=body)

    page.route("**/api/search*", lower)
    search(page, served, "a sentence of plain")
    bars = page.locator(".fill").evaluate_all(
        "all => all.map(bar => [bar.x.baseVal.value, bar.width.baseVal.value, bar.classList.contains('below')])"
    )
    expected = [(min(0, score), abs(score), score < 0) for score in range(6, -4, -1)]  # -3 to 6: nine steps
    assert bars == [
        [pytest.approx(100 * (low + 3) / 9, abs=1e-3), pytest.approx(100 * length / 9, abs=1e-3), below]
        for low, length, below in expected
    ]


def test_a_cut_plays_its_part_of_the_file(page, served: Served) -> None:
    search(page, served, "cut")
    page.click("#more")
    result(page, "a sentence of cut-b").locator(".thumb").click()
    assert wait_for_one_more(page, "play", []) >= 4.8
    assert 7.1 <= wait_for_one_more(page, "pause", []) < 7.6
    seeks = happened(page, "seeking")
    page.eval_on_selector("video", "video => video.play()")
    assert wait_for_one_more(page, "seeking", seeks) == pytest.approx(4.8), "it begins again at the start of the cut"


@pytest.mark.parametrize("video", ["folder", "mpeg4"])
def test_an_unplayable_video_is_transcoded_and_plays(page, served: Served, video: str) -> None:
    page.goto(f"{served.url}?video={video}")
    page.wait_for_selector("#query-video video")
    page.eval_on_selector("#query-video video", "video => video.play()")
    wait_until_time(page, 0.2, "#query-video video")


def test_a_video_that_cannot_be_shown_says_why(page, served: Served) -> None:
    page.goto(f"{served.url}?video=broken")
    page.wait_for_selector("#query-video .trouble:not([hidden])")
    assert page.inner_text("#query-video .trouble") == "This video's file cannot be decoded."
    assert page.locator(".result").count() == 10, "its sentences are there all the same"


def test_links_lead_from_video_to_sentence_and_back(page, served: Served) -> None:
    search(page, served, "a sentence of cut-a")
    first = page.locator(".result").first
    sentence = first.locator(".text").inner_text()
    first.get_by_role("link", name="Sentences for this video").click()
    page.wait_for_selector(".result.sentence")
    assert "?video=" in page.url
    assert page.locator(".result.sentence").count() == 10
    own = page.locator(".own-sentence")
    assert own.count() <= 1
    page.locator(".result .thumb").first.click()
    wait_until_time(page, 0.1)
    page.locator(".result").first.get_by_role("button", name="Why this sentence").click()
    page.locator(".row button").first.click()
    wait_until_time(page, 0.05, "#query-video video")
    assert page.eval_on_selector(".result video", "video => video.paused"), "one at a time"
    page.locator(".result").nth(1).get_by_role("link", name="Videos for this sentence").click()
    page.wait_for_selector(".result:not(.sentence)")
    page.go_back()
    page.wait_for_selector(".result.sentence")
    page.go_back()
    page.wait_for_selector(".result:not(.sentence)")
    assert page.input_value("#q") == "a sentence of cut-a"
    assert page.locator(".result .text").first.inner_text() == sentence
    page.get_by_text("pose only").click()
    page.wait_for_url("**stream=pose")
    page.go_back()
    page.wait_for_function("() => document.querySelector('[name=stream]').checked")


def test_the_video_requested_last_plays(page, served: Served) -> None:
    page.goto(f"{served.url}?video=plain")
    page.wait_for_function("() => document.querySelector('#query-video video')?.readyState > 0")
    held: list[sync_api.Route] = []
    page.route("**/api/film*", lambda route: held.append(route))
    page.locator(".result .thumb").first.click()
    page.wait_for_selector(".result video")
    page.eval_on_selector("#query-video video", "video => video.play()")
    wait_until_time(page, 0.1, "#query-video video")
    held[0].continue_()
    page.wait_for_function("() => document.querySelector('.result video').readyState > 1")
    assert page.eval_on_selector(".result video", "video => video.paused"), "it was asked for earlier and loaded later"
    assert len(happened(page, "play")) == 1


def test_the_keyboard_is_enough(page, served: Served) -> None:
    page.goto(served.url)
    page.wait_for_function("() => document.activeElement.id === 'q'")
    page.keyboard.type("a sentence")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")

    def focused() -> int:
        return page.evaluate(
            "[...document.querySelectorAll('.result')].findIndex(r => r.contains(document.activeElement))"
        )

    page.keyboard.press("ArrowDown")
    assert focused() == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert focused() == 1
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "where one is can be seen"
    page.keyboard.press("Enter")
    page.wait_for_selector(".result:nth-child(2) video")
    page.keyboard.press("n")
    page.wait_for_selector(".result:nth-child(3) video")
    assert (focused(), page.locator("video").count()) == (2, 1)
    page.keyboard.press("p")
    page.wait_for_selector(".result:nth-child(2) video")
    page.keyboard.press("w")
    page.wait_for_selector(".result:nth-child(2) .row")
    page.keyboard.press("Escape")
    assert (focused(), page.locator("video").count()) == (1, 0)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("wnp/")
    assert page.input_value("#q") == "wnp/", "in the box, keys are letters"
    for control in page.locator("button, a, input, summary, video").all():
        name = control.evaluate("e => e.ariaLabel || e.innerText || e.labels?.[0]?.innerText || ''")
        assert name.strip(), f"a name for screen readers: {control.evaluate('e => e.outerHTML')}"


def test_an_uploaded_clip_plays_and_gives_sentences(page, served: Served) -> None:
    page.goto(served.url)
    page.set_input_files("#file", served.clip)
    page.wait_for_selector("#upload progress")
    page.wait_for_selector("#query-video video")
    assert "?clip=" in page.url
    assert page.locator(".result.sentence").count() == 10
    page.eval_on_selector("#query-video video", "video => video.play()")
    wait_until_time(page, 0.3, "#query-video video")
    page.locator(".result").first.get_by_role("button", name="Why this sentence").click()
    page.wait_for_selector(".row")
    page.reload()
    page.wait_for_selector("#query-video video")
    page.eval_on_selector("#query-video video", "video => video.play()")
    wait_until_time(page, 0.3, "#query-video video")
    assert page.locator("#query-video .trouble").is_hidden()

    def without_film(route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"film": False})

    page.route("**/api/clips/*", without_film)
    page.reload()
    page.wait_for_selector(".result.sentence")
    assert "This clip cannot be played, but its results are shown." in page.inner_text("#query-video .trouble")


def test_invalid_clips_chosen_or_dropped_are_rejected(page, served: Served, tmp_path: Path) -> None:
    page.goto(served.url)
    (tmp_path / "page.mp4").write_text("<script>alert(1)</script>")
    page.set_input_files("#file", tmp_path / "page.mp4")
    page.wait_for_selector("#error:not([hidden])")
    assert page.inner_text("#error") == "This clip cannot be used: it is not a readable video."
    large = film(tmp_path / "large.mp4")
    with large.open("ab") as file:
        file.truncate(3 << 20)
    page.set_input_files("#file", large)
    page.wait_for_function("() => document.getElementById('error').innerText.includes('larger than the limit of 2 MB')")
    drop = """() => {
      const files = new DataTransfer();
      files.items.add(new File(["no video"], "../../x.mp4", {type: "video/mp4"}));
      for (const kind of ["dragenter", "drop"])
        document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop)
    page.wait_for_function("() => document.getElementById('error').innerText.includes('not a readable video')")
    assert not page.locator("#drop").is_visible()


def test_bad_links_show_an_error(page, served: Served) -> None:
    for query, words in (
        ("video=nobody", "This index has no video with that id."),
        ("clip=nothing", "This clip has expired; drop it again."),
        ("q=a%00b", r"The query contains control characters: a\x00b."),
        ("q=a&stream=x", "Unknown stream 'x'; the model of toy has fusion, pose, rgb."),
    ):
        page.goto(f"{served.url}?{query}")
        page.wait_for_selector("#error:not([hidden])")
        assert page.inner_text("#error") == words
        assert page.locator(".result").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_a_hostile_corpus_is_text_and_fits_the_screen(page, served: Served, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})

    def fits() -> bool:
        return page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.goto(served.url)
    page.wait_for_selector("#start:not([hidden])")
    assert fits()
    search(page, served, HOSTILE[0])
    page.click("#more")
    page.wait_for_function("() => document.querySelectorAll('.result').length === 16")
    shown = page.locator(".result .text").all_inner_texts()
    assert {HOSTILE[0], HOSTILE[1], HOSTILE[4]} <= set(shown)
    assert page.evaluate("document.querySelectorAll('main script, main img[src=x]').length") == 0
    page.locator(".ask-why").first.click()
    page.wait_for_selector(".row")
    assert fits()
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[-1]):
        page.goto(f"{served.url}?{urlencode({'video': text})}")
        page.wait_for_selector(".result.sentence")
        assert fits()
    assert page.locator(".own-sentence").count() <= 1
