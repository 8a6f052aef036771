"""ELAN's annotation files (.eaf, EAF 2.7 to 3.0): tiers of annotations, each with the times that ELAN shows it at.

An annotation has time slots of its own, or refers to an annotation of another tier, to any depth, and has its times.
Several that refer to the same one in a tier of subdivisions share its time evenly. A slot without a time lies between
its neighbours in a chain of annotations, evenly spaced. Times are those of the annotations; a medium is played from
`origin_s` when they are at 0.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seds.corpora import safe_xml
from seds.corpora.safe_xml import XmlError
from seds.messages import printable

MOST_BYTES = 50_000_000  # an hour on 50 tiers has 10 MB
SUBDIVISION = "Symbolic_Subdivision"
_UNITS = {"milliseconds": 1000, "PAL-frames": 25, "PAL-50-frames": 50, "NTSC-frames": 30000 / 1001}  # a second
_MOST_TIERS, _MOST_LEVELS = 10_000, 100
_LATEST_S = 1e7  # of any time, some months

Span = tuple[float, float]


@dataclass(frozen=True)
class Annotation:
    """start_s, end_s: s. problem: "", or why it has no times; then they are 0. line: of the file, from 1."""

    name: str  # its id
    line: int
    start_s: float
    end_s: float
    value: str
    problem: str = ""


@dataclass(frozen=True)
class Tier:
    """participant, language: of the tier or else of the tiers above it; "" where none says."""

    name: str
    participant: str
    language: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Medium:
    """A file that was annotated, as the annotations name it: by a URL, and by a path relative to theirs."""

    url: str
    relative: str
    mime_type: str
    origin_s: float


@dataclass(frozen=True)
class Document:
    media: tuple[Medium, ...]
    tiers: tuple[Tier, ...]


def read(file: Path) -> Document:
    """The contents of a file. Raises XmlError and ContentError, naming the file."""
    handler = _Elements()
    safe_xml.parse(file, handler, MOST_BYTES)
    if not handler.is_eaf:
        raise XmlError(f"{file}: expected an element ANNOTATION_DOCUMENT, as ELAN writes it")
    if handler.units is None:
        raise XmlError(f"{file}: unknown TIME_UNITS; known: {', '.join(_UNITS)}")
    return Document(tuple(handler.media), tuple(_resolved(handler)))


@dataclass
class _Raw:
    """An annotation as the file has it. slots: of an alignable one; reference: the id of the one it belongs to."""

    name: str
    line: int
    slots: tuple[str, str] | None
    reference: str
    previous: str
    words: list[str] = field(default_factory=list)


@dataclass
class _RawTier:
    name: str
    parent: str
    participant: str
    language: str
    kind: str  # its linguistic type
    annotations: list[_Raw] = field(default_factory=list)


class _Elements(safe_xml.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.is_eaf = False
        self.units: float | None = _UNITS["milliseconds"]
        self.media: list[Medium] = []
        self.slots: dict[str, float | None] = {}  # in the order of TIME_ORDER
        self.tiers: list[_RawTier] = []
        self.constraints: dict[str, str] = {}  # of linguistic types
        self.in_value = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        get = attributes.get
        if name == "ANNOTATION_DOCUMENT":
            self.is_eaf |= self.depth == 1
        elif name == "HEADER":
            self.units = _UNITS.get(get("TIME_UNITS") or "milliseconds")
        elif name == "MEDIA_DESCRIPTOR":
            origin = (_number(get("TIME_ORIGIN", "0"), signed=True) or 0.0) / 1000
            relative, mime_type = get("RELATIVE_MEDIA_URL", ""), get("MIME_TYPE", "")
            self.media.append(Medium(get("MEDIA_URL", ""), relative, mime_type, origin))
        elif name == "TIME_SLOT":
            value = _number(get("TIME_VALUE", ""))
            time = None if value is None or self.units is None else value / self.units
            self.slots[get("TIME_SLOT_ID", "")] = None if time is None or time > _LATEST_S else time
        elif name == "TIER":
            if len(self.tiers) == _MOST_TIERS:
                raise ValueError(f"has more than {_MOST_TIERS:,} tiers")
            who, language = get("PARTICIPANT", "").strip(), get("LANG_REF", "")
            kind = get("LINGUISTIC_TYPE_REF", "")
            self.tiers.append(_RawTier(get("TIER_ID", ""), get("PARENT_REF", ""), who, language, kind))
        elif name == "LINGUISTIC_TYPE":
            self.constraints[get("LINGUISTIC_TYPE_ID", "")] = get("CONSTRAINTS", "").replace(" ", "_")
        elif name in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION") and self.tiers:
            slots = (get("TIME_SLOT_REF1", ""), get("TIME_SLOT_REF2", "")) if name[0] == "A" else None
            reference, previous = get("ANNOTATION_REF", ""), get("PREVIOUS_ANNOTATION", "")
            raw = _Raw(get("ANNOTATION_ID") or f"line {self.line}", self.line, slots, reference, previous)
            self.tiers[-1].annotations.append(raw)
        elif name == "ANNOTATION_VALUE":
            self.in_value = bool(self.tiers and self.tiers[-1].annotations)

    def text(self, content: str) -> None:
        if self.in_value:
            self.tiers[-1].annotations[-1].words.append(content)

    def end(self, name: str) -> None:
        if name == "ANNOTATION_VALUE":
            self.in_value = False


def _number(text: str, signed: bool = False) -> float | None:
    """A whole number; None for other text."""
    text = text.strip()
    digits = text[1:] if signed and text[:1] in "+-" else text
    return float(text) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else None


def _resolved(found: _Elements) -> Iterable[Tier]:
    """The tiers with the times of their annotations."""
    tiers = {tier.name: tier for tier in reversed(found.tiers)}
    times: dict[str, dict[str, float]] = {}  # of the slots of each tier, by its name, those without a time included
    order = {slot: place for place, slot in enumerate(found.slots)}
    for tier in found.tiers:
        _fill(tier, tiers, found.slots, order, times)
    spans, problems = _spans(found, times)
    for tier in found.tiers:
        above = _above(tier, tiers)
        annotations = []
        for raw in tier.annotations:
            key = id(raw)
            start, end = spans.get(key, (0.0, 0.0))
            problem = problems.get(key, "")
            annotations.append(Annotation(raw.name, raw.line, start, end, "".join(raw.words), problem))
        participant = next((one.participant for one in above if one.participant), "")
        language = next((one.language for one in above if one.language), "")
        yield Tier(tier.name, participant, language, tuple(annotations))


def _above(tier: _RawTier, tiers: dict[str, _RawTier]) -> list[_RawTier]:
    """The tier, its parent, the parent's parent, ..."""
    result, seen = [tier], {tier.name}
    while (parent := tiers.get(result[-1].parent)) and parent.name not in seen and len(result) < _MOST_LEVELS:
        result.append(parent)
        seen.add(parent.name)
    return result


