"""How commands start and end: arguments by a function's signature, and errors for a person as one line."""

from __future__ import annotations

import functools
import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from seds.errors import SedsError

INTERRUPTED = 130  # 128 + SIGINT, as shells say it


@contextmanager
def errors_as_lines(prefix: str) -> Iterator[None]:
    """A SedsError or OSError inside becomes a line on stderr and exit code 1; whatever else is a bug and shows its
    traceback.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read our output has gone: Click ends quietly
    except (SedsError, OSError) as error:
        typer.echo(f"{prefix}: {error}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def logging_to(stream: TextIO) -> Iterator[None]:
    """What this package logs inside goes to the stream, above the progress bar where there is one."""
    logger, handler = logging.getLogger("seds"), _AboveProgressBar(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _AboveProgressBar(logging.StreamHandler[TextIO]):
    """As tqdm.contrib.logging does it, whose import takes longer than most commands before they begin."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        try:
            tqdm.write(self.format(record), file=self.stream)
            self.flush()
        except Exception:
            self.handleError(record)


def print_anything() -> None:
    """Let what stdout and stderr cannot encode, such as a file's name that is no text, be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class CommandGroup(TyperGroup):
    """A group of commands that ends as `errors_as_lines` says. Its output is on stdout, what is logged on stderr."""

    def invoke(self, ctx: Any) -> Any:
        print_anything()
        with errors_as_lines("error"), logging_to(sys.stderr):
            return super().invoke(ctx)


def run_stage(main: Callable[..., None]) -> None:
    """Run `main` of the stage that was started, with the arguments of the command line. Ends the process."""
    stage = Path(sys.argv[0]).stem
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @functools.wraps(main)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with errors_as_lines(stage), logging_to(sys.stdout):
                main(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    print_anything()
    app.command()(run)
    app(prog_name=f"python -m stages.{stage}")
