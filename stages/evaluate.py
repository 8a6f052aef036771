"""Retrieval on the test split -> metrics/<dataset>/test.json, and every query's rank in results/<dataset>/."""

import json
import sys
from pathlib import Path

from seds import card, checkpoint, inference, retrieval, tables
from seds.config import load_params
from seds.data import load_split


def main(dataset: str) -> None:
    params = load_params()
    model = checkpoint.load(Path("models") / dataset).to(params.device())
    test = load_split(dataset, "test", params.dataset(dataset), params.manifest, model.sizes, model.numerics)
    similarities = inference.similarities(model, *inference.encode(model, test))
    metrics, rankings = retrieval.evaluate(
        similarities, test.sentence_of, params.evaluate.bootstrap, params.evaluate.seed
    )
    counts = {"sentences": len(test.sentence_ids), "videos": len(test.videos)}
    path = Path("metrics") / dataset / "test.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**metrics, **counts}, indent=2) + "\n", encoding="utf-8")
    table = retrieval.ranks_table(rankings, [v.video_id for v in test.videos], test.sentence_ids)
    tables.write(table, tables.RANKS, Path("results") / dataset / "ranks.parquet")
    print(f"{dataset} test: {counts['sentences']} sentences, {counts['videos']} videos")
    print(*card.metrics_table(metrics), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
