"""XML files that anybody may have written, read as a stream: nothing they say can open another file or grow in memory.

Entities are refused (they make small files huge, and name other files), as are files larger or nested deeper than any
annotation or subtitle file is.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_external_ges, feature_namespaces
from xml.sax.xmlreader import InputSource

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from seds.corpora.contents import MOST_BYTES, read_bytes
from seds.errors import SedsError

MOST_DEPTH = 100


class XmlError(SedsError, ValueError):
    """A file that is no XML, or none that is read; the message names file and line."""


class Handler(ContentHandler):
    """Receives elements by their local names, whatever namespace they are in. line: where the parser is, from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    @property
    def line(self) -> int:
        return int(self._locator.getLineNumber())  # type: ignore[attr-defined]

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attributes: Any) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ValueError(f"elements are nested more than {MOST_DEPTH} deep")
        self.start(name[1], {key[1]: value for key, value in attributes.items()})

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:
        self.depth -= 1
        self.end(name[1])

    def characters(self, content: str) -> None:
        self.text(content)

    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, content: str) -> None: ...


def parse(file: Path, handler: Handler, most: int = MOST_BYTES) -> None:
    """Hand the elements of a file to the handler. Raises XmlError, naming file and line, and ContentError.

    most: bytes that the file may have.
    """
    content = read_bytes(file, most)
    if not content.strip():
        raise XmlError(f"{file} is empty")
    parse_stream(io.BytesIO(content), handler, file)


def parse_stream(stream: IO[bytes], handler: Handler, file: Path) -> None:
    """As `parse`, of what a stream holds, which has to have its own bound. file: what errors name. Raises XmlError."""
    parser = make_parser()
    parser.forbid_dtd, parser.forbid_entities, parser.forbid_external = False, True, True
    parser.setFeature(feature_namespaces, True)
    parser.setFeature(feature_external_ges, False)
    parser.setContentHandler(handler)
    source = InputSource()
    source.setByteStream(stream)
    try:
        parser.parse(source)
    except SAXParseException as error:
        raise XmlError(f"{file}:{error.getLineNumber()}: is not well-formed XML: {error.getMessage()}") from None
    except DefusedXmlException:
        raise XmlError(f"{file}: declares entities or names other files, which are not read; remove its DTD") from None
    except (ValueError, LookupError) as error:  # LookupError: an encoding that there is not
        raise XmlError(f"{file}: {error}") from None
