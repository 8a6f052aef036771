"""Excel and OpenDocument tables: what a CSV of them would say, and files that mean harm."""

import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest
from helpers.spreadsheets import ods_cell, write_ods

from seds.config import Dataset
from seds.corpora.readers import folder, sheets, workbooks
from seds.tables import TableError

BOMB = '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def read(file: Path) -> list[dict[str, str]]:
    return list(sheets.read(file, ["path", "text"], ["video_id", "start_s", "end_s", "signer"]))


def xlsx(file: Path, *rows: list, formats: dict[str, str] | None = None, sheet: str = "Sheet1") -> Path:
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for cell, shape in (formats or {}).items():
        book.active[cell].number_format = shape
    book.save(file)
    return file


HEAD = ["Path", "Text", "Video ID", "Start S", "end_s", "signer"]


def test_excel_gives_what_its_csv_would(tmp_path: Path) -> None:
    rows = [
        ["a.mp4", "two\nlines", 295, 0.1 + 0.2, datetime.time(0, 0, 14, 100_000), 7],
        [None] * 6,
        ["b.mp4", "NA", "007", datetime.timedelta(hours=30, seconds=1.5), datetime.time(1, 30), True],
        ["c.mp4", None, 1e16, 12.0, "00:00:14.100", datetime.date(2020, 1, 2)],
        ["d.mp4", " blanks ", None, None, None, None],
    ]
    file = xlsx(
        tmp_path / "t.xlsx", HEAD, *rows, formats={"C2": "00000", "E2": "hh:mm:ss.000", "D4": "[h]:mm:ss", "E4": "h:mm"}
    )
    assert [list(row.values()) for row in read(file)] == [
        ["a.mp4", "two\nlines", "00295", "0.3", "0:00:14.1", "7"],
        ["b.mp4", "NA", "007", "30:00:01.5", "1:30", "True"],
        ["c.mp4", "", "10000000000000000", "12", "00:00:14.100", "2020-01-02"],
        ["d.mp4", " blanks ", "", "", "", ""],
    ]


def test_opendocument_gives_what_its_csv_would(tmp_path: Path) -> None:
    head = [ods_cell(name) for name in HEAD]
    first = [
        ods_cell("a.mp4"), ods_cell("two\nlines"), ods_cell("00295", value_type="float", value="295"),
        ods_cell("0.3", value_type="float", value="0.30000000000000004"),
        ods_cell("00:00:14", value_type="time", time_value="PT00H00M14.1S"),
        ods_cell("7", value_type="float", value="7"), ods_cell("", 16_378),
    ]  # fmt: skip
    second = [
        ods_cell("b.mp4"), ods_cell("a<text:s text:c='2'/>b<text:line-break/>c"), ods_cell("", 2),
        ods_cell("1:30", value_type="time", time_value="PT01H30M00S"),
        ods_cell("20,5 %", value_type="percentage", value="0.205"),
    ]  # fmt: skip
    comment = "<office:annotation><text:p>a note</text:p></office:annotation><text:p>NA</text:p>"
    third = [ods_cell("c.mp4"), f"<table:table-cell>{comment}</table:table-cell>"]
    rows = [head, first, [ods_cell("", 100)], second, third, [ods_cell("", 1024)]]
    file = write_ods(tmp_path / "t.ods", rows, repeated=1_000_000)
    assert [list(row.values()) for row in read(file)] == [
        ["a.mp4", "two\nlines", "00295", "0.3", "0:00:14.1", "7"],
        ["b.mp4", "a  b\nc", "", "", "1:30", "0.205"],
        ["c.mp4", "NA", "", "", "", ""],
    ]


def test_sheet_that_has_the_columns_is_read(tmp_path: Path) -> None:
    notes, rows = [[ods_cell("notes")]], [[ods_cell("path"), ods_cell("text")], [ods_cell("a.mp4"), ods_cell("x")]]
    assert read(write_ods(tmp_path / "t.ods", notes, rows, rows)) == [{"path": "a.mp4", "text": "x"}]
    with pytest.raises(TableError, match=r"t\.ods: no column path and no column text; it has notes"):
        read(write_ods(tmp_path / "t.ods", notes))


def test_spreadsheet_is_a_corpus(tmp_path: Path) -> None:
    row = [r"clips\a.mp4", "Rain.", datetime.time(0, 0, 14, 100_000)]
    xlsx(tmp_path / "videos.xlsx", ["Path", "Text", "Start_s"], row)
    table = folder.read_annotations(tmp_path, Dataset(corpus="folder"))
    assert table[["path", "start_s", "problem"]].to_numpy().tolist() == [[f"{tmp_path}/clips/a.mp4", 14.1, ""]]


def repacked(file: Path, part: str, content: str) -> Path:
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in {**parts, part: content.encode()}.items():
            new.writestr(name, data)
    return file


def sheet_xml(cells: str) -> str:
    return f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>'


