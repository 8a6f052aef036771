"""Subtitles as tools write them and as people break them, against what pysubs2 and the eye read."""

import json
import os
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seds.corpora import subtitles
from seds.corpora.contents import MOST_BYTES, ContentError
from seds.corpora.safe_xml import XmlError

Shown = tuple[float, float, str]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def shown(folder: Path, name: str, content: str | bytes) -> list[Shown]:
    """The cues of a file without a problem."""
    cues = list(subtitles.read(write(folder, name, content)))
    assert [cue.problem for cue in cues] == [""] * len(cues)
    return [(cue.start_s, cue.end_s, cue.text) for cue in cues]


TWO = [(1.0, 2.5, "Rain falls."), (2.5, 3723.004, "Snow.\nIce.")]
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\nRain falls.\n\n00:00:02.500 --> 01:02:03.004\nSnow.\nIce.\n"
SRT = "1\n00:00:01,000 --> 00:00:02,500\nRain falls.\n\n2\n00:00:02,500 --> 01:02:03,004\nSnow.\nIce.\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.vtt", VTT),
        ("plain.srt", SRT),
        ("windows.srt", SRT.replace("\n", "\r\n")),
        ("mac.vtt", VTT.replace("\n", "\r")),
        ("mark.vtt", "\ufeff" + VTT),
        ("mark.srt", "\ufeff" + SRT),
        ("utf-16.srt", SRT.encode("utf-16")),
        ("utf-16 without mark.srt", SRT.encode("utf-16-be")),
        ("no header.vtt", VTT.removeprefix("WEBVTT\n\n")),
        ("comma in vtt.vtt", VTT.replace(".000", ",000").replace(".500", ",500")),
        ("point in srt.srt", SRT.replace(",", ".")),
        ("vtt called srt.srt", VTT),
        ("srt called vtt.vtt", SRT),
        ("header goes on.vtt", VTT.replace("WEBVTT", "WEBVTT - Title\nKind: captions\nLanguage: en")),
        ("no blank lines.srt", SRT.replace("\n\n", "\n")),
        ("too many blank lines.srt", SRT.replace("\n", "\n\n")),
        ("no end of line.srt", SRT.rstrip()),
        ("names.vtt", VTT.replace("00:00:02.500", "second - 2\n00:00:02.500")),
        ("settings.vtt", VTT.replace("2.500\nRain", "2.500 align:start position:10%,line-left\nRain")),
        ("notes.vtt", VTT.replace("\n00:01", "\nNOTE\nby me\n\nSTYLE\n::cue { }\n\nNOTE once more\n\n00:01")),
        ("tags.vtt", VTT.replace("Rain", "<v Ann><c.yellow>Rain</c>").replace("Ice", "<i>Ice</i>")),
        (
            "codes.srt",
            SRT.replace("Rain", "{\\an8}<font color='#fff'>Rain</font>").replace("Snow.\nIce", "Snow.\\NIce"),
        ),
        ("on one line.vtt", "00:00:01.000 00:00:02.500 Rain falls.\n00:00:02.500 --> 01:02:03.004 Snow.\nIce.\n"),
        ("colon.srt", SRT.replace(",", ":")),
        ("long hours.srt", SRT.replace("01:02:03", "001:02:03")),
    ],
)
def test_srt_and_vtt_of_every_make_are_read_alike(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert shown(tmp_path, name, content) == TWO


ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,a comment
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Rain{\\i0} falls.
Dialogue: 0,0:00:02.50,1:02:03.04,Default,,0,0,0,,Snow, and\\Nice.
"""


def test_ass_is_read_without_codes_and_comments(tmp_path: Path) -> None:
    assert shown(tmp_path, "a.ass", ASS) == [(1.0, 2.5, "Rain falls."), (2.5, 3723.04, "Snow, and\nice.")]


def test_ass_line_that_makes_no_sense_costs_only_itself(tmp_path: Path) -> None:
    cues = list(subtitles.read(write(tmp_path, "a.ass", ASS.replace("0:00:01.00,0:00:02.50", "soon,later"))))
    assert [(cue.place, bool(cue.problem)) for cue in cues] == [("11", True), ("12", False)]
    assert "soon" in cues[0].problem


TTML = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" {rates} xml:lang="en">
<head/><body {body}><div>
<p begin="{0}" end="{1}">Rain
  <span>falls.</span></p>
<p begin="{2}" dur="{3}">Snow.<br/>Ice.</p>
</div></body></tt>
"""


@pytest.mark.parametrize(
    ("rates", "body", "times"),
    [
        ("", "", ("00:00:01.000", "00:00:02.500", "00:00:02.5", "01:02:00.504")),
        ("", "", ("1s", "2500ms", "2.5s", "62.0084m")),
        ('ttp:frameRate="25" ttp:tickRate="1000"', "", ("00:00:01:00", "62.5f", "2500t", "3720504t")),
        ('ttp:frameRate="30" ttp:frameRateMultiplier="1000 1000"', "", ("30f", "75f", "75f", "1.033473333h")),
        ("", 'begin="1s"', ("0s", "1.5s", "1.5s", "3720.504s")),
    ],
)
def test_ttml_times_of_every_kind_are_read_alike(tmp_path: Path, rates: str, body: str, times: tuple[str, ...]) -> None:
    cues = shown(tmp_path, "a.ttml", TTML.format(*times, rates=rates, body=body))
    assert [text for _, _, text in cues] == ["Rain falls.", "Snow.\nIce."]
    expected = [time for start, end, _ in TWO for time in (start, end)]
    assert [time for start, end, _ in cues for time in (start, end)] == pytest.approx(expected, abs=1e-5)


def test_json3_is_read_as_youtube_writes_it(tmp_path: Path) -> None:
    events = [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {"tStartMs": 1000, "dDurationMs": 1500, "segs": [{"utf8": "Rain"}, {"utf8": " falls.", "tOffsetMs": 300}]},
        {"tStartMs": 2500, "dDurationMs": 3720504, "segs": [{"utf8": "Snow.\nIce."}]},
        {"tStartMs": 2500, "dDurationMs": 10, "segs": [{"utf8": "\n"}]},
    ]
    assert shown(tmp_path, "a.en.json3", json.dumps({"wireMagic": "pb3", "events": events})) == TWO


def test_automatic_captions_of_youtube_give_each_line_once(tmp_path: Path) -> None:
    """A line is repeated above the next one, which grows by words with times of their own."""
    vtt = """WEBVTT
Kind: captions

00:00:01.000 --> 00:00:03.000 align:start position:0%
 
rain<00:00:01.500><c> falls</c><00:00:02.000><c> today</c>

00:00:03.000 --> 00:00:03.010 align:start position:0%
rain falls today
 

00:00:03.010 --> 00:00:05.000 align:start position:0%
rain falls today
and<00:00:03.500><c> snow</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
and snow
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
and snow
ice
"""  # noqa: W293
    assert shown(tmp_path, "a.vtt", vtt) == [
        (1.0, 3.0, "rain falls today"),
        (3.01, 5.0, "and snow"),
        (5.01, 7.0, "ice"),
    ]
    events = [
        {"tStartMs": 1000, "dDurationMs": 4000, "segs": [{"utf8": "rain"}, {"utf8": " falls"}]},
        {"tStartMs": 3000, "dDurationMs": 2000, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 3010, "dDurationMs": 4000, "segs": [{"utf8": "and snow"}]},
    ]
    rolled = shown(tmp_path, "a.json3", json.dumps({"events": events}))
    assert rolled == [(1.0, 3.01, "rain falls"), (3.01, 7.01, "and snow")]


@pytest.mark.parametrize(
    ("name", "content", "problems"),
    [
        ("a.srt", SRT.replace("00:00:01,000", "soon"), [("2", "expected two times, got 'soon --> 00:00:02,500'")]),
        ("a.srt", SRT.replace("00:00:02,500\nRain", "00:aa:02\nRain"), [("2", "expected two times")]),
        ("a.srt", SRT.replace("-->", "->").replace("01:02:03,004", "-1"), [("6", "expected two times")]),
        ("a.vtt", VTT.replace("\n\n00:00", "\n\nlost words\nand more\n\n00:00"), [("6", "text without a time: 'lost")]),
        ("a.srt", "no subtitles at all", [("1", "text without a time")]),
        ("a.ass", "no subtitles at all", [("1", "has no line that begins with Dialogue:")]),
        ("a.json3", "{", [("1", "is no JSON")]),
        ("a.json3", "[" * 100_000, [("1", "is no JSON")]),
        ("a.json3", "[]", [("1", 'expected {"events"')]),
        ("a.json3", '{"events": 3}', [("1", 'expected {"events"')]),
        (
            "a.json3",
            '{"events": [1, {"segs": [{"utf8": "x"}]},'
            ' {"segs": [{"utf8": "x"}], "tStartMs": 1e999, "dDurationMs": 1}]}',
            [("event 1", "expected an object"), ("event 2", "expected tStartMs"), ("event 3", "expected tStartMs")],
        ),
        (
            "a.ttml",
            TTML.format("soon", "2s", "2s", "later", rates="", body=""),
            [("4", "'begin': 'soon'"), ("6", "'dur': 'later'")],
        ),
        ("a.ttml", "<html/>", [("1", "expected an element tt")]),
    ],
)
def test_what_makes_no_sense_is_listed_with_its_place(
    tmp_path: Path, name: str, content: str, problems: list[tuple[str, str]]
) -> None:
    cues = [cue for cue in subtitles.read(write(tmp_path, name, content)) if cue.problem]
    assert [cue.place for cue in cues] == [place for place, _ in problems]
    for cue, (_, problem) in zip(cues, problems, strict=True):
        assert problem in cue.problem


BOMB = '<!DOCTYPE tt [<!ENTITY a "aaaaaaaaaa">{}]><tt><body><p begin="0s" end="1s">&{};</p></body></tt>'.format(
    "".join(f'<!ENTITY {y} "{f"&{x};" * 10}">' for x, y in zip("abcdefgh", "bcdefghi", strict=True)), "i"
)
OUTSIDE = '<!DOCTYPE tt [<!ENTITY x SYSTEM "file:///etc/passwd">]><tt><body><p begin="0s" end="1s">&x;</p></body></tt>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "declares entities or names other files"),
        (OUTSIDE, "declares entities or names other files"),
        ("<tt>" + "<div>" * 100_000, "nested more than 100 deep"),
        ("<tt><body>", "a.ttml:1: is not well-formed XML"),
        ("", "a.ttml is empty"),
        ("<?xml version='1.0' encoding='klingon'?><tt/>", "a.ttml"),
    ],
)
def test_hostile_xml_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(XmlError, match=message):
        list(subtitles.read(write(tmp_path, "a.ttml", content)))


