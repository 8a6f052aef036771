"""Retrieval on the test split -> metrics/<dataset>/headline.json, which DVC shows, and test*.json with all the rest;
ranks, similarities and curves -> results/<dataset>/.

Of a dataset trained with several seeds, each one's model is measured; ranks and similarities are the main model's. Dev
is read for the weight of the late fusion alone (seds/evaluation/late.py); a corpus without dev has none.
"""

from functools import partial
from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.data.split import load_split
from seds.evaluation import curves, demo_captions, fine_grained, minimal_pairs, results
from seds.evaluation.headline import headline
from seds.evaluation.measure import Training, evaluate_model, metric_files
from seds.model import checkpoint
from seds.retrieval import leaks
from seds.retrieval.metrics import metrics_table
from seds.system.commands import run_stage
from seds.system.files import write_json


def main(dataset: str) -> None:
    params = load_params()
    device, metrics_folder = params.device(), Path("metrics") / dataset
    folder = Path("models") / dataset
    folders = [folder, *sorted(folder.glob("seeds/*/"))]
    provenances = [checkpoint.read_config(each)["provenance"] for each in folders]
    keypoints = results.read_json(metrics_folder / results.KEYPOINTS, f"dvc repro manifest@{dataset}")

    model = checkpoint.load(folder).to(device)
    rules, workers = params.rules(dataset), params.machine.workers
    manifest = tables.read(f"data/manifest/{dataset}.parquet", tables.MANIFEST, f"dvc repro manifest@{dataset}")
    has_dev = (manifest["usable"] & (manifest["split"] == "dev")).any()
    load = partial(load_split, dataset, rules=rules, sizes=model.sizes, numerics=model.numerics, workers=workers)
    test, dev = load("test"), load("dev") if has_dev else None
    rows = manifest.set_index("video_id").loc[test.video_ids]
    train = manifest[manifest["usable"] & (manifest["split"] == "train")]
    training = Training(tuple(train["text"]), frozenset(train["signer"]) - {""})
    pairs = minimal_pairs.find_pairs(rows, test.sentence_of)
    settings, corpus = params.evaluate, params.dataset(dataset).corpus
    captions = fine_grained.draw_captions(test.texts, training.texts, corpus, settings.fine_grained, settings.seed)
    translations = demo_captions.translations(test.texts) if corpus == "demo" else {}
    measure = partial(evaluate_model, split=test, dev=dev, pairs=pairs, captions=captions, translations=translations)
    evaluation = measure(model)
    main_seed = str(provenances[0].get("seed", ""))
    by_seed = {main_seed: evaluation}
    for other in folders[1:]:
        by_seed[other.name] = measure(checkpoint.load(other).to(device))

    files = metric_files(evaluation, by_seed, test, rows["signer"].tolist(), training, keypoints["test"], settings)
    files[results.HEADLINE] = headline([one.metrics for one in by_seed.values()], provenances, keypoints["test"])
    for name, values in files.items():
        write_json(metrics_folder / name, values)
    results_folder = Path("results") / dataset
    ranks = results.ranks_table(evaluation.rankings, test.video_ids, test.sentence_ids)
    tables.write(ranks, tables.RANKS, results_folder / results.RANKS)
    similarity = results.Similarity(evaluation.similarities, test.video_ids, test.sentence_ids)
    results.write_similarity(results_folder / results.SIMILARITY, similarity)
    write_json(results_folder / results.RECALL, curves.recall(evaluation.rankings))
    write_json(results_folder / results.HISTOGRAM, curves.histogram(evaluation.rankings))

    print(f"{dataset} test: {len(test.sentence_ids)} sentences, {len(test.videos)} videos")
    print(*metrics_table(evaluation.metrics), sep="\n")
    if evaluation.late_weight is not None:
        print(f"late: {evaluation.late_weight:g} x the score of pose + {1 - evaluation.late_weight:g} x that of RGB")
    for line in minimal_pairs.summary(evaluation.told_apart):
        print(line)
    print(
        *fine_grained.summary(evaluation.among_substitutes),
        *leaks.summary(files[results.TEST]["without_leaks"]),
        sep="\n",
    )
    if len(by_seed) > 1:
        print(f"the table is of seed {main_seed}; mean and deviation of {len(by_seed)} seeds are in test.json")


if __name__ == "__main__":
    run_stage(main)
