"""Retrieval metrics, under the recorded system's rules and ours (SPEC 10: one rank a query, ties in the middle)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from seds.evaluation import published_ranks
from seds.retrieval import ranks
from seds.retrieval.metrics import summarise
from seds.verify.comparison import Note, Result, absolute, same

PERCENT = 1e-4  # limit: V2T passes through float32 percentages


def metrics(path: Path) -> Iterator[Result]:
    with np.load(path) as file:
        recorded = {name: file[name] for name in file.files}
    for case in map(str, recorded["cases"]):
        groups, mix = recorded[f"{case}/groups"], float(recorded[f"{case}/dual_mix"])
        sentence_of = np.repeat(np.arange(len(groups)), groups)
        for stream in ("fusion", "pose", "rgb"):
            label = f"{path.stem}/{case}/{stream}"
            i2t, t2i = (recorded[f"{case}/{kind}_{stream}"].astype(np.float64) for kind in ("I2T", "T2I"))
            scores = mix * i2t + (1 - mix) * t2i
            ours = _ours(scores, sentence_of)
            if error := str(recorded[f"{case}/error"]):
                yield Note(label, f"the release raises {error.split(':')[0]}; ours: {ours}")
                continue
            yield from _published(label, recorded, f"{case}/{stream}", scores, sentence_of)
            if isinstance(ours, str):
                yield Note(label, f"ours refuses: {ours}")
                continue
            own = np.take_along_axis(scores, sentence_of[:, None], 1)
            grouped = published_ranks.groups(scores, sentence_of)
            tied = {
                "V2T": ((scores == own).sum(1) > 1).any(),
                "T2V": ((grouped == np.diag(grouped)[:, None]).sum(1) > 1).any(),
            }
            for direction, is_tied in tied.items():
                theirs, values = recorded[f"{case}/{stream}/{direction}"], ours[direction.lower()]
                found = np.array([values[name] for name in ("R@1", "R@5", "R@10", "MedR", "MeanR")])
                # torch's median, which the release uses in V2T alone, is the lower of the two middle ranks.
                count = len(scores) if direction == "V2T" else len(groups)
                compared = [0, 1, 2, 4] if direction == "V2T" and count % 2 == 0 else [0, 1, 2, 3, 4]
                if is_tied:
                    listed = [f"{a:.4g} (release {b:.4g})" for a, b in zip(found, theirs, strict=False)]
                    yield Note(f"{label}/{direction}", f"ties, ours R@1, 5, 10, MedR, MeanR: {', '.join(listed)}")
                else:
                    yield absolute(f"{label}/{direction}", found[compared], theirs[:5][compared], PERCENT)


def _published(
    label: str, recorded: dict[str, np.ndarray], key: str, scores: np.ndarray, sentence_of: np.ndarray
) -> Iterator[Result]:
    """The release's own rules on the same matrices."""
    grouped = published_ranks.groups(scores, sentence_of)
    if f"{key}/T2V_matrix" in recorded:
        yield absolute(
            f"{label}/T2V_matrix", np.nan_to_num(grouped), np.nan_to_num(recorded[f"{key}/T2V_matrix"]), 1e-5
        )
    t2v = published_ranks.t2v_ranks(grouped)
    yield same(f"{label}/T2V_ranks0 (release's rule)", t2v, recorded[f"{key}/T2V_ranks0"])
    found = [*(100 * (t2v < k).mean() for k in published_ranks.CUTOFFS), np.median(t2v) + 1, t2v.mean() + 1]
    yield absolute(f"{label}/T2V (release's rule)", np.array(found), recorded[f"{key}/T2V"], PERCENT)

    own = np.take_along_axis(scores, sentence_of[:, None], 1)
    if ((scores == own).sum(1) > 1).any():
        return  # its order among ties is that of an unstable sort
    v2t = published_ranks.v2t_ranks(scores, sentence_of)
    middle = torch.from_numpy(v2t).median().item() + 1
    found = [*(100 * (v2t < k).mean() for k in published_ranks.CUTOFFS), middle, v2t.mean() + 1, v2t.std()]
    yield absolute(f"{label}/V2T (release's rule)", np.array(found), recorded[f"{key}/V2T"], PERCENT)


def _ours(scores: np.ndarray, sentence_of: np.ndarray) -> dict[str, dict[str, float]] | str:
    """Metrics of both directions, or why there are none."""
    try:
        return {name: summarise(r.rank) for name, r in ranks.rank_both(scores, sentence_of).items()}
    except ValueError as error:
        return str(error)
