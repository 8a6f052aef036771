"""Queries found worst and best, against sorting them one by one."""

import numpy as np

from seds.report import cases
from seds.retrieval.ranks import rank_both


def made(seed: int):
    generator = np.random.default_rng(seed)
    sentence_of = generator.permutation(np.concatenate([np.arange(12), generator.integers(0, 12, 8)]))
    similarity = {
        stream: generator.normal(size=(20, 12)) + strength * (sentence_of[:, None] == np.arange(12))
        for stream, strength in (("fusion", 1.5), ("pose", 0.5))
    }
    return similarity, {stream: rank_both(matrix, sentence_of) for stream, matrix in similarity.items()}, sentence_of


def test_the_worst_are_ranked_last_and_the_best_are_furthest_ahead() -> None:
    for seed in range(5):
        _, rankings, _ = made(seed)
        for ranking in rankings["fusion"].values():
            ahead = []
            for scores, right in zip(ranking.scores, ranking.right, strict=True):
                ahead.append(scores[right] - max(np.delete(scores, right)))
            queries = range(len(ranking.rank))
            missed = sorted((q for q in queries if ranking.rank[q] > 1), key=lambda q: (-ranking.rank[q], ahead[q]))
            found = sorted((q for q in queries if ranking.rank[q] == 1), key=lambda q: -ahead[q])
            assert missed
            assert found
            assert cases.choose(ranking, 4, 3) == (missed[:4], found[:3])
            assert cases.choose(ranking, 100, 100) == (missed, found)


def test_answer_and_rival_are_what_the_matrix_says() -> None:
    similarity, rankings, sentence_of = made(0)
    matrix = similarity["fusion"]
    for text in range(12):
        case = cases.look_up(text, "t2v", rankings, matrix, sentence_of, "fusion")
        own = [v for v in range(20) if sentence_of[v] == text]
        rest = [v for v in range(20) if sentence_of[v] != text]
        assert case.video == max(own, key=lambda v: matrix[v, text])
        assert case.rival_video == max(rest, key=lambda v: matrix[v, text])
        assert case.rival == sentence_of[case.rival_video]
        assert (case.score, case.rival_score) == (matrix[case.video, text], matrix[case.rival_video, text])
        assert case.found == (case.rank["fusion"] == 1)
        assert case.rank["pose"] == rankings["pose"]["t2v"].rank[text]
    for video in range(20):
        case = cases.look_up(video, "v2t", rankings, matrix, sentence_of, "fusion")
        rest = [s for s in range(12) if s != sentence_of[video]]
        assert (case.video, case.sentence) == (video, sentence_of[video])
        assert case.rival == max(rest, key=lambda s: matrix[video, s])
        assert sentence_of[case.rival_video] == case.rival


def test_a_set_of_one_sentence_has_no_rival() -> None:
    matrix, sentence_of = np.ones((2, 1)), np.zeros(2, int)
    rankings = {"pose": rank_both(matrix, sentence_of)}
    assert cases.choose(rankings["pose"]["v2t"], 5, 5) == ([], [0, 1])
    case = cases.look_up(0, "v2t", rankings, matrix, sentence_of, "pose")
    assert (case.rival, case.rival_video, case.rival_score, case.found) == (None, None, None, True)
