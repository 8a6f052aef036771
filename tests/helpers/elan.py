"""ELAN files for tests, written by pympi or, where they shall break its rules, by hand."""

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pympi

Annotated = tuple[int, int, str]  # ms, ms, value


def write(path: Path, tiers: dict[str, list[Annotated]], media: dict[str, str], **participants: str) -> Path:
    """An ELAN file by pympi. media: relative path -> URL. participants: by the tiers' names, _ for blanks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = pympi.Elan.Eaf()
    for relative, url in media.items():
        made.add_linked_file(url, relative, "video/mp4")
    for name, annotations in tiers.items():
        made.add_tier(name, part=participants.get(name.replace(" ", "_")))
        for start, end, value in annotations:
            made.add_annotation(name, start, end, value)
    made.remove_tier("default")
    made.to_file(str(path))
    path.with_suffix(".bak").unlink(missing_ok=True)
    return path


def by_hand(path: Path, slots: dict[str, int | None], tiers: str, header: str = "", types: str = "") -> Path:
    """An ELAN file of these time slots, TIER elements, children of HEADER and LINGUISTIC_TYPE elements."""
    times = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="{slot}"{"" if time is None else f" TIME_VALUE={quoteattr(str(time))}"}/>\n'
        for slot, time in slots.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00"'
        f' FORMAT="3.0" VERSION="3.0">\n<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{header}</HEADER>\n'
        f"<TIME_ORDER>\n{times}</TIME_ORDER>\n{tiers}{types}</ANNOTATION_DOCUMENT>\n",
        encoding="utf-8",
    )
    return path


def tier(name: str, *annotations: str, **attributes: str) -> str:
    """A TIER element. attributes: such as PARENT_REF."""
    more = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    inside = "".join(f"<ANNOTATION>{annotation}</ANNOTATION>\n" for annotation in annotations)
    return f"<TIER TIER_ID={quoteattr(name)}{more}>\n{inside}</TIER>\n"


def aligned(name: str, start: str, end: str, value: str = "") -> str:
    """An annotation with time slots of its own."""
    return (
        f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
        f"<ANNOTATION_VALUE>{escape(value)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION>"
    )


def refers(name: str, to: str, value: str = "", previous: str = "") -> str:
    """An annotation that has the times of another."""
    before = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{to}"{before}>'
        f"<ANNOTATION_VALUE>{escape(value)}</ANNOTATION_VALUE></REF_ANNOTATION>"
    )


def medium(url: str, relative: str = "", mime_type: str = "video/mp4", origin_ms: int | None = None) -> str:
    """A MEDIA_DESCRIPTOR element."""
    origin = "" if origin_ms is None else f' TIME_ORIGIN="{origin_ms}"'
    return (
        f"<MEDIA_DESCRIPTOR MEDIA_URL={quoteattr(url)} RELATIVE_MEDIA_URL={quoteattr(relative)}"
        f' MIME_TYPE="{mime_type}"{origin}/>'
    )
