"""Annotations in JSON: a file as plain data, and what an entry says under a name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from seds.corpora.contents import ContentError, decode, read_bytes
from seds.tables import TableError


def load(file: Path, kind: type[list] | type[dict]) -> Any:
    """Its content. Raises TableError, naming the file, for what is no JSON, or no list or dict as `kind` says."""
    try:
        content = json.loads(decode(read_bytes(file), file)[0])
    except ContentError as error:
        raise TableError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"{file} is not readable JSON: {error}") from None
    if not isinstance(content, kind):
        raise TableError(f"{file}: expected a {kind.__name__}, got {brief(content)}")
    return content


def text(entry: Mapping[str, Any], name: str) -> str:
    """A text, or a whole number as text; "" where it is missing or null. Raises ValueError for anything else."""
    value = entry.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"expected text as {name}, got {brief(value)}")
    return str(value)


def number(entry: Mapping[str, Any], name: str) -> float:
    """A finite number; NaN where it is missing or null. Raises ValueError for anything else."""
    value = entry.get(name)
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a number as {name}, got {brief(value)}")
    return float(value)


def numbers(entry: Mapping[str, Any], name: str, count: int) -> list[float]:
    """`count` finite numbers; an empty list where they are missing or null. Raises ValueError for anything else."""
    values = entry.get(name)
    if values is None:
        return []
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"expected {count} numbers as {name}, got {brief(values)}")
    return [number({name: value}, name) for value in values]
