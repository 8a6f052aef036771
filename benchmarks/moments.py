"""Whether the moments that `--explain` tells are those in which the words are signed, on the demo corpus.

    python benchmarks/moments.py            after `dvc repro`; --split train for the videos that the model has seen

The renderer knows from which frame to which each sign is performed. A content word is one that a sign stands for
("on Sunday" is SUNDAY, so "on" is none). Its moment is right where the moment's middle lies within its sign; the
transitions before and after a sign belong to no word. Beside the streams stand what no look at the video would give:

    any time          a time drawn evenly from the video
    other word's      the moment that the stream gives another content word of the sentence, every other one in turn
    usual place       the sign's mean place in the training videos, as a share of the video: time signs come first

The interval is a 95 % bootstrap one over videos. `odd` counts the words alone that the usual place misses, by which a
model that looks is told from one that knows the grammar. `s` is a moment's median length; a sign takes 0.4 s.

Found with the demo's model of params.yaml, 60 test videos, 216 content words:

                     right   interval        odd      s
    fusion           87.5%   82.1%-91.6%   93.2%   0.84
      other word's    0.3%   0.0%-0.8%    0.3%
    pose             81.9%   76.7%-86.9%   76.7%   1.00
      other word's    0.8%   0.2%-1.4%    0.3%
    rgb              85.6%   80.8%-89.8%   91.3%   0.84
      other word's    0.8%   0.3%-1.4%    1.0%
    usual place      52.3%   46.6%-57.8%    0.0%
    any time         13.0%   12.5%-13.4%   12.6%

The fusion knows best when a word is signed, and by looking: it is right as often where the usual place is wrong.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import pandas as pd

from seds.demo.language import SIGNS
from seds.search.answer import Moment
from seds.search.gallery import Gallery

ANNOTATIONS, SIGN_TIMES = (Path("data/raw/demo") / name for name in ("annotations.parquet", "signs.parquet"))
RESAMPLES = 1000


@dataclass(frozen=True)
class Film:
    """A video with the content words of its sentence and when each is signed; s."""

    video_id: str
    text: str
    duration_s: float
    words: list[str]
    glosses: list[str]
    spans: np.ndarray  # float64 [words,2]


def content_word(gloss: str) -> str:
    """The word that the sign stands for, without articles and the like: the last one."""
    return SIGNS[gloss].english.split()[-1].lower()


def films(gallery: Gallery, split: str) -> list[Film]:
    annotations, signs = pd.read_parquet(ANNOTATIONS), pd.read_parquet(SIGN_TIMES)
    signs_of = dict(iter(signs[signs["tier"] == "manual"].groupby("video_id")))
    result = []
    for row in annotations[annotations["split"] == split].itertuples():
        video = gallery.video(row.video_id)
        if video is None:  # no hand seen
            continue
        glosses = signs_of[row.video_id]["label"].tolist()
        spans = signs_of[row.video_id][["start_s", "end_s"]].to_numpy()
        words = [content_word(gloss) for gloss in glosses]
        result.append(Film(row.video_id, row.text, float(video["duration_s"]), words, glosses, spans))
    return result


def usual_places(of: list[Film]) -> dict[str, float]:
    """Of each gloss the mean of its middle, as a share of the video."""
    places: dict[str, list[float]] = {}
    for film in of:
        for gloss, middle in zip(film.glosses, film.spans.mean(1) / film.duration_s, strict=True):
            places.setdefault(gloss, []).append(float(middle))
    return {gloss: float(np.mean(shares)) for gloss, shares in places.items()}


def moments(gallery: Gallery, film: Film, stream: str) -> list[Moment]:
    """One a content word."""
    alignment = gallery.explain_clip(film.text, gallery.clip(film.video_id), stream)
    moment_of = {
        word.strip(".,?").lower(): moment for word, moment in zip(alignment.words, alignment.moments, strict=True)
    }
    return [moment_of.get(word) or moment_of[word.removesuffix("s")] for word in film.words]  # "does not buy" a book


def inside(times: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Whether times [n] lie in spans [n,2]."""
    return (spans[:, 0] <= times) & (times < spans[:, 1])


def line(name: str, hits: list[np.ndarray], odd: list[np.ndarray], length: str = "") -> str:
    """hits: of each video, one a word, in [0,1]; odd: likewise, the words that the usual place misses."""
    of_odd = np.concatenate(hits)[np.concatenate(odd)].mean()
    totals, counts = np.array([part.sum() for part in hits]), np.array([len(part) for part in hits])
    drawn = np.random.default_rng(0).integers(0, len(hits), (RESAMPLES, len(hits)))
    low, high = np.percentile(totals[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return f"{name:<14}{totals.sum() / counts.sum():>8.1%}   {low:.1%}-{high:.1%}{of_odd:>8.1%}{length:>7}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", default="test", choices=("train", "dev", "test"))
    arguments = parser.parse_args()

    gallery = Gallery.open("demo")
    usual = usual_places(films(gallery, "train"))
    chosen = films(gallery, arguments.split)
    print(f"{len(chosen)} videos, {sum(len(film.words) for film in chosen)} content words")
    expected = [np.array([usual[gloss] for gloss in film.glosses]) * film.duration_s for film in chosen]
    placed = [inside(e, f.spans) for e, f in zip(expected, chosen, strict=True)]
    odd = [~hit for hit in placed]
    print(f"{'':<14}{'right':>8}   {'interval':<11}{'odd':>8}{'s':>7}")
    for stream in gallery.streams:
        aligned = [moments(gallery, film, stream) for film in chosen]
        middles = [np.array([(m.start_s + m.end_s) / 2 for m in words]) for words in aligned]
        length = np.median([m.end_s - m.start_s for words in aligned for m in words])
        print(line(stream, [inside(m, f.spans) for m, f in zip(middles, chosen, strict=True)], odd, f"{length:.2f}"))
        others = []
        for middle, film in zip(middles, chosen, strict=True):
            turned = [inside(np.roll(middle, turn), film.spans) for turn in range(1, len(middle))]
            others.append(np.mean(turned, axis=0))
        print(line("  other word's", others, odd))
    print(line("usual place", placed, odd))
    print(line("any time", [np.ptp(film.spans, axis=1) / film.duration_s for film in chosen], odd))


if __name__ == "__main__":
    main()
