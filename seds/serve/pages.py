"""The page, its scripts and styles. All are held in memory, so no request can name a file on disk."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from seds.pages.html import environment
from seds.search.language_names import language_names
from seds.shards import features_are_random, features_come_from

if TYPE_CHECKING:
    from seds.serve.service import SearchService

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_EXAMPLES = 4  # sentences suggested on the start page
_EXAMPLE_CHARS = 60

STREAMS = {"fusion": "pose + RGB", "pose": "pose only", "rgb": "RGB only"}


@dataclass(frozen=True)
class StaticFile:
    content: bytes
    media_type: str


def static_files() -> dict[str, StaticFile]:
    """The page's scripts, styles and icon, by name."""
    by_name = {}
    for entry in files("seds.serve").joinpath("static").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in _TYPES:
            by_name[entry.name] = StaticFile(entry.read_bytes(), _TYPES[suffix])
    return by_name


def render(service: SearchService) -> str:
    """The page as HTML. Texts of the corpus are made printable and escaped."""
    header = service.gallery.header
    template = environment("seds.serve").get_template("serve.html.j2")
    return template.render(
        header=header,
        streams={name: STREAMS.get(name, name) for name in service.gallery.streams},
        random_rgb="rgb" in service.gallery.streams and features_are_random(header.rgb),
        estimator=" ".join(filter(None, map(header.pose.get, ("estimator", "config")))) or "unknown",
        rgb_weights=features_come_from(header.rgb),
        limits=service.limits,
        examples=_examples(service),
        reads=language_names(service.gallery.reading.languages),
    )


def _examples(service: SearchService) -> list[str]:
    """Short sentences, evenly spaced over the gallery; from the test split if it has any."""
    sentences = service.gallery.sentences
    short = sentences[sentences["text"].str.len().between(1, _EXAMPLE_CHARS)]
    chosen = short[short["split"] == "test"] if (short["split"] == "test").any() else short
    step = max(1, len(chosen) // _EXAMPLES)
    return list(dict.fromkeys(chosen["text"].iloc[step // 2 :: step]))[:_EXAMPLES]
