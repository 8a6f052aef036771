"""Retrieval on the test split -> metrics/<dataset>/test*.json; ranks, similarities and curves in results/<dataset>/.

Of a dataset trained with several seeds, each one's model is measured; ranks and similarities are the main model's.
"""

from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.data.split import load_split
from seds.evaluation import curves, results
from seds.evaluation.measure import measure, metric_files
from seds.model import checkpoint
from seds.retrieval.metrics import metrics_table
from seds.system.commands import run_stage
from seds.system.files import write_json


def main(dataset: str) -> None:
    params = load_params()
    folder, device = Path("models") / dataset, params.device()
    main_seed = str(checkpoint.read_config(folder)["provenance"].get("seed", ""))
    model = checkpoint.load(folder).to(device)
    corpus, workers = params.dataset(dataset), params.machine.workers
    test = load_split(dataset, "test", corpus, params.manifest, model.sizes, model.numerics, workers=workers)
    found = measure(model, test)
    seeds = {main_seed: found.metrics}
    for other in sorted(folder.glob("seeds/*/")):
        seeds[other.name] = measure(checkpoint.load(other).to(device), test).metrics
    manifest = tables.read(f"data/manifest/{dataset}.parquet", tables.MANIFEST, f"dvc repro manifest@{dataset}")
    signers = manifest.set_index("video_id").loc[test.video_ids, "signer"].tolist()

    for name, values in metric_files(found, seeds, test, signers, params.evaluate).items():
        write_json(Path("metrics") / dataset / f"{name}.json", values)
    place = Path("results") / dataset
    ranks = results.ranks_table(found.rankings, test.video_ids, test.sentence_ids)
    tables.write(ranks, tables.RANKS, place / results.RANKS)
    similarity = results.Similarity(found.similarities, test.video_ids, test.sentence_ids)
    results.write_similarity(place / results.SIMILARITY, similarity)
    write_json(place / results.RECALL, curves.recall(found.rankings))
    write_json(place / results.HISTOGRAM, curves.histogram(found.rankings))

    print(f"{dataset} test: {len(test.sentence_ids)} sentences, {len(test.videos)} videos")
    print(*metrics_table(found.metrics), sep="\n")
    if len(seeds) > 1:
        print(f"the table is of seed {main_seed}; mean and deviation of {len(seeds)} seeds are in test.json")


if __name__ == "__main__":
    run_stage(main)
