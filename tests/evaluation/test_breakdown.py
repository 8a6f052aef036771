"""Parts of a split and their metrics, against picking the queries one by one."""

import numpy as np

from seds.evaluation import breakdown
from seds.retrieval.metrics import summarise
from seds.retrieval.ranks import rank_both


def test_lengths_are_binned_by_what_occurs() -> None:
    counts = [1] * 12 + [2] * 3 + [5] * 15 + [12] * 30
    texts = [" ".join(["word"] * count) for count in counts]
    sentence_of = np.arange(60).repeat(2)
    parts = breakdown.by_length(texts, sentence_of)
    assert list(parts) == sorted(parts), "names sort by length"
    assert list(parts) == ["01-02", "05", "12"]
    for name, part in parts.items():
        low, high = int(name.split("-")[0]), int(name.split("-")[-1])
        assert part["t2v"].tolist() == [i for i in range(60) if low <= counts[i] <= high]
        assert part["v2t"].tolist() == [v for v in range(120) if low <= counts[v // 2] <= high]


def test_small_set_is_one_bin_and_equal_lengths_share_one() -> None:
    assert list(breakdown.by_length(["a", "a b c"], np.arange(2))) == ["1-3"]
    assert list(breakdown.by_length(["a b"] * 100, np.arange(100))) == ["2"]
    assert list(breakdown.by_length(["", "a " * 100], np.arange(2))) == ["000-100"]


def test_bins_hold_every_sentence_once_and_are_few_and_large() -> None:
    generator = np.random.default_rng(0)
    for sentences in (7, 19, 20, 43, 400):
        texts = ["w " * int(n) for n in generator.poisson(9, sentences)]
        parts = breakdown.by_length(texts, np.arange(sentences))
        queries = np.concatenate([part["t2v"] for part in parts.values()])
        assert sorted(queries) == list(range(sentences))
        assert len(parts) <= max(1, min(breakdown.BINS, sentences // breakdown.BIN_SENTENCES))
        assert min(len(part["t2v"]) for part in parts.values()) >= min(sentences, breakdown.BIN_SENTENCES)


def test_sentence_counts_for_each_of_its_known_signers() -> None:
    signers = ["A", "B", "A", "", "A"]
    parts = breakdown.by_signer(signers, np.array([0, 0, 1, 2, 1]))
    assert {name: {d: q.tolist() for d, q in part.items()} for name, part in parts.items()} == {
        "A": {"t2v": [0, 1], "v2t": [0, 2, 4]},
        "B": {"t2v": [0], "v2t": [1]},
    }


def test_signers_are_named_up_to_a_number_and_printably() -> None:
    signers = [f"s{i:02d}" for i in range(20) for _ in range(20 - i)]
    parts = breakdown.by_signer(signers, np.arange(len(signers)))
    assert list(parts) == [*(f"s{i:02d}" for i in range(breakdown.SIGNERS)), breakdown.OTHERS]
    assert len(parts[breakdown.OTHERS]["v2t"]) == 4 + 3 + 2 + 1
    odd = breakdown.by_signer(["a\nb", "a\\nb", "x" * 10_000], np.arange(3))
    assert len(odd) == 3
    assert not [name for name in odd if "\n" in name or len(name) > 100]
    assert breakdown.by_signer(["", ""], np.arange(2)) == {}


def test_metrics_of_parts_are_those_of_their_queries() -> None:
    generator = np.random.default_rng(1)
    sentence_of = np.concatenate([np.arange(30), generator.integers(0, 30, 20)])
    rankings = {stream: rank_both(generator.normal(size=(50, 30)), sentence_of) for stream in ("fusion", "pose")}
    signers = generator.choice(["A", "B", ""], 50).tolist()
    parts = breakdown.by_signer(signers, sentence_of)
    found = breakdown.metrics_of(parts, rankings)
    for name in ("A", "B"):
        for stream, both in rankings.items():
            videos = [v for v in range(50) if signers[v] == name]
            for direction, queries in (("v2t", videos), ("t2v", sorted({sentence_of[v] for v in videos}))):
                row = found[name][stream][direction]
                ranks = np.array([both[direction].rank[q] for q in queries])
                assert row["queries"] == len(queries)
                for metric in breakdown.SHOWN:
                    assert abs(row[metric] - summarise(ranks)[metric]) < 1e-4


def test_signers_are_parted_by_whether_training_has_them() -> None:
    sentence_of = np.array([0, 0, 1, 1, 2])
    parts = breakdown.by_known_signer(["a", "b", "a", "", "c"], sentence_of, {"a", "z"})
    assert {name: (part["t2v"].tolist(), part["v2t"].tolist()) for name, part in parts.items()} == {
        "in train": ([0, 1], [0, 2]),
        "not in train": ([0, 2], [1, 4]),
    }
    assert list(breakdown.by_known_signer(["a"] * 5, sentence_of, {"a"})) == ["in train"]
    assert breakdown.by_known_signer(["a"] * 5, sentence_of, set()) == {}, "training's signers are not known"
