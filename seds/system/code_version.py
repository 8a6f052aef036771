"""Which code decides a result: the one definition, for the keys of what is kept between runs and for dvc.yaml.

A version number kept by hand would be forgotten, and a hash of the whole package would throw away days of extraction
for an edit elsewhere. So the version covers the sources of a module and of everything in this package that it imports,
without what cannot change a result: comments, docstrings, layout, and the folders and files of NEVER_DECIDES.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from seds.system.files import digest

ROOT = Path(__file__).parents[2]
_PACKAGES = ("seds", "stages")

# Folders and files that no stage lists, since editing them repeats nothing. system/: how files are written and locked,
# and which process does what. engine/: which video is extracted when, and on which machine. resume/: when the state of
# a training is saved. Tests show that these change no byte (tests/engine, tests/resume). config.py reads and checks
# parameters, which DVC tracks; its defaults are all in params.yaml (tests/test_config.py). tables.py checks outputs.
NEVER_DECIDES = (
    "seds/system",
    "seds/engine",
    "seds/resume",
    "seds/config.py",
    "seds/errors.py",
    "seds/tables.py",
    "seds/__init__.py",
    "stages/__init__.py",
)


def code_version(function: Callable[..., Any]) -> str:
    """64 hex digits that change with what a function, or a partial of one, computes."""
    while isinstance(function, partial):
        function = function.func
    return file_version(Path(inspect.getfile(function)).resolve())


def file_version(path: Path) -> str:
    """64 hex digits that change with what a source file computes."""
    return digest([(_name(file), _meaning(file)) for file in deciding_files(path)])


def deciding_files(path: Path) -> list[Path]:
    """A source file and the files of this package that decide what it computes, sorted: those that it imports, at the
    top, inside a function, or through others.
    """
    waiting, seen = [path], set[Path]()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += filter(decides, _imports(file))
    return sorted(seen)


def decides(path: Path) -> bool:
    """Whether a file of this package can change a result, that is, whether it is outside NEVER_DECIDES."""
    name = _name(path)
    return not any(name == room or name.startswith(f"{room}/") for room in NEVER_DECIDES)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _meaning(path: Path) -> str:
    """The syntax tree without docstrings, which are the strings that are statements."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports(path: Path) -> list[Path]:
    """The files of this package that the imports of a source file run, those inside its functions included: modules,
    and the packages that contain them.
    """
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [
                f"{node.module}.{alias.name}" for alias in node.names
            ]  # the last part may be a name inside a module
    parts = [name.split(".") for name in names if name.partition(".")[0] in _PACKAGES]
    bases = {ROOT.joinpath(*part[:depth]) for part in parts for depth in range(1, len(part) + 1)}
    files = (file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py"))
    return [file for file in files if file.is_file() and file.stat().st_size]
