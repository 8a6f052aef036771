import pytest

from seds.messages import file_name, legible

HOSTILE = [
    "../../etc/passwd", "a/b", "a\\b", ".", "..", "", "...", "~", "a\0b", "a\nb", "name\x1b[31m", "\u202egnp.exe",
    "überlang" * 1000, "手話", "é", "e\u0301", "<script>", "a b", " a", "a ",
]  # fmt: skip


def test_a_line_without_control_characters_and_of_bounded_length() -> None:
    assert legible("Das Wetter: 手話 👩‍🚀!") == "Das Wetter: 手話 👩‍🚀!"
    assert legible("a\nb\x1b[31m\0\u202e\u2028") == r"a\nb\x1b[31m\x00\u202e\u2028"
    assert legible("x" * 10_000, 20) == "x" * 20 + "… (9,980 more characters)"


@pytest.mark.parametrize("name", ["train-0001", "--8pSDeC-fg_8-5-rgb_front", "S000005_P0004_T00", "a.b+c=d@e"])
def test_a_harmless_id_names_its_own_file(name: str) -> None:
    assert file_name(name) == name


def test_hostile_ids_name_short_visible_files_in_the_folder_itself_and_no_two_the_same() -> None:
    names = [file_name(text) for text in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    for name in names:
        assert name.isascii()
        assert set(name).isdisjoint("/\\ \0\n<>")
        assert 0 < len(name) <= 100
        assert not name.startswith(".")
