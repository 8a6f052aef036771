"""Altered copies of the recordings in the repository, and what seds verify says of them."""

import shutil

import numpy as np
from typer.testing import CliRunner

from helpers.recorded import GOLDEN
from seds.cli import app
from seds.verify import run
from seds.verify.comparison import Comparison, Failure, Note

WEIGHTS = "small_weights.json"


def recorded(name):
    with np.load(GOLDEN / name) as file:
        return {key: file[key] for key in file.files}


def save(folder, name, arrays, *others):
    """A file of these arrays in a folder, beside copies of others of the repository."""
    np.savez_compressed(folder / name, **arrays)
    for other in others:
        shutil.copy(GOLDEN / other, folder)


def results(folder, name):
    (check,) = [check for check in run.checks(folder) if check.name == name]
    return list(check.run())


def compared(some):
    return {result.name for result in some if isinstance(result, Comparison)}


def notes(some):
    return "\n".join(run.line(result) for result in some if isinstance(result, Note))


def wrong(some):
    return [run.line(r) for r in some if isinstance(r, Failure) or (isinstance(r, Comparison) and r.over)]


def command(folder, *options):
    result = CliRunner().invoke(app, ["verify", str(folder), *options])
    assert not isinstance(result.exception, Exception), result.exception
    return result
