"""ELAN files: the times of every kind of annotation, real files against pympi, and hostile ones."""

import os
from collections import Counter
from pathlib import Path

import pympi
import pytest
from helpers.elan import aligned, by_hand, refers, tier

from seds.corpora import eaf
from seds.corpora.contents import ContentError
from seds.corpora.safe_xml import XmlError

REAL = {  # annotations by tier
    "pympi_sample_3.0.eaf": {
        "text": 399, "words-timesub": 1995, "words-symsub": 1995, "gestures": 1197, "gest_included": 1197,
        "words-pos": 1995,
    },
    "readelan_example.eaf": {"words": 3, "pos": 3, "syntax": 3},
    "readelan_no_annotations.eaf": {"default": 0},
    "signbleu_weather_001.eaf": {
        "sentence": 1, "Ci": 1, "EBf": 2, "Hno": 0, "Mmo": 0, "Mo1": 1, "Mctr": 0, "both": 7, "left": 0, "right": 3,
    },
}  # fmt: skip


def times(document: eaf.Document) -> dict[str, tuple[float, float]]:
    return {
        one.name: (one.start_s, one.end_s) for each in document.tiers for one in each.annotations if not one.problem
    }


def problems(document: eaf.Document) -> dict[str, str]:
    return {one.name: one.problem for each in document.tiers for one in each.annotations if one.problem}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_file_is_read_whole(shared: Path, name: str) -> None:
    """Against pympi: values of all annotations, times of all that have slots with times."""
    file = shared / "data/formats" / name
    document, expected = eaf.read(file), pympi.Elan.Eaf(str(file))
    assert problems(document) == {}
    assert {one.name: len(one.annotations) for one in document.tiers} == REAL[name]
    assert [medium.url for medium in document.media] == [one["MEDIA_URL"] for one in expected.media_descriptors]
    for one in document.tiers:
        own, references, attributes, _ = expected.tiers[one.name]
        assert one.participant == attributes.get("PARTICIPANT", "")
        values = {key: value for key, (_, _, value, _) in own.items()}
        values |= {key: value for key, (_, value, _, _) in references.items()}
        assert {a.name: a.value for a in one.annotations} == {key: value or "" for key, value in values.items()}
        for a in one.annotations:
            slots = own[a.name][:2] if a.name in own else ()
            for slot, found in zip(slots, (a.start_s, a.end_s), strict=False):
                if expected.timeslots[slot] is not None:
                    assert found == expected.timeslots[slot] / 1000


@pytest.mark.real
def test_subdivisions_of_a_real_file_fill_their_sentences(shared: Path) -> None:
    """Five words to a sentence; of those whose slots have no times, as of the symbolic ones, all of the same length."""
    document = eaf.read(shared / "data/formats/pympi_sample_3.0.eaf")
    tiers = {one.name: one.annotations for one in document.tiers}
    sentences = {(one.start_s, one.end_s): one.value.split() for one in tiers["text"]}
    for name in ("words-timesub", "words-symsub", "words-pos"):
        for (start, end), words in sentences.items():
            inside = [one for one in tiers[name] if start <= one.start_s and one.end_s <= end]
            assert len(inside) == len(words) == 5
            assert (inside[0].start_s, inside[-1].end_s) == pytest.approx((start, end))
            assert [a.end_s for a in inside[:-1]] == pytest.approx([b.start_s for b in inside[1:]])
            if name == "words-symsub":
                assert [one.value for one in inside] == words
                assert [one.end_s - one.start_s for one in inside] == pytest.approx([(end - start) / 5] * 5)


def test_slots_without_a_time_lie_evenly_in_their_chain(tmp_path: Path) -> None:
    slots = {"s1": 1000, "s4": 4000, "s2": None, "s3": None, "s5": 5000}  # in no order, as some tools write them
    chain = [aligned("a", "s1", "s2"), aligned("b", "s2", "s3"), aligned("c", "s3", "s4"), aligned("d", "s4", "s5")]
    found = times(eaf.read(by_hand(tmp_path / "a.eaf", slots, tier("x", *chain))))
    assert found == {"a": (1.0, 2.0), "b": (2.0, 3.0), "c": (3.0, 4.0), "d": (4.0, 5.0)}


def test_slots_without_a_time_stay_within_the_annotation_above(tmp_path: Path) -> None:
    """A gap between the children is no chain: what their tier does not tell, the one above and the order do."""
    slots = {"p1": 1000, "c1": None, "c2": None, "p2": 4000, "p3": 9000}
    tiers = tier("child", aligned("c", "c1", "c2"), PARENT_REF="parent")
    tiers += tier("parent", aligned("p", "p1", "p2"), aligned("q", "p2", "p3"))
    assert times(eaf.read(by_hand(tmp_path / "a.eaf", slots, tiers)))["c"] == (2.0, 3.0)


def test_references_of_any_depth_have_their_targets_times(tmp_path: Path) -> None:
    tiers = "".join(
        tier(f"t{i}", refers(f"a{i}", f"a{i - 1}", f"v{i}"), PARENT_REF=f"t{i - 1}") for i in reversed(range(1, 3000))
    )
    tiers += tier("t0", aligned("a0", "s1", "s2", "v0"))
    document = eaf.read(by_hand(tmp_path / "a.eaf", {"s1": 500, "s2": 1500}, tiers))
    assert set(times(document).values()) == {(0.5, 1.5)}
    assert len(times(document)) == 3000


