"""The version of the code that an extractor's result depends on, so that a part never outlives it.

A number kept by hand would be forgotten; a hash of the whole package would throw away days of extraction for an edit
elsewhere. So: the sources of the extractor's module and of all that it imports of this package, less what cannot change
a result. That is comments, docstrings and layout, and config.py, whose values are among the settings.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from seds.system.files import digest

_PACKAGE = Path(__file__).parents[1]
_ONLY_VALUES = {_PACKAGE / "config.py"}


def code_version(build: Callable[..., Any]) -> str:
    """64 hex digits for what `build` would make."""
    return digest([(path.name, _meaning(path)) for path in source_files(build)])


def source_files(build: Callable[..., Any]) -> list[Path]:
    """The files of this package that decide the result of what `build` makes, sorted; and its own, wherever it is."""
    while isinstance(build, partial):
        build = build.func
    waiting, seen = [Path(inspect.getfile(build)).resolve()], set[Path]()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += [file for file in _imports(path) if file not in _ONLY_VALUES]
    return sorted(seen)


def _meaning(path: Path) -> str:
    """The syntax tree without docstrings, which are the strings that stand alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(path: Path) -> list[Path]:
    """The files of this package that a source file imports, inside its functions too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    bases = [_PACKAGE.parent.joinpath(*name.split(".")) for name in names if name.partition(".")[0] == _PACKAGE.name]
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
    return [file for file in files if file.is_file()]