def _fill(
    tier: _RawTier,
    tiers: dict[str, _RawTier],
    slots: dict[str, float | None],
    order: dict[str, int],
    times: dict[str, dict[str, float]],
) -> None:
    """Add the times of a tier's slots to `times`, after those of the tiers above it."""
    for one in reversed(_above(tier, tiers)):
        if one.name not in times:
            outer = times.get(one.parent, {})
            pairs = [raw.slots for raw in one.annotations if raw.slots]
            own = dict.fromkeys(slot for pair in pairs for slot in pair if slot in slots)
            known = {slot: time for slot in own if (time := slots[slot]) is not None}
            known |= {slot: outer[slot] for slot in own if slot not in known and slot in outer}
            if len(known) < len(own):
                _along_chains(pairs, known)
            if len(known) < len(own):
                _between_neighbours([slot for slot in own if slot not in known], known, outer, order)
            times[one.name] = known


def _along_chains(pairs: Sequence[tuple[str, str]], known: dict[str, float]) -> None:
    """Give times to slots between two known ones, where each annotation begins in the slot in which another ends."""
    after = dict(pairs)
    leads_nowhere = set[str]()
    for first in [start for start, _ in pairs if start in known]:
        chain, slot = [], after.get(first)
        while slot is not None and slot not in known and slot not in leads_nowhere:
            chain.append(slot)
            leads_nowhere.add(slot)  # unless a known one follows
            slot = after.get(slot)
        if slot in known:
            _space_evenly(chain, known[first], known[slot], known)