@pytest.mark.parametrize(
    "content",
    [
        f"{BOMB}<worksheet/>",
        "<worksheet><sheetData>",
        sheet_xml('<row r="1"><c r="XFE1" t="inlineStr"><is><t>x</t></is></c></row>'),
        sheet_xml('<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>'),
        sheet_xml('<row r="1001"><c r="A1001"><v>1</v></c></row>'),
        sheet_xml('<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>'),
        sheet_xml('<row r="1"><c r="A1" t="s"><v>99</v></c></row>'),
        sheet_xml('<row r="1"><c r="A1" t="d"><v>yesterday</v></c></row>'),
    ],
)
def test_hostile_excel_is_refused_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(workbooks, "MOST_ROWS", 1000)
    file = repacked(xlsx(tmp_path / "t.xlsx", HEAD), "xl/worksheets/sheet1.xml", content)
    with pytest.raises(TableError, match=r"t\.xlsx"):
        read(file)


@pytest.mark.parametrize("part", ["xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_excel_whose_parts_are_bombs_is_refused(tmp_path: Path, part: str) -> None:
    with pytest.raises(TableError, match=r"t\.xlsx is not a readable xlsx file"):
        read(repacked(xlsx(tmp_path / "t.xlsx", HEAD), part, f"{BOMB}<sst/>"))


def shared(file: Path, strings: str) -> Path:
    """A file whose two cells are shared strings, as Excel writes all of them."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    with zipfile.ZipFile(file) as archive:
        types = archive.read("[Content_Types].xml").decode()
    override = f'<Override ContentType="{kind}" PartName="/xl/sharedStrings.xml"/></Types>'
    repacked(file, "[Content_Types].xml", types.replace("</Types>", override))
    rows = "".join(
        f'<row r="{row}"><c r="A{row}" t="s"><v>{2 * row - 2}</v></c><c r="B{row}" t="s"><v>{2 * row - 1}</v></c></row>'
        for row in (1, 2)
    )
    repacked(file, "xl/worksheets/sheet1.xml", sheet_xml(rows))
    return repacked(file, "xl/sharedStrings.xml", strings)


def test_shared_strings_are_read_and_their_bombs_refused(tmp_path: Path) -> None:
    texts = ["path", "text", "a.mp4"]
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    items += "<si><r><t>Rain </t></r><r><t>_x0041_ falls.</t></r></si>"
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    file = shared(xlsx(tmp_path / "t.xlsx", HEAD), f"<sst {space}>{items}</sst>")
    assert read(file) == [{"path": "a.mp4", "text": "Rain A falls."}]
    with pytest.raises(TableError, match=r"t\.xlsx is not a readable xlsx file .*could not read strings"):
        read(repacked(file, "xl/sharedStrings.xml", f"{BOMB}<sst {space}>{items}</sst>"))


@pytest.mark.parametrize(
    ("sheet", "more"),
    [
        ([[ods_cell("x", 999_999_999)]], {}),
        ([[ods_cell("", 999_999_999), ods_cell("x")]], {}),
        ([[ods_cell("x", 10_000)]], {"repeated": 1_000_000}),
        ([[ods_cell("x")]], {"repeated": 999_999_999}),
        ([[ods_cell("x", -1)]], {}),
        ([[ods_cell("&a;")]], {"head": BOMB}),
        ([["<table:table-cell>" * 200 + "</table:table-cell>" * 200]], {}),
        ([["<table:table-cell>"]], {}),
    ],
)
def test_hostile_opendocument_is_refused_within_bounds(tmp_path: Path, sheet: list, more: dict) -> None:
    with pytest.raises(TableError, match=r"t\.ods is not a readable ods file"):
        read(write_ods(tmp_path / "t.ods", sheet, **more))


@pytest.mark.parametrize("suffix", workbooks.SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" + bytes(600)])
def test_what_is_no_spreadsheet_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"t{suffix}").write_bytes(content)
    with pytest.raises(TableError, match=r"is not a readable .*saved without"):
        read(tmp_path / f"t{suffix}")


@pytest.mark.parametrize("suffix", workbooks.SUFFIXES)
def test_part_that_unpacks_to_a_gigabyte_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(workbooks, "MOST_BYTES", 1_000_000)
    file = tmp_path / f"t{suffix}"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content.xml", " " * 2_000_000)
    with pytest.raises(TableError, match="more than 1,000,000 bytes"):
        read(file)


def test_rows_far_apart_are_read(tmp_path: Path) -> None:
    cells = [f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>' for at, text in (("A1", "path"), ("B1", "text"))]
    last = '<row r="9999"><c r="A9999" t="inlineStr"><is><t>a.mp4</t></is></c></row>'
    content = sheet_xml(f'<row r="1">{"".join(cells)}</row>{last}')
    file = repacked(xlsx(tmp_path / "t.xlsx", HEAD), "xl/worksheets/sheet1.xml", content)
    assert read(file) == [{"path": "a.mp4", "text": ""}]
