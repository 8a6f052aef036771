"""The worst and the best ranked queries, against sorting them one by one."""

import numpy as np

from seds.report import queries
from seds.retrieval.ranks import rank_both


def random_rankings(seed: int):
    generator = np.random.default_rng(seed)
    sentence_of = generator.permutation(np.concatenate([np.arange(12), generator.integers(0, 12, 8)]))
    similarity = {
        stream: generator.normal(size=(20, 12)) + strength * (sentence_of[:, None] == np.arange(12))
        for stream, strength in (("fusion", 1.5), ("pose", 0.5))
    }
    return similarity, {stream: rank_both(matrix, sentence_of) for stream, matrix in similarity.items()}, sentence_of


def test_worst_are_ranked_last_and_best_lead_by_most() -> None:
    for seed in range(5):
        _, rankings, _ = random_rankings(seed)
        for ranking in rankings["fusion"].values():
            margin = []
            for scores, right in zip(ranking.scores, ranking.right, strict=True):
                margin.append(scores[right] - max(np.delete(scores, right)))
            rows = range(len(ranking.rank))
            missed = sorted((q for q in rows if ranking.rank[q] > 1), key=lambda q: (-ranking.rank[q], margin[q]))
            first = sorted((q for q in rows if ranking.rank[q] == 1), key=lambda q: -margin[q])
            assert missed
            assert first
            assert queries.worst_and_best(ranking, 4, 3) == (missed[:4], first[:3])
            assert queries.worst_and_best(ranking, 100, 100) == (missed, first)


def test_answer_and_rival_are_what_the_matrix_says() -> None:
    similarity, rankings, sentence_of = random_rankings(0)
    matrix = similarity["fusion"]
    for text in range(12):
        ranked = queries.look_up(text, "t2v", rankings, matrix, sentence_of, "fusion")
        answers = [v for v in range(20) if sentence_of[v] == text]
        rest = [v for v in range(20) if sentence_of[v] != text]
        assert ranked.video == max(answers, key=lambda v: matrix[v, text])
        assert ranked.rival_video == max(rest, key=lambda v: matrix[v, text])
        assert ranked.rival == sentence_of[ranked.rival_video]
        assert (ranked.score, ranked.rival_score) == (matrix[ranked.video, text], matrix[ranked.rival_video, text])
        assert ranked.is_first == (ranked.rank["fusion"] == 1)
        assert ranked.rank["pose"] == rankings["pose"]["t2v"].rank[text]
    for video in range(20):
        ranked = queries.look_up(video, "v2t", rankings, matrix, sentence_of, "fusion")
        rest = [s for s in range(12) if s != sentence_of[video]]
        assert (ranked.video, ranked.sentence) == (video, sentence_of[video])
        assert ranked.rival == max(rest, key=lambda s: matrix[video, s])
        assert sentence_of[ranked.rival_video] == ranked.rival


def test_query_of_a_set_of_one_sentence_has_no_rival() -> None:
    matrix, sentence_of = np.ones((2, 1)), np.zeros(2, int)
    rankings = {"pose": rank_both(matrix, sentence_of)}
    assert queries.worst_and_best(rankings["pose"]["v2t"], 5, 5) == ([], [0, 1])
    ranked = queries.look_up(0, "v2t", rankings, matrix, sentence_of, "pose")
    assert (ranked.rival, ranked.rival_video, ranked.rival_score, ranked.is_first) == (None, None, None, True)
