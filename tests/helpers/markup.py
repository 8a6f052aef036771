"""Pages taken apart, and texts that try to be more than text."""

from html.parser import HTMLParser

HOSTILE = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; rm -rf ~ '", "{{ 7 * 7 }}",
    "</svg></style>&amp;", "a\0b\n\x1b[31m", "\u202egnp.exe", "x" * 10_000, "--output", "手話 👩‍🚀",
]  # fmt: skip


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text by element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br", "link", "input"):
            self._inside.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside[-1]][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]
