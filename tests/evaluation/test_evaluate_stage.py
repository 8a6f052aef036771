"""The evaluate stage as it is run, on models of several seeds."""

import json
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.corpus import write_corpus, write_keypoint_quality
from helpers.evaluated import change_manifest, change_params, save_model, write_project

from seds import tables
from seds.config import load_params
from seds.data.split import load_split, sentence_columns
from seds.evaluation import headline, late, results
from seds.model import checkpoint
from seds.retrieval import inference
from seds.retrieval.metrics import DIRECTIONS, METRICS
from seds.retrieval.ranks import rank_both
from stages import evaluate


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(name: str) -> dict:
    return json.loads(Path(f"metrics/toy/{name}.json").read_text())


def test_files_agree_with_each_other(project: Path) -> None:
    evaluate.main("toy")
    test, intervals, groups = (read(name) for name in ("test", "test_intervals", "test_groups"))
    ranks = tables.read("results/toy/ranks.parquet", tables.RANKS, "")
    similarity = results.read_similarity(Path("results/toy/similarity.safetensors"))
    assert (test["videos"], test["sentences"]) == (15, 8)
    assert len(similarity.video_ids) == 15
    assert sentence_columns([v.rsplit("-", 1)[0] for v in similarity.video_ids])[0] == similarity.sentence_ids
    of = sentence_columns([v.rsplit("-", 1)[0] for v in similarity.video_ids])[1]
    for stream, matrix in similarity.streams.items():
        for direction, ranking in rank_both(matrix, of).items():
            rows = ranks[(ranks["stream"] == stream) & (ranks["direction"] == direction)]
            assert rows["rank"].tolist() == ranking.rank.tolist()
            values = test[stream][direction]
            assert values["R@1"] == pytest.approx(100 * np.mean(ranking.rank == 1), abs=1e-3)
            assert set(intervals[stream][direction]) == set(METRICS)
            assert (values["R@1_low"], values["R@1_high"]) == tuple(intervals[stream][direction]["R@1"].values())
            assert groups["words"]["2"][stream][direction]["R@1"] == values["R@1"], "all sentences have two words"
            parts = [groups["signer"][name][stream][direction] for name in ("A", "B")]
            assert sum(part["queries"] for part in parts) == {"v2t": 15, "t2v": 15}[direction]
    assert not {"seeds", "published_ties"} & set(test)
    leaks = test["without_leaks"]
    assert (leaks["texts"], leaks["in_train"]) == (8, 0)
    assert leaks["not_in_train"]["pose"]["v2t"].items() >= {name: test["pose"]["v2t"][name] for name in METRICS}.items()
    assert groups["signer_in_train"] == {}, "there is no training split"
    assert "fine_grained" not in test, "nor are there words of one"
    curve = pd.DataFrame(json.loads(Path("results/toy/recall.json").read_text()))
    first = curve[curve["K"] == 1].set_index(["stream", "direction"])["recall"]
    assert first["fusion", "t2v"] == test["fusion"]["t2v"]["R@1"]
    bars = pd.DataFrame(json.loads(Path("results/toy/rank_histogram.json").read_text()))
    assert (bars.groupby(["stream", "direction"])["queries"].sum().unstack() == {"t2v": 8, "v2t": 15}).all(axis=None)


def test_models_of_all_seeds_are_measured(project: Path) -> None:
    evaluate.main("toy")
    alone = read("test")
    for seed in (8, 9):
        save_model(Path(f"models/toy/seeds/{seed}"), seed)
    change_params(project, "evaluate", published_ties=True)
    evaluate.main("toy")
    test, figures = read("test"), read("headline")
    assert {name: test[name] for name in alone} == alone, "the first seed's model stays the one that is reported"
    seeds = test["seeds"]
    assert list(seeds["each"]) == ["7", "8", "9"]
    for stream in ("fusion", "pose", "rgb"):
        for direction in DIRECTIONS:
            for name in headline.METRICS:
                assert figures[stream][direction][name] == seeds["mean"][stream][direction][name]
            for name in METRICS:
                values = [seeds["each"][seed][stream][direction][name] for seed in seeds["each"]]
                assert seeds["mean"][stream][direction][name] == pytest.approx(statistics.fmean(values), abs=1e-3)
                assert seeds["std"][stream][direction][name] == pytest.approx(statistics.stdev(values), abs=1e-3)
            published = test["published_ties"][stream][direction]
            assert published["R@5"] == pytest.approx(alone[stream][direction]["R@5"]), "nothing ties here"


def test_training_s_texts_and_signers_are_told_apart(project: Path) -> None:
    write_corpus(project / "data", {"train": 1, "test": 2})
    manifest = pd.read_parquet("data/manifest/toy.parquet")
    change_manifest(
        project,
        text=manifest["text"].where(manifest["split"] == "test", "a house near a tree").replace("a dog", "a CAT."),
        signer=["A"] * 8 + ["A", "B"] * 8,
    )
    write_keypoint_quality(project)
    save_model(Path("models/toy/seeds/8"), 8)
    evaluate.main("toy")
    test, groups = read("test"), read("test_groups")
    leaks = test["without_leaks"]
    assert (leaks["texts"], leaks["in_train"]) == (7, 0)
    assert leaks["equal_as_one"]["fusion"]["t2v"]["queries"] == 7
    assert {name: part["fusion"]["v2t"]["queries"] for name, part in groups["signer_in_train"].items()} == {
        "in train": 8,
        "not in train": 7,
    }
    fine = test["fine_grained"]
    assert fine["videos"] == 15
    assert set(fine["R@1"]) == {"fusion", "pose", "rgb"}
    assert set(fine["seeds"]["each"]) == {"7", "8"}
    assert fine["seeds"]["each"]["7"]["R@1"] == fine["R@1"]


