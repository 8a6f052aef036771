"""The invented language of the demo corpus: a lexicon of signs, and a grammar that pairs glosses with English.

A sign is told by the four parameters of sign phonology: handshape, orientation, place and movement (Stokoe, 1960), and
by the number of hands. Places are in shoulder widths from the point between the shoulders: x outwards from the middle
of the body on the hand's own side (negative = across the middle), y downwards; they say where the middle of the hand
is. `fingers` is the direction of the fingers in the picture, in degrees: 0 up, 90 towards the middle, 180 down. `palm`
is the roll about it, in degrees: 0 = the palm faces the viewer, 180 = the back of the hand does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from seds.errors import SedsError

PALM, EDGE, BACK = 0.0, 90.0, 180.0
Role = Literal["time", "person", "thing", "act", "do", "quality"]
Other = Literal["mirror", "alternate"]


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
    mirrors it, mirrors it in opposite phase ("alternate"), holds a pose of its own, or rests (None).
    """

    gloss: str
    role: Role
    english: str
    start: Pose
    end: Pose | None = None
    move: str = "hold"
    other: Other | Pose | None = None


# fmt: off
LEXICON = (
    #    gloss          role       English                shape        x      y  fingers palm   [end, move, other hand]
    Sign("MORNING", "time",    "in the morning", Pose("flat",    .36,   .56,   40, BACK),
                                                 Pose("flat",    .56,  -.10,    0, BACK)),
    Sign("NIGHT",   "time",    "at night",       Pose("flat",    .70,  -.20,   10, BACK),
                                                 Pose("flat",    .42,   .34,   70, BACK), other="mirror"),
    Sign("TODAY",   "time",    "today",          Pose("y",       .52,   .30,   15, PALM),
                                                 Pose("y",       .52,   .52,   15, PALM), other="mirror"),
    Sign("SUMMER",  "time",    "in summer",      Pose("point",   .18,  -.76,   75, PALM),
                                                 Pose("hook",    .62,  -.66,   45, PALM)),
    Sign("SUNDAY",  "time",    "on Sunday",      Pose("five",    .70,  -.16,    0, PALM),
                                                 move="circle", other="mirror"),
    Sign("MOTHER",  "person",  "my mother",      Pose("five",    .32,  -.16,   40, PALM), move="tap"),
    Sign("FATHER",  "person",  "my father",      Pose("thumb",   .50,  -.56,   15, PALM), move="tap"),
    Sign("FRIEND",  "person",  "my friend",      Pose("two",     .34,   .30,   65, PALM),
                                                 move="pump", other="alternate"),
    Sign("TEACHER", "person",  "the teacher",    Pose("pinch",   .50,  -.50,   20, BACK),
                                                 Pose("pinch",   .86,  -.36,  -15, BACK), other="mirror"),
    Sign("DOCTOR",  "person",  "the doctor",     Pose("three",   .28,   .16,   55, PALM),
                                                 move="tap", other=Pose("fist", .38, .66, 75, BACK)),
    Sign("CHILD",   "person",  "the child",      Pose("flat",    .98,   .10,  -40, PALM), move="tap"),
    Sign("BOOK",    "thing",   "book",           Pose("flat",    .17,   .26,    5, EDGE),
                                                 Pose("flat",    .36,   .26,  -18, BACK), other="mirror"),
    Sign("HOUSE",   "thing",   "house",          Pose("flat",    .28,  -.04,   45, PALM),
                                                 Pose("flat",    .68,   .14,    5, PALM), other="mirror"),
    Sign("CAR",     "thing",   "car",            Pose("fist",    .42,   .28,   20, PALM),
                                                 move="pump", other="alternate"),
    Sign("DOG",     "thing",   "dog",            Pose("l",       .26,   .52,   75, PALM),
                                                 Pose("pinch",   .30,   .46,   70, PALM)),
    Sign("BALL",    "thing",   "ball",           Pose("claw",    .44,   .10,   25, BACK), move="tap", other="mirror"),
    Sign("TREE",    "thing",   "tree",           Pose("five",    .56,  -.30,    0, 30),
                                                 move="twist", other=Pose("flat", .22, .62, 90, BACK)),
    Sign("BUY",     "do",      "buys",           Pose("pinch",   .14,   .34,   60, BACK),
                                                 Pose("pinch",   .72,   .14,   35, BACK),
                                                 other=Pose("flat", .40, .72, 80, PALM)),
    Sign("SELL",    "do",      "sells",          Pose("pinch",   .34,   .26,   70, BACK), move="sway", other="mirror"),
    Sign("SEE",     "do",      "sees",           Pose("v",       .38,  -.34,   10, PALM),
                                                 Pose("v",       .86,  -.44,    0, PALM)),
    Sign("WANT",    "do",      "wants",          Pose("five",    .84,   .10,    0, PALM),
                                                 Pose("claw",    .50,   .26,   25, PALM), other="mirror"),
    Sign("FIND",    "do",      "finds",          Pose("five",    .50,   .56,   60, PALM),
                                                 Pose("ring",    .56,  -.04,   10, PALM)),
    Sign("DRAW",    "do",      "draws",          Pose("little",  .28,   .00,   30, PALM),
                                                 Pose("little",  .34,   .40,   40, PALM),
                                                 move="sway", other=Pose("flat", .60, .22, 5, BACK)),
    Sign("SLEEP",   "act",     "sleeps",         Pose("flat",    .42,  -.42,   30, PALM)),
    Sign("DANCE",   "act",     "dances",         Pose("v",       .50,   .12,   20, PALM), move="sway", other="mirror"),
    Sign("BIG",     "quality", "big",            Pose("l",       .34,   .20,    0, PALM),
                                                 Pose("l",       .86,   .12,  -10, PALM), other="mirror"),
    Sign("RED",     "quality", "red",            Pose("point",   .20,  -.14,   25, PALM),
                                                 Pose("hook",    .26,   .12,   25, PALM)),
    Sign("OLD",     "quality", "old",            Pose("fist",    .20,   .02,   40, PALM),
                                                 Pose("fist",    .28,   .46,   50, PALM)),
    Sign("NEW",     "quality", "new",            Pose("horns",   .72,  -.10,    0, PALM), move="circle"),
)
# fmt: on
SIGNS = {sign.gloss: sign for sign in LEXICON}

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


