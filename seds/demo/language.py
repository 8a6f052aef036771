"""The invented language of the demo corpus: a lexicon of signs, and a grammar that pairs glosses with English.

A sign is told by the four parameters of sign phonology: handshape, orientation, place and movement (Stokoe, 1960), and
by the number of hands. Places are in shoulder widths from the point between the shoulders: x outwards from the middle
of the body on the hand's own side (negative = across the middle), y downwards; they say where the middle of the hand
is. `fingers` is the direction of the fingers in the picture, in degrees: 0 up, 90 towards the middle, 180 down. `palm`
is the roll about it, in degrees: 0 = the palm faces the viewer, 180 = the back of the hand does.

Face and head carry grammar, as in real sign languages (Pfau and Quer, 2010): raised brows and wide eyes make a yes/no
question, a headshake with the corners of the mouth down negates, and TWINS are alike in the hands and differ in the
mouth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Literal, NamedTuple

PALM, EDGE, BACK = 0.0, 90.0, 180.0
Role = Literal["time", "person", "thing", "act", "do", "quality"]
Other = Literal["mirror", "alternate"]
Mouth = Literal["open", "round", "spread", "tongue"]
Form = Literal["statement", "question", "negation"]


class Pose(NamedTuple):
    """A hand at one moment; `shape` names one of hand.SHAPES."""

    shape: str
    x: float
    y: float
    fingers: float
    palm: float


@dataclass(frozen=True)
class Sign:
    """One row of the lexicon.

    The dominant hand goes from `start` to `end` (None: it stays) with a `move` of motion.MOVES on top. The other hand
    mirrors it, mirrors it in opposite phase ("alternate"), holds a pose of its own, or rests (None). The mouth makes a
    gesture, or the vowels of the gloss (None).
    """

    gloss: str
    role: Role
    english: str
    start: Pose
    end: Pose | None = None
    move: str = "hold"
    other: Other | Pose | None = None
    mouth: Mouth | None = None


# Hands stay beside and below the face, which they would hide.
# fmt: off
_BASE = (
    #    gloss          role       English                shape        x      y  fingers palm   [end, move, other hand]
    Sign("MORNING", "time",    "in the morning", Pose("flat",    .36,   .56,   40, BACK),
                                                 Pose("flat",    .56,  -.10,    0, BACK)),
    Sign("NIGHT",   "time",    "at night",       Pose("flat",    .70,  -.20,   10, BACK),
                                                 Pose("flat",    .42,   .34,   70, BACK), other="mirror"),
    Sign("TODAY",   "time",    "today",          Pose("y",       .52,   .30,   15, PALM),
                                                 Pose("y",       .52,   .52,   15, PALM), other="mirror"),
    Sign("SUMMER",  "time",    "in summer",      Pose("point",   .66,  -.74,   25, PALM),
                                                 Pose("hook",    .84,  -.50,   15, PALM), mouth="open"),
    Sign("SUNDAY",  "time",    "on Sunday",      Pose("five",    .70,  -.16,    0, PALM),
                                                 move="circle", other="mirror"),
    Sign("MOTHER",  "person",  "my mother",      Pose("five",    .54,  -.08,   40, PALM), move="tap"),
    Sign("FATHER",  "person",  "my father",      Pose("thumb",   .66,  -.56,   15, PALM), move="tap"),
    Sign("BROTHER", "person",  "my brother",     Pose("two",     .34,   .30,   65, PALM),
                                                 move="pump", other="alternate", mouth="round"),
    Sign("TEACHER", "person",  "the teacher",    Pose("pinch",   .62,  -.50,   20, BACK),
                                                 Pose("pinch",   .88,  -.36,  -15, BACK), other="mirror"),
    Sign("DOCTOR",  "person",  "the doctor",     Pose("three",   .28,   .16,   55, PALM),
                                                 move="tap", other=Pose("fist", .38, .66, 75, BACK)),
    Sign("CHILD",   "person",  "the child",      Pose("flat",    .98,   .10,  -40, PALM), move="tap"),
    Sign("BOOK",    "thing",   "book",           Pose("flat",    .17,   .26,    5, EDGE),
                                                 Pose("flat",    .36,   .26,  -18, BACK), other="mirror"),
    Sign("HOUSE",   "thing",   "house",          Pose("flat",    .30,   .16,   45, PALM),
                                                 Pose("flat",    .70,   .28,    5, PALM), other="mirror"),
    Sign("CAR",     "thing",   "car",            Pose("fist",    .42,   .28,   20, PALM),
                                                 move="pump", other="alternate"),
    Sign("DOG",     "thing",   "dog",            Pose("l",       .26,   .52,   75, PALM),
                                                 Pose("pinch",   .30,   .46,   70, PALM), mouth="tongue"),
    Sign("BALL",    "thing",   "ball",           Pose("claw",    .44,   .10,   25, BACK), move="tap", other="mirror"),
    Sign("TREE",    "thing",   "tree",           Pose("five",    .64,  -.24,    0, 30),
                                                 move="twist", other=Pose("flat", .22, .62, 90, BACK)),
    Sign("BUY",     "do",      "buys",           Pose("pinch",   .14,   .34,   60, BACK),
                                                 Pose("pinch",   .72,   .14,   35, BACK),
                                                 other=Pose("flat", .40, .72, 80, PALM)),
    Sign("SELL",    "do",      "sells",          Pose("pinch",   .34,   .26,   70, BACK), move="sway", other="mirror"),
    Sign("SEE",     "do",      "sees",           Pose("v",       .58,  -.28,   10, PALM),
                                                 Pose("v",       .96,  -.44,    0, PALM)),
    Sign("WANT",    "do",      "wants",          Pose("five",    .84,   .10,    0, PALM),
                                                 Pose("claw",    .50,   .26,   25, PALM), other="mirror"),
    Sign("FIND",    "do",      "finds",          Pose("five",    .50,   .56,   60, PALM),
                                                 Pose("ring",    .58,  -.04,   10, PALM), mouth="open"),
    Sign("DRAW",    "do",      "draws",          Pose("little",  .32,   .10,   30, PALM),
                                                 Pose("little",  .38,   .46,   40, PALM),
                                                 move="sway", other=Pose("flat", .60, .22, 5, BACK)),
    Sign("SLEEP",   "act",     "sleeps",         Pose("flat",    .66,  -.34,   25, PALM)),
    Sign("DANCE",   "act",     "dances",         Pose("v",       .50,   .12,   20, PALM), move="sway", other="mirror"),
    Sign("BIG",     "quality", "big",            Pose("l",       .34,   .20,    0, PALM),
                                                 Pose("l",       .86,   .12,  -10, PALM), other="mirror"),
    Sign("RED",     "quality", "red",            Pose("point",   .44,  -.02,   20, PALM),
                                                 Pose("hook",    .50,   .24,   20, PALM)),
    Sign("OLD",     "quality", "old",            Pose("fist",    .24,   .10,   40, PALM),
                                                 Pose("fist",    .30,   .52,   50, PALM), mouth="spread"),
    Sign("NEW",     "quality", "new",            Pose("horns",   .72,  -.10,    0, PALM), move="circle"),
)
# fmt: on
# Signs with the hands of another: {gloss: (whose hands, English, mouth)}.
TWINS: dict[str, tuple[str, str, Mouth]] = {
    "WINTER": ("SUMMER", "in winter", "spread"),
    "SISTER": ("BROTHER", "my sister", "spread"),
    "CAT": ("DOG", "cat", "round"),
    "LOSE": ("FIND", "loses", "tongue"),
    "DIRTY": ("OLD", "dirty", "tongue"),
}
_BASE_SIGNS = {sign.gloss: sign for sign in _BASE}
LEXICON = _BASE + tuple(
    replace(_BASE_SIGNS[hands], gloss=gloss, english=english, mouth=mouth)
    for gloss, (hands, english, mouth) in TWINS.items()
)
SIGNS = {sign.gloss: sign for sign in LEXICON}
_OTHER = {gloss: hands for gloss, (hands, _, _) in TWINS.items()}
_OTHER |= {hands: gloss for gloss, hands in _OTHER.items()}

# Gloss order is time first, then the topic, then the comment on it; English puts the time last and the topic where its
# syntax wants it. The number is the pattern's share of a corpus.
PATTERNS: dict[tuple[Role, ...], float] = {
    ("thing", "quality"): 0.10,
    ("person", "act"): 0.05,
    ("time", "thing", "quality"): 0.18,
    ("time", "person", "act"): 0.12,
    ("thing", "person", "do"): 0.27,
    ("time", "thing", "person", "do"): 0.16,
    ("thing", "quality", "person", "do"): 0.12,
}


@dataclass(frozen=True)
class Sentence:
    glosses: tuple[str, ...]
    form: Form = "statement"

    @property
    def text(self) -> str:
        return english([SIGNS[gloss] for gloss in self.glosses], self.form)

    @property
    def roles(self) -> tuple[Role, ...]:
        """One of PATTERNS."""
        return tuple(SIGNS[gloss].role for gloss in self.glosses)

    @cached_property
    def hands(self) -> tuple[str, ...]:
        """The glosses with each twin's hands by one name: equal for sentences whose hands do the same."""
        return tuple(TWINS[gloss][0] if gloss in TWINS else gloss for gloss in self.glosses)


