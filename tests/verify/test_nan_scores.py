"""Metrics recorded from similarities that are NaN (SPEC 10)."""

import numpy as np
import pytest
from helpers.recordings import compared, notes, results, save, wrong


def released_t2v(scores, groups, leave_out):
    """By a loop over the texts: every position of the ordered scores that differs from the right one by 0."""
    ends = np.cumsum(groups)
    ranks = []
    for sentence in range(len(groups)):
        column = np.where(np.isnan(scores[:, sentence]), -np.inf, scores[:, sentence])
        best = np.array([column[end - count : end].max() for count, end in zip(groups, ends, strict=True)])
        right = best[sentence]
        for position, score in enumerate(sorted(best, reverse=True)):
            if score == right and not (leave_out and np.isinf(right)):
                ranks.append(position)
    return np.array(ranks)


def released_v2t(scores, sentence_of, leave_out):
    """By a loop over the videos: how many are NaN or better than the right one."""
    ranks = []
    for row, right in zip(scores, sentence_of, strict=True):
        if np.isfinite(row[right]):
            ranks.append((np.isnan(row) | (row > row[right])).sum())
        elif not leave_out:
            ranks.append(0)
    return np.array(ranks)


@pytest.mark.parametrize("leave_out", [True, False])
def test_nan_scores_are_ranked_as_released_in_both_directions(tmp_path, leave_out):
    """NaN beside the right score, at it, and as all that a sentence's videos have."""
    groups, generator = np.array([1, 2, 1, 3, 2]), np.random.default_rng(3)
    sentence_of = np.repeat(np.arange(5), groups)
    scores = generator.normal(size=(9, 5))
    scores[0, 2] = scores[4, 3] = scores[3, 2] = scores[8, 1] = np.nan
    t2v, v2t = released_t2v(scores, groups, leave_out), released_v2t(scores, sentence_of, leave_out)
    arrays = {"nan/groups": groups, "nan/dual_mix": np.array(0.5), "nan/error": np.array("")}
    for stream in ("fusion", "pose", "rgb"):
        arrays |= {f"nan/I2T_{stream}": scores, f"nan/T2I_{stream}": scores, f"nan/{stream}/T2V_ranks0": t2v}
        recalls = [[100 * (ranks < k).mean() for k in (1, 5, 10)] for ranks in (t2v, v2t)]
        arrays[f"nan/{stream}/T2V"] = np.array([*recalls[0], np.median(t2v) + 1, t2v.mean() + 1])
        middle = np.sort(v2t)[(len(v2t) - 1) // 2] + 1
        arrays[f"nan/{stream}/V2T"] = np.array([*recalls[1], middle, v2t.mean() + 1, v2t.std()])
    save(tmp_path, "metrics.npz", arrays)
    some = results(tmp_path, "metrics.npz")
    assert wrong(some) == []
    assert len(compared(some)) == 9
    assert "1 of 5 texts is NaN or infinite; the release " + ("leaves" if leave_out else "ranks") in notes(some)
    assert "2 of 9 videos is NaN or infinite; the release " + ("leaves" if leave_out else "ranks") in notes(some)
    assert "ours refuses in both directions, on purpose: 4 of" in notes(some)


def test_several_nan_scores_of_a_video_are_not_compared(tmp_path):
    """The right one among them: the release's order of them is that of an unstable sort."""
    scores = np.arange(9.0).reshape(3, 3)[::-1].copy()
    scores[1, :2] = np.nan
    ranks = np.array([2, 0, 0])  # of the second video 1, were the sort stable
    values = np.array([200 / 3, 100.0, 100.0, 1.0, ranks.mean() + 1, ranks.std()])
    arrays = {"nan/groups": np.ones(3, int), "nan/dual_mix": np.array(0.5), "nan/fusion/V2T": values}
    save(tmp_path, "metrics.npz", arrays | {"nan/I2T_fusion": scores, "nan/T2I_fusion": scores})
    some = results(tmp_path, "metrics.npz")
    assert wrong(some) == []
    assert "note  metrics/nan/fusion/V2T: not compared: videos whose right score is NaN have others" in notes(some)
