"""The `seds` command, made of the commands of the packages."""

from __future__ import annotations

from typing import Final

import typer

from seds.add.command import add
from seds.check.command import check
from seds.compare.command import compare
from seds.export.command import DEFAULT, ExportGroup, elan, embeddings, keypoints, vtt
from seds.imports.command import import_keypoints
from seds.release.command import export_checkpoint, export_signbert, import_checkpoint, import_features
from seds.search.command import search
from seds.serve.command import serve
from seds.show.command import show
from seds.system.commands import CommandGroup
from seds.system.threads import sleep_soon
from seds.verify.command import verify

_MARKDOWN: Final = "markdown"  # Typer's default would keep the line breaks of docstrings

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKDOWN,
)
_SEDS = (
    "Add, check, inspect and search sign-language corpora; compare, import and export models; export features and "
    "keypoints."
)
app.callback(help=_SEDS)(sleep_soon)  # called before the command imports torch
app.command()(search)
app.command()(serve)
app.command()(add)
app.command()(check)
# Ids may begin with a dash, as How2Sign's do.
app.command(context_settings={"ignore_unknown_options": True})(show)
app.command()(compare)
app.command()(verify)

_IMPORT = "Import keypoints that were extracted elsewhere; features and checkpoints of the published SEDS."
import_app = typer.Typer(no_args_is_help=True, help=_IMPORT, rich_markup_mode=_MARKDOWN)
import_app.command("keypoints")(import_keypoints)
import_app.command("features")(import_features)
import_app.command("checkpoint")(import_checkpoint)
app.add_typer(import_app, name="import")

_EXPORT = (
    "Export embeddings, keypoints, ELAN files, subtitles, checkpoints and pretrained encoders. `seds export DATASET` "
    "exports embeddings."
)
export_app = typer.Typer(cls=ExportGroup, no_args_is_help=True, help=_EXPORT, rich_markup_mode=_MARKDOWN)
export_app.command(DEFAULT)(embeddings)
export_app.command()(keypoints)
export_app.command()(elan)
export_app.command()(vtt)
export_app.command("checkpoint")(export_checkpoint)
export_app.command("signbert")(export_signbert)
app.add_typer(export_app, name="export")
