"""The rules of the EAF 3.0 schema for what is written here: elements in order, their attributes and references.

Not the schema itself, whose licence is not this project's: the same rules, in Python. They were compared with
EAFv3.0.xsd, which the source distribution of pympi-ling 1.71 has in its tests; what is written is valid by that,
too.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

# Children in order, each any number of times ("+": at least once, "1": once); attributes that are needed, and others.
RULES: dict[str, tuple[tuple[tuple[str, str], ...], set[str], set[str]]] = {
    "ANNOTATION_DOCUMENT": (
        (("LICENSE", "*"), ("HEADER", "1"), ("TIME_ORDER", "1"), ("TIER", "*"), ("LINGUISTIC_TYPE", "*"),
         ("LOCALE", "*"), ("LANGUAGE", "*"), ("CONSTRAINT", "*"), ("CONTROLLED_VOCABULARY", "*"),
         ("LEXICON_REF", "*"), ("REF_LINK_SET", "*"), ("EXTERNAL_REF", "*")),
        {"DATE", "AUTHOR", "VERSION"}, {"FORMAT"},
    ),
    "HEADER": ((("MEDIA_DESCRIPTOR", "*"), ("LINKED_FILE_DESCRIPTOR", "*"), ("PROPERTY", "*")), set(),
               {"MEDIA_FILE", "TIME_UNITS"}),
    "MEDIA_DESCRIPTOR": ((), {"MEDIA_URL", "MIME_TYPE"}, {"RELATIVE_MEDIA_URL", "TIME_ORIGIN", "EXTRACTED_FROM"}),
    "PROPERTY": ((), set(), {"NAME"}),
    "TIME_ORDER": ((("TIME_SLOT", "*"),), set(), set()),
    "TIME_SLOT": ((), {"TIME_SLOT_ID"}, {"TIME_VALUE"}),
    "TIER": ((("ANNOTATION", "*"),), {"TIER_ID", "LINGUISTIC_TYPE_REF"},
             {"PARTICIPANT", "ANNOTATOR", "DEFAULT_LOCALE", "PARENT_REF", "EXT_REF", "LANG_REF"}),
    "ANNOTATION": ((("ALIGNABLE_ANNOTATION", "1"),), set(), set()),
    "ALIGNABLE_ANNOTATION": ((("ANNOTATION_VALUE", "1"),), {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
                             {"SVG_REF", "EXT_REF", "LANG_REF", "CVE_REF"}),
    "ANNOTATION_VALUE": ((), set(), set()),
    "LINGUISTIC_TYPE": ((), {"LINGUISTIC_TYPE_ID"}, {"TIME_ALIGNABLE", "CONSTRAINTS", "GRAPHIC_REFERENCES",
                                                     "CONTROLLED_VOCABULARY_REF", "EXT_REF", "LEXICON_REF"}),
    "CONSTRAINT": ((), {"STEREOTYPE"}, {"DESCRIPTION"}),
}  # fmt: skip


def check(file: Path) -> ET.Element:
    """The root element of a file that keeps the rules. Raises AssertionError."""
    root = ET.parse(file).getroot()
    assert root.tag == "ANNOTATION_DOCUMENT"
    for element in root.iter():
        children, needed, optional = RULES[element.tag]
        names = {name for name in element.attrib if not name.startswith("{")}
        assert needed <= names <= needed | optional, (element.tag, names)
        counts = {"1": "{1}", "*": "*", "+": "+"}
        pattern = "".join(f"(?:<{name}>){counts[count]}" for name, count in children)
        assert re.fullmatch(pattern, "".join(f"<{child.tag}>" for child in element)), element.tag
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", root.attrib["DATE"])
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")}
    assert len(slots) == len(list(root.iter("TIME_SLOT")))
    assert list(slots.values()) == sorted(slots.values())
    types = {one.attrib["LINGUISTIC_TYPE_ID"] for one in root.iter("LINGUISTIC_TYPE")}
    names = [one.attrib["TIER_ID"] for one in root.iter("TIER")]
    assert len(set(names)) == len(names)
    ids = [one.attrib["ANNOTATION_ID"] for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", one) for one in [*ids, *slots]), "an xsd:ID"
    assert len(set(ids)) == len(ids)
    used = []
    for one in root.iter("TIER"):
        assert one.attrib["LINGUISTIC_TYPE_REF"] in types
        last = 0
        for annotation in one.iter("ALIGNABLE_ANNOTATION"):
            refs = [annotation.attrib[f"TIME_SLOT_REF{i}"] for i in (1, 2)]
            start, end = (slots[ref] for ref in refs)
            assert last <= start < end, "annotations of a tier do not overlap"
            last, used = end, [*used, *refs]
    assert sorted(used) == sorted(slots), "each slot belongs to one annotation"
    return root
