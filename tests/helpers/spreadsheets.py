"""Spreadsheets for tests: .ods as OpenDocument writes it, cell by cell."""

import zipfile
from pathlib import Path

_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (("office", "office"), ("table", "table"), ("text", "text"))
)


def ods_cell(shown: str, repeated: int = 1, **attributes: str) -> str:
    """A cell. attributes: of the office namespace, such as value_type="float", value="1"."""
    given = "".join(f' office:{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    paragraphs = "".join(f"<text:p>{line}</text:p>" for line in shown.split("\n")) if shown else ""
    return f'<table:table-cell table:number-columns-repeated="{repeated}"{given}>{paragraphs}</table:table-cell>'


def write_ods(file: Path, *sheets: list[list[str]], head: str = "", repeated: int = 1) -> Path:
    """Each sheet a list of rows, each a list of cells. repeated: how often the last row of each occurs."""
    tables = ""
    for number, rows in enumerate(sheets, start=1):
        lines = [f"<table:table-row>{''.join(row)}</table:table-row>" for row in rows]
        lines[-1] = lines[-1].replace("<table:table-row>", f'<table:table-row table:number-rows-repeated="{repeated}">')
        tables += f'<table:table table:name="Sheet{number}">{"".join(lines)}</table:table>'
    content = (
        f"<?xml version='1.0'?>{head}<office:document-content {_SPACES}><office:body><office:spreadsheet>{tables}"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    return file