def test_captions_of_a_video_score_as_in_the_matrix(project: Path) -> None:
    model, params = checkpoint.load(Path("models/toy")), load_params()
    test = load_split("toy", "test", params.rules("toy"), model.sizes, model.numerics)
    captions = {2: [test.texts[2], test.texts[5], "a much longer text than these"], 3: [test.texts[0]]}
    turned = {"other": test.texts[::-1]}
    matrices, own, translated = inference.score_captions(model, test, captions, turned)
    for stream, matrix in inference.score(model, test).items():
        np.testing.assert_array_equal(matrices[stream], matrix)
        np.testing.assert_allclose(translated["other"][stream], matrix[:, ::-1], rtol=1e-4)
        assert sorted(own[stream]) == np.flatnonzero(np.isin(test.sentence_of, (2, 3))).tolist()
        for video, scores in own[stream].items():
            columns = {2: [2, 5], 3: [0]}[int(test.sentence_of[video])]
            np.testing.assert_allclose(scores[: len(columns)], matrix[video, columns], rtol=1e-4)


@pytest.mark.slow
def test_minimal_pairs_are_measured_in_every_stream_and_seed(project: Path) -> None:
    evaluate.main("toy")
    without = read("test")
    assert "told_apart" not in without
    pairs = ["p", "p", "p", "p", "q", "q", "q", "q", *[""] * 8]  # two videos a sentence
    change_manifest(project, pair=pairs, contrast=["mouth"] * 4 + ["head"] * 4 + [""] * 8)
    write_keypoint_quality(project)
    save_model(Path("models/toy/seeds/8"), 8)
    evaluate.main("toy")
    test = read("test")
    told, seeds = test["told_apart"]["test"], test["told_apart"]["seeds"]
    assert {contrast: values["pairs"] for contrast, values in told.items()} == {"mouth": 1, "head": 1, "face": 1}
    similarity = results.read_similarity(Path("results/toy/similarity.safetensors"))
    for stream, scores in similarity.streams.items():
        best = scores[:4].reshape(2, 2, -1).max(1)  # of each sentence's videos
        t2v = (best[0, 0] > best[1, 0], best[1, 1] > best[0, 1])
        v2t = ((scores[:2, 0] > scores[:2, 1]).mean(), (scores[2:4, 1] > scores[2:4, 0]).mean())
        assert told["mouth"][stream] == pytest.approx(100 * np.mean([*t2v, *v2t]))
        both = [seeds["each"][seed]["mouth"][stream] for seed in ("7", "8")]
        assert seeds["mean"]["mouth"][stream] == pytest.approx(statistics.fmean(both), abs=1e-3)
    assert {name: test[name] for name in without} == without
    assert "told_apart" not in read("headline")


def test_model_of_one_stream_has_that_stream_alone(project: Path) -> None:
    save_model(Path("models/toy"), 1, "pose")
    evaluate.main("toy")
    assert set(read("test")) == {"pose", "videos", "sentences", "without_leaks"}
    assert set(read("headline")) == {"pose", "keypoints"}
    assert set(results.read_similarity(Path("results/toy/similarity.safetensors")).streams) == {"pose"}


def test_late_fusion_is_chosen_on_dev_and_reported(project: Path) -> None:
    write_corpus(project / "data", {"dev": 2, "test": 2})
    evaluate.main("toy")
    test = read("test")
    weight, scores = test["late_weight"], results.read_similarity(Path("results/toy/similarity.safetensors")).streams
    np.testing.assert_allclose(scores["late"], weight * scores["pose"] + (1 - weight) * scores["rgb"], rtol=1e-6)
    model, params = checkpoint.load(Path("models/toy")), load_params()
    dev = load_split("toy", "dev", params.rules("toy"), model.sizes, model.numerics)
    assert weight == late.choose_weight(inference.score(model, dev), dev.sentence_of)
    ranks = tables.read("results/toy/ranks.parquet", tables.RANKS, "")
    assert set(ranks["stream"]) == {"fusion", "pose", "rgb", "late"}
    assert set(test["late"]["t2v"]) == set(test["pose"]["t2v"])
    assert "late" in read("test_intervals")
    assert "late" not in read("headline"), "it would not fit"


def test_headline_repeats_the_other_files(project: Path) -> None:
    evaluate.main("toy")
    figures, test, pose = read("headline"), read("test"), read("pose")
    for stream in ("fusion", "pose", "rgb"):
        for direction in DIRECTIONS:
            values = figures[stream][direction]
            assert values == {name: test[stream][direction][name] for name in headline.METRICS}
    assert figures["keypoints"] == {name: pose["test"][name] for name in headline.SEEN}, "no true joints are known"
    assert "dev" not in figures, "the model was not trained here"


def test_missing_keypoint_quality_names_the_stage(project: Path) -> None:
    Path("metrics/toy/pose.json").unlink()
    with pytest.raises(results.ResultError, match=r"pose\.json cannot be read .*dvc repro manifest@toy"):
        evaluate.main("toy")


def test_similarities_that_cannot_be_read_name_the_command(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "similarity.safetensors"
    with pytest.raises(results.ResultError, match="not found; make it with: dvc repro evaluate@toy"):
        results.read_similarity(path)
    results.write_similarity(path, results.Similarity({"pose": np.zeros((1, 1), np.float32)}, ["v"], ["s"]))
    path.write_bytes(path.read_bytes().replace(results.SCHEMA.encode(), b"seds-similarity-0"))
    with pytest.raises(results.ResultError, match="'seds-similarity-1', found 'seds-similarity-0'; make it with"):
        results.read_similarity(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(results.ResultError, match=r"is not a readable similarity matrix .*dvc repro evaluate@toy"):
        results.read_similarity(path)
