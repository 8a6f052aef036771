"""Searching with a recording of the camera and with videos of the gallery, in a real browser whose camera is a file."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from helpers.served import Served

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 180_000

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")]
sync_api = pytest.importorskip("playwright.sync_api")


def write_camera(path: Path, clip: Path) -> Path:
    """The frames of a clip as Chromium's fake camera shows them, over and over: Y4M, 10 a second."""
    with av.open(str(clip)) as container, path.open("wb") as file:
        for i, frame in enumerate(container.decode(video=0)):
            if i == 0:
                file.write(f"YUV4MPEG2 W{frame.width} H{frame.height} F10:1 Ip A1:1 C420jpeg\n".encode())
            file.write(b"FRAME\n" + frame.to_ndarray(format="yuv420p").tobytes())
    return path


@pytest.fixture(scope="module")
def launch(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Opens the page in a browser of its own with those flags."""
    camera = write_camera(tmp_path_factory.mktemp("camera") / "signer.y4m", served.clip)
    fake = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
    with sync_api.sync_playwright() as playwright:
        browsers = []

        def start(*flags: str) -> "sync_api.Page":
            flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", *fake, *flags)
            browsers.append(playwright.chromium.launch(executable_path=CHROMIUM, args=list(flags)))
            page = browsers[-1].new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(served.url)
            return page

        yield start
        for browser in browsers:
            browser.close()


def test_recording_finds_videos_that_sign_alike(launch, served: Served) -> None:
    page = launch("--use-fake-ui-for-media-stream")
    page.focus("#record")
    page.keyboard.press("Enter")
    page.wait_for_selector("#camera", state="visible")
    page.wait_for_function("() => document.activeElement.textContent === 'Start recording'")
    assert page.eval_on_selector("#camera video", "video => video.srcObject.getVideoTracks().length") == 1
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('camera-text').textContent.startsWith('Recording. ')")
    page.wait_for_timeout(1500)  # of signing
    page.click("text=Stop and search")
    page.wait_for_selector(".result")
    assert "find=videos" in page.url
    assert page.inner_text("#query-video h2") == "Videos that sign like your clip"
    assert not page.is_visible("#camera")
    assert page.locator("#camera video").count() == 0, "the camera is off"
    page.wait_for_function("() => document.querySelector('#query-video video').readyState >= 1")
    page.locator(".ask-why").first.click()
    page.wait_for_selector(".map .row")
    assert page.locator(".why h3").inner_text() == "Which seconds are alike"
    page.click("text=Sentences for it")
    page.wait_for_selector(".result.sentence")
    assert page.inner_text("#query-video h2") == "Sentences for your clip"


def test_recording_is_cancelled_by_escape_and_refused_clearly(launch) -> None:
    page = launch("--use-fake-ui-for-media-stream")
    page.click("#record")
    page.wait_for_function("() => document.activeElement.textContent === 'Start recording'")
    page.keyboard.press("Escape")
    page.wait_for_selector("#camera", state="hidden")
    assert page.evaluate("document.activeElement.id") == "record"
    assert not page.is_visible("#error")
    refused = launch("--deny-permission-prompts")
    refused.click("#record")
    refused.wait_for_selector("#error", state="visible")
    assert "did not let this page use the camera" in refused.inner_text("#error")


def test_each_result_has_a_button_to_find_alike(launch, served: Served) -> None:
    page = launch()
    page.fill("#q", "a sentence of plain")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")
    first = page.locator(".result").first
    assert first.locator(".alike").get_attribute("aria-label") == "Videos that sign like result 1"
    first.locator(".alike").click()
    page.wait_for_function(
        "() => document.querySelector('#query-video h2')?.textContent.startsWith('Videos that sign')"
    )
    assert page.locator(".result").count() == 10
    with page.expect_download() as download:
        page.click("#save-table")
    content = Path(download.value.path()).read_text(encoding="utf-8-sig")
    shown = page.locator(".result .text").all_inner_texts()
    assert len(list(csv.DictReader(content.splitlines()))) == len(shown)
