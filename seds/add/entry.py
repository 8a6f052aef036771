"""A corpus's entry in params.yaml, added so that every line and comment that is there stays as it is."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from seds.add.recognise import AddError
from seds.config import load_params

_DATASETS = re.compile(r"datasets:[ \t]*(#.*)?$")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # that some YAML reads as no text


def entry_lines(name: str, entry: Mapping[str, object], indent: str = "  ") -> list[str]:
    """The lines of an entry. Values are numbers, texts, lists of texts or None."""
    return [f"{indent}{name}:", *(f"{indent * 2}{key}: {_value(value)}" for key, value in entry.items())]


def with_entry(text: str, name: str, entry: Mapping[str, object]) -> str:
    """The text of params.yaml with one more corpus, after the last one. Raises AddError where it cannot be added."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(newline)
    start = next((i for i, line in enumerate(lines) if _DATASETS.match(line)), None)
    if start is None:
        raise AddError(_by_hand(name, entry, "has no line `datasets:` with the corpora below it"))
    end = next((i for i in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines))
    content = [i for i in range(start + 1, end) if re.match(r"[ \t]+[^\s#]", lines[i])]
    indent = re.match(r"[ \t]+", lines[content[0]])[0] if content else "  "  # type: ignore[index]
    at = content[-1] + 1 if content else start + 1
    while at < end and re.match(rf"{indent}[ \t]+#", lines[at]):  # a comment on what is above it
        at += 1
    added = newline.join([*lines[:at], *entry_lines(name, entry, indent), *lines[at:]])
    if not _is_added(text, added, name, dict(entry)):
        raise AddError(_by_hand(name, entry, "has its corpora in a form that no line can be added to"))
    return added


def _is_added(before: str, after: str, name: str, entry: dict[str, object]) -> bool:
    """Whether params.yaml says the same as before, and has the entry besides, and is valid."""
    yaml = YAML(typ="safe", pure=True)
    try:
        old, new = yaml.load(before), yaml.load(after)
    except YAMLError:
        return False
    same = isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new)
    if not same or {**new, "datasets": None} != {**old, "datasets": None}:
        return False
    if new["datasets"] != {**(old["datasets"] or {}), name: entry}:
        return False
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        file.write_bytes(after.encode())
        load_params(file)
    return True


def _value(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    plain = isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]*", value, re.ASCII)
    if plain and value not in _WORDS:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _by_hand(name: str, entry: Mapping[str, object], why: str) -> str:
    lines = "\n".join(entry_lines(name, entry))
    return f"params.yaml {why}; nothing was changed. Add this below `datasets:` yourself:\n{lines}"