def english(signs: Sequence[Sign], form: Form = "statement") -> str:
    """The English sentence of signs that follow one of PATTERNS.

    BOOK TEACHER BUY gives "The teacher buys a book.", as a question "Does the teacher buy a book?", and negated
    "The teacher does not buy a book."
    """
    word = {sign.role: sign.english for sign in signs}
    thing = " ".join(word[role] for role in ("quality", "thing") if role in word)
    rest = f" {word['time']}" if "time" in word else ""
    verb = word.get("do") or word.get("act")
    if "do" in word:
        rest = f" {'an' if thing[0] in 'aeiou' else 'a'} {thing}{rest}"
    if verb is None:
        subject, verb, auxiliary, rest = f"the {word['thing']}", "is", "is", f" {word['quality']}{rest}"
        bare = ""
    else:
        subject, auxiliary, bare = word["person"], "does", f" {verb.removesuffix('s')}"
    match form:
        case "statement":
            clause = f"{subject} {verb}{rest}."
        case "question":
            clause = f"{auxiliary} {subject}{bare}{rest}?"
        case "negation":
            clause = f"{subject} {auxiliary} not{bare}{rest}."
    return clause[0].upper() + clause[1:]


def sentences() -> Iterator[tuple[Sentence, float]]:
    """Every statement of the grammar, with its weight in a draw: the pattern's share over the pattern's sentences."""
    for roles, share in PATTERNS.items():
        choices = list(product(*([sign.gloss for sign in LEXICON if sign.role == role] for role in roles)))
        for glosses in choices:
            yield Sentence(glosses), share / len(choices)


def twin(gloss: str) -> str | None:
    """The gloss with the same hands, if there is one."""
    return _OTHER.get(gloss)
