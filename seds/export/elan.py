"""Timelines as files of ELAN (.eaf, EAF 3.0) and as subtitles for players (.vtt), beside links to their videos."""

from __future__ import annotations

import html
import mimetypes
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from seds.export.timelines import MOMENTS, SEARCH, SENTENCES, SIGN_TIERS, Mark, Timeline, link_video, places
from seds.system.files import write_bytes, write_text

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_TYPE = "default-lt"  # the linguistic type of all tiers
_CONSTRAINTS = {  # ELAN writes these four into every file
    "Time_Subdivision": "parts of the parent annotation's time, without gaps",
    "Symbolic_Subdivision": "parts of a parent annotation, in order",
    "Symbolic_Association": "one for a parent annotation",
    "Included_In": "within the parent annotation's time, with gaps",
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Which kinds a .vtt has, by what stands before its suffix: players show the first of its own accord.
_TRACKS = {"": (SENTENCES,), **{f".{kind}": (kind,) for kind in SIGN_TIERS.values()}, ".search": (SEARCH, MOMENTS)}


def export_elan(timelines: Iterable[Timeline], root: Path, output: Path, overwrite: bool = False) -> list[Path]:
    """Write an .eaf for each timeline, below `output` as its video is below `root`. Returns the files.

    Raises ExportError if one of them exists, unless they may be overwritten.
    """
    by_path = {timeline.path: timeline for timeline in timelines}
    files = []
    for path, place in places(by_path, root, output, (".eaf",), overwrite).items():
        link = link_video(path, place)
        file = place.with_name(f"{place.name}.eaf")
        write_bytes(file, document(by_path[path], link.resolve().as_uri(), link.name))
        files.append(file)
    return files


def export_vtt(timelines: Iterable[Timeline], root: Path, output: Path, overwrite: bool = False) -> list[Path]:
    """Write the subtitles of each timeline: <video>.vtt has the sentences, .signs.vtt, .nonmanual.vtt and .search.vtt
    the rest, if there is any. Else as `export_elan`.
    """
    by_path = {timeline.path: timeline for timeline in timelines}
    suffixes = [f"{track}.vtt" for track in _TRACKS]
    files = []
    for path, place in places(by_path, root, output, suffixes, overwrite).items():
        link_video(path, place)
        for track, content in subtitles(by_path[path]).items():
            file = place.with_name(f"{place.name}{track}.vtt")
            write_text(file, content)
            files.append(file)
    return files


def subtitles(timeline: Timeline) -> dict[str, str]:
    """The content of a timeline's .vtt files, by what stands before that suffix; of those that have any."""
    result = {}
    for track, kinds in _TRACKS.items():
        marks = sorted(mark for (kind, _), marks in timeline.marks.items() if kind in kinds for mark in marks)
        if marks:
            result[track] = "WEBVTT\n\n" + "\n".join(map(_cue, marks))
    return result


def document(timeline: Timeline, url: str, name: str) -> bytes:
    """An ANNOTATION_DOCUMENT as XML. url: of its video; name: of that file, where it lies beside."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    root = ET.Element("ANNOTATION_DOCUMENT", AUTHOR="", DATE=date, FORMAT="3.0", VERSION="3.0")
    root.attrib |= {"xmlns:xsi": _XSI, "xsi:noNamespaceSchemaLocation": _SCHEMA}
    header = ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    ET.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL=_text(url),
        MIME_TYPE=mimetypes.guess_type(name)[0] or "video/*", RELATIVE_MEDIA_URL=f"./{_text(name)}",
    )  # fmt: skip
    last = ET.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    order = ET.SubElement(root, "TIME_ORDER")
    tiers = list(timeline.tiers())
    marks = [mark for _, _, marks in tiers for mark in marks]
    # Each annotation has slots of its own, or moving one in ELAN would move others.
    ends = sorted((time, i, end) for i, mark in enumerate(marks) for end, time in enumerate(mark[:2]))
    slots = {(i, end): f"ts{number}" for number, (_, i, end) in enumerate(ends, start=1)}
    for time, i, end in ends:
        ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slots[i, end], TIME_VALUE=str(time))
    number = 0
    for name, signer, lane in tiers:
        tier = ET.SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=_text(name))
        if signer:
            tier.set("PARTICIPANT", _text(signer))
        for mark in lane:
            annotation = ET.SubElement(
                ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{number + 1}",
                TIME_SLOT_REF1=slots[number, 0], TIME_SLOT_REF2=slots[number, 1],
            )  # fmt: skip
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = _text(mark.value)
            number += 1
    last.text = str(number)
    ET.SubElement(root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
    for stereotype, description in _CONSTRAINTS.items():
        ET.SubElement(root, "CONSTRAINT", DESCRIPTION=description, STEREOTYPE=stereotype)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True)


def _text(value: str) -> str:
    """Without the characters that XML cannot have."""
    return _NOT_XML.sub("\ufffd", value)


def _cue(mark: Mark) -> str:
    """A cue of WebVTT. Its text cannot have blank lines, and no markup is meant."""
    text = "\n".join(" ".join(line.split()) for line in mark.value.splitlines() if line.strip())
    return f"{_time(mark.start_ms)} --> {_time(mark.end_ms)}\n{html.escape(text, quote=False)}\n"


def _time(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