class LanguageError(SedsError, ValueError):
    """More sentences asked for than the grammar has; the message says how many there are."""


@dataclass(frozen=True)
class Sentence:
    glosses: tuple[str, ...]
    text: str


def english(signs: Sequence[Sign]) -> str:
    """The English sentence of signs that follow one of PATTERNS: BOOK TEACHER BUY gives "The teacher buys a book"."""
    word = {sign.role: sign.english for sign in signs}
    thing = " ".join(word[role] for role in ("quality", "thing") if role in word)
    if "do" in word:
        article = "an" if thing[0] in "aeiou" else "a"
        clause = f"{word['person']} {word['do']} {article} {thing}"
    elif "act" in word:
        clause = f"{word['person']} {word['act']}"
    else:
        clause = f"the {word['thing']} is {word['quality']}"
    if "time" in word:
        clause += f" {word['time']}"
    return f"{clause[0].upper()}{clause[1:]}."


def sentences() -> Iterator[tuple[Sentence, float]]:
    """Every sentence of the grammar, with its weight in a draw: the pattern's share over the pattern's sentences."""
    for roles, share in PATTERNS.items():
        choices = list(product(*([sign for sign in LEXICON if sign.role == role] for role in roles)))
        for signs in choices:
            yield Sentence(tuple(sign.gloss for sign in signs), english(signs)), share / len(choices)


def draw_splits(counts: dict[str, int], rng: np.random.Generator) -> dict[str, list[Sentence]]:
    """Draw the splits of a corpus, no sentence twice; `counts` is {split: sentences}, the first split is trained on.

    Glosses that are rare so far are favoured, so that each is about as frequent as the others of its role. Later
    splits only use glosses that the first has. Raises LanguageError when the grammar has too few such sentences.
    """
    pool, share = zip(*sentences(), strict=True)
    column = {gloss: i for i, gloss in enumerate(SIGNS)}
    uses = np.zeros((len(pool), len(column)))
    for row, sentence in enumerate(pool):
        uses[row, [column[gloss] for gloss in sentence.glosses]] = 1
    uses /= uses.sum(1, keepdims=True)
    free = np.array(share)  # weight in the draw; 0 once taken
    splits: dict[str, list[Sentence]] = {}
    for split, count in counts.items():
        seen = np.zeros(len(column))
        splits[split] = []
        for _ in range(count):
            weight = free * np.exp(uses @ (-2 * np.log1p(seen)))  # geometric mean of (1 + times seen)^-2
            if not weight.any():
                raise LanguageError(
                    f"{split}: {count} sentences asked for, but after {len(splits[split])} of them no other is left "
                    f"(the grammar has {len(pool)}; splits after the first use only its glosses)"
                )
            row = int(rng.choice(len(pool), p=weight / weight.sum()))
            free[row] = 0
            seen[[column[gloss] for gloss in pool[row].glosses]] += 1
            splits[split].append(pool[row])
        if len(splits) == 1:
            free[(uses[:, seen == 0] > 0).any(1)] = 0
    return splits
