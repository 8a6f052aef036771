"""Is it more than luck? Recall on test against the same scores with the texts dealt out anew, thousands of times.

    python benchmarks/permuted_texts.py NAME

Reads what `dvc repro evaluate@NAME` leaves; nothing is trained. To the scores of a model that has learnt nothing it
does not matter which text belongs to which video, so its recall lies among those of dealt-out texts. p is the share of
dealings with at least the recall that was measured (which counts as one of them, so p is never 0).
"""

import argparse
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np

from seds import tables
from seds.evaluation import results
from seds.retrieval.metrics import summarise
from seds.retrieval.ranks import rank_both

METRICS = ("R@1", "R@5", "R@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--dealings", type=int, default=2000)
    arguments = parser.parse_args()
    name = arguments.name
    similarity = results.read_similarity(Path("results") / name / results.SIMILARITY)
    manifest = tables.read(Path("data/manifest") / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    column = {sentence: i for i, sentence in enumerate(similarity.sentence_ids)}
    owners = manifest.set_index("video_id")["sentence_id"]
    sentence_of = np.array([column[owners[video]] for video in similarity.video_ids])
    generator = np.random.default_rng(0)
    dealt = [generator.permutation(len(column))[sentence_of] for _ in range(arguments.dealings)]
    print(f"{name}, test: {len(column)} sentences; recall (%), that of 95 % of the dealings at most, and p")
    for stream, scores in similarity.streams.items():
        found = recalls(scores, sentence_of)
        by_chance = np.array([[*recalls(scores, order).values()] for order in dealt])  # [dealings, values]
        for i, (what, value) in enumerate(found.items()):
            p = (1 + (by_chance[:, i] >= value - 1e-9).sum()) / (1 + len(dealt))
            print(f"{stream:<8}{what:<10}{value:>6.1f}{np.percentile(by_chance[:, i], 95):>7.1f}   {p:.4f}")


def recalls(scores: np.ndarray, sentence_of: np.ndarray) -> dict[str, float]:
    """In percent, by direction and metric."""
    return {
        f"{direction.upper()} {metric}": summarise(ranking.rank)[metric]
        for direction, ranking in rank_both(scores, sentence_of).items()
        for metric in METRICS
    }


if __name__ == "__main__":
    main()