@pytest.mark.parametrize("constraint", ["Symbolic_Subdivision", "Symbolic Subdivision", ""])
def test_subdivisions_share_the_time_in_their_order(tmp_path: Path, constraint: str) -> None:
    types = f'<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="sub" CONSTRAINTS="{constraint}" TIME_ALIGNABLE="false"/>'
    parts = [refers("c", "a", previous="b"), refers("b", "a", previous="x"), refers("x", "a")]
    tiers = tier("words", aligned("a", "s1", "s2")) + tier("morphs", *parts, LINGUISTIC_TYPE_REF="sub")
    tiers += tier("gloss", refers("g", "b"), refers("h", "c"))
    found = times(eaf.read(by_hand(tmp_path / "a.eaf", {"s1": 0, "s2": 3000}, tiers, types=types)))
    assert found == {
        "a": (0, 3), "x": (0, 1), "b": (1, 2), "c": (2, 3), "g": (1, 2), "h": (2, 3),
    }  # fmt: skip


def test_associations_have_the_whole_time(tmp_path: Path) -> None:
    tiers = tier("words", aligned("a", "s1", "s2")) + tier("gloss", refers("g", "a"), refers("h", "a"))
    found = times(eaf.read(by_hand(tmp_path / "a.eaf", {"s1": 0, "s2": 3000}, tiers)))
    assert found["g"] == found["h"] == (0.0, 3.0)


def test_what_has_no_time_says_why_and_costs_only_itself(tmp_path: Path) -> None:
    slots = {"s1": 0, "s2": 1000, "s3": None, "s4": -5, "s5": "x", "s6": "9" * 5000, "s7": "1e3"}
    annotations = [
        aligned("good", "s1", "s2"), aligned("open", "s2", "s3"), aligned("negative", "s1", "s4"),
        aligned("word", "s5", "s2"), aligned("huge", "s1", "s6"), aligned("float", "s1", "s7"),
        aligned("gone", "s1", "s99"),
    ]  # fmt: skip
    references = [refers("lost", "a99"), refers("one", "two"), refers("two", "one"), refers("self", "self"),
                  refers("late", "open"), refers("fine", "good")]  # fmt: skip
    document = eaf.read(by_hand(tmp_path / "a.eaf", slots, tier("x", *annotations) + tier("y", *references)))  # type: ignore[arg-type]
    assert set(times(document)) == {"good", "fine"}
    found = problems(document)
    assert found["open"] == "its time slot 's3' has no time"
    assert found["gone"] == "its time slot 's99' is not in the file"
    assert found["lost"] == "refers to 'a99', which is not in the file"
    assert "refers to itself" in found["self"]
    assert "refers to itself" in found["one"] + found["two"]
    assert found["late"] == "refers to 'open', which its time slot 's3' has no time"
    lines = {one.name: one.line for each in document.tiers for one in each.annotations}
    text = (tmp_path / "a.eaf").read_text().splitlines()
    assert all(f'"{name}"' in text[line - 1] for name, line in lines.items())


def test_media_origins_and_units_are_read(tmp_path: Path) -> None:
    header = '<MEDIA_DESCRIPTOR MEDIA_URL="file:///a.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="-1500"/>'
    file = by_hand(tmp_path / "a.eaf", {"s1": 25, "s2": 50}, tier("x", aligned("a", "s1", "s2")), header)
    assert [medium.origin_s for medium in eaf.read(file).media] == [-1.5]
    file.write_text(file.read_text().replace("milliseconds", "PAL-frames"))
    assert times(eaf.read(file)) == {"a": (1.0, 2.0)}
    file.write_text(file.read_text().replace("PAL-frames", "moons"))
    with pytest.raises(XmlError, match="unknown TIME_UNITS; known: milliseconds"):
        eaf.read(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.eaf is empty"),
        ("<html/>", "expected an element ANNOTATION_DOCUMENT"),
        ("<x><ANNOTATION_DOCUMENT/></x>", "expected an element ANNOTATION_DOCUMENT"),
        ("<ANNOTATION_DOCUMENT><HEADER>", r"a.eaf:1: is not well-formed XML"),
        (
            '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>',
            "declares entities or names other files",
        ),
        (
            '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ANNOTATION_DOCUMENT>&a;</ANNOTATION_DOCUMENT>',
            "declares entities or names other files",
        ),
        ("<ANNOTATION_DOCUMENT>" + "<TIER>" * 1000, "nested more than 100 deep"),
        ("<ANNOTATION_DOCUMENT>" + "<TIER/>" * 10_001 + "</ANNOTATION_DOCUMENT>", "has more than 10,000 tiers"),
        ("\0" * 1000, "is not well-formed XML"),
    ],
)
def test_hostile_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "a.eaf"
    file.write_text(content)
    with pytest.raises(XmlError, match=message):
        eaf.read(file)


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "a.eaf"
    file.touch()
    os.truncate(file, 10**9)
    with pytest.raises(ContentError, match="1,000,000,000 bytes, more than the 50,000,000"):
        eaf.read(file)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    file = by_hand(tmp_path / "a.eaf", {"s1": 0, "s2": 1}, tier("x", aligned("a", "s1", "s2")))
    whole = file.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:length])
        with pytest.raises(XmlError):
            eaf.read(file)


def test_chains_that_lead_nowhere_take_no_time(tmp_path: Path) -> None:
    """Many starts of one circle of slots without times: each slot is looked at once."""
    size = 20_000
    slots: dict[str, int | None] = {f"u{i}": None for i in range(size)} | {f"k{i}": i for i in range(size)}
    circle = [aligned(f"c{i}", f"u{i}", f"u{(i + 1) % size}") for i in range(size)]
    starts = [aligned(f"s{i}", f"k{i}", f"u{i}") for i in range(size)]
    document = eaf.read(by_hand(tmp_path / "a.eaf", slots, tier("x", *circle, *starts)))
    assert Counter(bool(one.problem) for one in document.tiers[0].annotations) == {True: 2 * size}
