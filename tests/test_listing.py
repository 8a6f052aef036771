from seds.messages import left_out


def test_reasons_come_commonest_first_with_the_first_names():
    rows = [("missing", "a", "a.mp4: no such file")] + [("no text", name, "") for name in "bcde"]
    assert left_out(rows, total=9, names=3).splitlines() == [
        "5 of 9 left out",
        "  no text: 4",
        "    b",
        "    c",
        "    d",
        "    and 1 more",
        "  missing: 1",
        "    a: a.mp4: no such file",
    ]