@pytest.mark.parametrize("suffix", subtitles.SUFFIXES)
def test_files_that_are_no_text_or_too_large_are_refused(tmp_path: Path, suffix: str) -> None:
    huge = tmp_path / f"huge{suffix}"
    huge.touch()
    os.truncate(huge, 10 * MOST_BYTES)
    with pytest.raises(ContentError, match="more than the 100,000,000 that are read"):
        list(subtitles.read(huge))
    with pytest.raises((ContentError, XmlError), match="film"):
        list(subtitles.read(write(tmp_path, f"film{suffix}", b"\0\0\0\x1cftypisom\xff" * 100)))
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(ContentError, match="is no file"):
        list(subtitles.read(tmp_path / f"pipe{suffix}"))


words = st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=1, max_size=12)
events = st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), st.lists(words, min_size=1)), max_size=8)


@settings(max_examples=40, deadline=None)
@given(events)
def test_files_that_pysubs2_writes_are_read_back(tmp_path_factory: pytest.TempPathFactory, made: list) -> None:
    made = sorted(made)  # WebVTT's are
    written = pysubs2.SSAFile()
    for start, length, lines in made:
        written.append(pysubs2.SSAEvent(start=start, end=start + length, text="\\N".join(lines)))
    folder = tmp_path_factory.mktemp("written")
    for suffix, unit in (("srt", 1), ("vtt", 1), ("ttml", 1), ("ass", 10)):
        written.save(str(folder / f"a.{suffix}"))
        if suffix == "ass" and not made:
            continue
        found = shown(folder, f"b.{suffix}", (folder / f"a.{suffix}").read_bytes())
        assert [text for _, _, text in found] == ["\n".join(lines) for _, _, lines in made]
        times = [time for start, end, _ in found for time in (start, end)]
        expected = [time / 1000 for start, length, _ in made for time in (start, start + length)]
        assert times == pytest.approx(expected, abs=unit / 1000)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.sampled_from("0123:.,->\n \tab<{WEBVTTNOTE♪"), max_size=60), st.sampled_from((".srt", ".vtt", ".ass"))
)
def test_no_text_breaks_a_reader(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    cues = list(subtitles.read(write(tmp_path_factory.mktemp("any"), f"a{suffix}", text)))
    assert all(cue.problem or cue.start_s >= 0 for cue in cues)
