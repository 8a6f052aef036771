"""An answer that says no: a status and words for a person, which the page shows as they are."""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """Raised anywhere below a request; the answer is {"error": words} with this status."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.headers = status, words, dict(headers or {})


def busy(words: str, seconds: int, status: int = 503) -> Problem:
    """Come back in so many seconds."""
    return Problem(status, words, {"Retry-After": str(seconds)})
