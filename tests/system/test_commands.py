"""How commands print, in processes of their own."""

import os
import subprocess
import sys

import pytest

STAGE = """
import logging, os
from seds.system.commands import CommandGroup, run_stage
import typer

def main():
    print(os.fsdecode(b"caf\\xe9"), "→")
    logging.getLogger("seds").info("%s", os.fsdecode(b"\\xff"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [
        "run_stage(main)",
        "app = typer.Typer(cls=CommandGroup); app.command()(main); app.callback()(lambda: None); app()",
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_no_terminal_can_show_is_printed_as_escapes(start, encoding):
    arguments = ["main"] if "Typer" in start else []
    done = subprocess.run(
        [sys.executable, "-c", STAGE + start, *arguments],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"caf\\udce9 " in done.stdout
    assert b"\\udcff" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