def _between_neighbours(
    unknown: Sequence[str], known: dict[str, float], outer: dict[str, float], order: dict[str, int]
) -> None:
    """Give times to slots that lie between known ones, of this tier or of the one above, in the order of the file."""
    fences = sorted((order[slot], time) for slot, time in (outer | known).items())
    runs: dict[int, list[str]] = defaultdict(list)  # by the place among the fences
    for slot in sorted(unknown, key=order.__getitem__):
        runs[bisect(fences, (order[slot], 0.0))].append(slot)
    for place, run in runs.items():
        if 0 < place < len(fences) and fences[place - 1][1] <= fences[place][1]:
            _space_evenly(run, fences[place - 1][1], fences[place][1], known)


def _space_evenly(slots: Sequence[str], start: float, end: float, known: dict[str, float]) -> None:
    for number, slot in enumerate(slots, start=1):
        known[slot] = start + (end - start) * number / (len(slots) + 1)


def _spans(found: _Elements, times: dict[str, dict[str, float]]) -> tuple[dict[int, Span], dict[int, str]]:
    """Start and end of each annotation and, of those without, the reason, both by the identity of the annotation."""
    spans, problems = dict[int, Span](), dict[int, str]()
    by_name: dict[str, _Raw] = {}
    places: dict[int, tuple[int, int]] = {}  # (k, n): the k-th of n that share the time of the one they refer to
    for tier in found.tiers:
        shared: dict[str, list[_Raw]] = defaultdict(list)
        for raw in tier.annotations:
            by_name.setdefault(raw.name, raw)
            if raw.slots:
                known = times[tier.name]
                ends = [known.get(slot) for slot in raw.slots]
                lacking = [slot for slot, time in zip(raw.slots, ends, strict=True) if time is None]
                if lacking:
                    where = "has no time" if lacking[0] in found.slots else "is not in the file"
                    problems[id(raw)] = f"its time slot {printable(lacking[0], 40)!r} {where}"
                else:
                    spans[id(raw)] = ends[0], ends[1]  # type: ignore[assignment]
            else:
                shared[raw.reference].append(raw)
        divides = found.constraints.get(tier.kind) == SUBDIVISION
        for siblings in shared.values():
            if divides or any(raw.previous for raw in siblings):
                places |= {id(raw): (k, len(siblings)) for k, raw in enumerate(_in_order(siblings))}
    for tier in found.tiers:
        for raw in tier.annotations:
            _follow(raw, by_name, places, spans, problems)
    return spans, problems


def _in_order(siblings: Sequence[_Raw]) -> list[_Raw]:
    """Subdivisions of one annotation, each after the one that it names as its previous one."""
    following = {raw.previous: raw for raw in siblings if raw.previous}
    ordered, seen = list[_Raw](), set[int]()
    for first in [*(raw for raw in siblings if not raw.previous), *siblings]:
        at: _Raw | None = first
        while at is not None and id(at) not in seen:
            ordered.append(at)
            seen.add(id(at))
            at = following.get(at.name)
    return ordered


def _follow(
    raw: _Raw,
    by_name: dict[str, _Raw],
    places: dict[int, tuple[int, int]],
    spans: dict[int, Span],
    problems: dict[int, str],
) -> None:
    """Find the times of an annotation that refers to another, and of those on the way."""
    path, on_path = list[_Raw](), set[int]()
    at = raw
    while id(at) not in spans and id(at) not in problems:
        path.append(at)
        on_path.add(id(at))
        target = by_name.get(at.reference)
        if target is None:
            problems[id(at)] = f"refers to {printable(at.reference, 40)!r}, which is not in the file"
        elif id(target) in on_path:
            problems[id(at)] = f"refers to itself, by way of {printable(at.reference, 40)!r}"
        else:
            at = target
    for one in reversed(path):
        if id(one) in problems:
            continue
        target = by_name[one.reference]
        if id(target) in problems:
            problems[id(one)] = f"refers to {printable(one.reference, 40)!r}, which {problems[id(target)]}"[:300]
        else:
            start, end = spans[id(target)]
            k, n = places.get(id(one), (0, 1))
            spans[id(one)] = start + (end - start) * k / n, start + (end - start) * (k + 1) / n
