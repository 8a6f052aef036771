"""The `seds` command: the commands of the packages. Each imports what it needs when it runs, so --help is quick."""

from __future__ import annotations

import typer

from seds.check.command import check
from seds.export.command import DEFAULT, ExportGroup, embeddings, keypoints
from seds.release.command import export_checkpoint, import_checkpoint, import_features
from seds.search.command import search
from seds.serve.command import serve
from seds.show.command import show
from seds.system.commands import CommandGroup
from seds.system.threads import sleep_soon
from seds.verify.command import verify

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
# Before the command imports torch.
app.callback(help="Look at sign-language corpora, search them, and exchange models and features.")(sleep_soon)
app.command()(search)
app.command()(serve)
app.command()(check)
# Ids that begin with a dash, as How2Sign's do, are no options.
app.command(context_settings={"ignore_unknown_options": True})(show)
app.command()(verify)

import_app = typer.Typer(no_args_is_help=True, help="Turn released files into this project's own.")
import_app.command("features")(import_features)
import_app.command("checkpoint")(import_checkpoint)
app.add_typer(import_app, name="import")

_EXPORT = "Turn this project's files into those of others. `seds export DATASET` is short for embeddings."
export_app = typer.Typer(cls=ExportGroup, no_args_is_help=True, help=_EXPORT)
export_app.command(DEFAULT)(embeddings)
export_app.command()(keypoints)
export_app.command("checkpoint")(export_checkpoint)
app.add_typer(export_app, name="export")
