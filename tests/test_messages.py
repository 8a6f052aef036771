import pytest

from seds.messages import printable, safe_filename, summarise_skipped

HOSTILE = [
    "../../etc/passwd", "a/b", "a\\b", ".", "..", "", "...", "~", "a\0b", "a\nb", "name\x1b[31m", "\u202egnp.exe",
    "überlang" * 1000, "手話", "é", "e\u0301", "<script>", "a b", " a", "a ",
]  # fmt: skip


def test_printable_escapes_control_characters_and_bounds_length() -> None:
    assert printable("Das Wetter: 手話 👩‍🚀!") == "Das Wetter: 手話 👩‍🚀!"
    assert printable("a\nb\x1b[31m\0\u202e\u2028") == r"a\nb\x1b[31m\x00\u202e\u2028"
    assert printable("caf\udce9\ud800") == r"caf\xe9\ud800"
    assert printable("x" * 10_000, 20) == "x" * 20 + "… (9,980 more characters)"


@pytest.mark.parametrize("name", ["train-0001", "--8pSDeC-fg_8-5-rgb_front", "S000005_P0004_T00", "a.b+c=d@e"])
def test_safe_filename_keeps_a_harmless_id(name: str) -> None:
    assert safe_filename(name) == name


def test_safe_filename_of_hostile_ids_is_short_and_unique() -> None:
    names = [safe_filename(text) for text in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    for name in names:
        assert name.isascii()
        assert set(name).isdisjoint("/\\ \0\n<>")
        assert 0 < len(name) <= 100
        assert not name.startswith(".")


def test_summarise_skipped_lists_commonest_reasons_first():
    rows = [("missing", "a", "a.mp4: no such file")] + [("no text", name, "") for name in "bcde"]
    assert summarise_skipped(rows, total=9, names=3).splitlines() == [
        "5 of 9 left out",
        "  no text: 4",
        "    b",
        "    c",
        "    d",
        "    and 1 more",
        "  missing: 1",
        "    a: a.mp4: no such file",
    ]
