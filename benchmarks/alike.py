"""Whether a video finds the videos that sign like it (`seds search --like`), by the tokens of the video side.

    python benchmarks/alike.py                        the demo's dev split, by the signs table of data/signs
    python benchmarks/alike.py --split test
    python benchmarks/alike.py --takes --split test   the demo's sentences, signed once more by other signers
    python benchmarks/alike.py slovak --pairs pairs.csv --folds 5     any corpus with pairs of videos that show the same

Three questions, each of every video of the split and of each stream; chance is the mean over random orders:

    sign in videos    the windows of one sign search all other videos; right are those in which the sign occurs
    sign by signs     the same windows search every sign of the other videos, each as its own windows; right are
                      the occurrences of the sign
    videos            a whole video searches all others. No sentence of the demo occurs twice, and a face that differs
                      makes another sentence, so what is right is graded: nDCG@10 of the signs in common (Jaccard index
                      of the manual signs), and beside it the mean index of the first five

With --takes each video of the demo's split is rendered once more, with the next signer of the corpus and another
performance, and extracted as a clip of a user is. It is to find the one video of its sentence.

With --pairs, a table with columns query, target and, for --folds, group (what a fold has as a whole: a word) or fold:
each query is to find its target among the targets of its fold. An index has one model, so where each fold has its own,
run it once a fold, with --fold.

mix 0: each window of the query looks for its like in the other video; mix 1: the reverse; 0.5: both, as sentences do.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score, ndcg_score

from seds import tables
from seds.demo.corpus import plan, render_take, write_video
from seds.index.store import Index, Sequences, open_index
from seds.search.alike import MIX
from seds.search.clips import Extracted, whole_file
from seds.search.gallery import Gallery
from seds.search.ranking import Query, scores
from seds.video import probe

MIXES = (0.0, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--takes", action="store_true", help="render the split's sentences again, by other signers")
    parser.add_argument("--pairs", type=Path, help="CSV: query, target (ids of videos), group or fold")
    parser.add_argument("--folds", type=int, default=1, help="into which the groups of --pairs are drawn")
    parser.add_argument("--fold", type=int, help="of the pairs, the only one to be asked")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.takes:
        report_takes(arguments.dataset, arguments.split)
        return
    index = open_index(arguments.dataset)
    if arguments.pairs:
        report_pairs(index, pd.read_csv(arguments.pairs, dtype=str), arguments.folds, arguments.fold)
    else:
        report_signs(index, arguments.dataset, arguments.split)


def report_takes(dataset: str, split: str) -> None:
    """R@1, R@5, R@10 of the video of the same sentence by another signer, among all videos."""
    gallery = Gallery.open(dataset)
    render, how = gallery.params.render, gallery.extractors()
    pose, rgb = how.make()
    takes = [take for take in plan(render) if take.split == split]
    signers = list({take.signer.name: take.signer for take in plan(render)}.values())
    names = [signer.name for signer in signers]
    ranks: dict[tuple[str, float], list[int]] = {}
    with TemporaryDirectory() as folder:
        for i, take in enumerate(takes):
            other = signers[(names.index(take.signer.name) + 1) % len(signers)]
            path = Path(folder) / f"{i}.mp4"
            frames, _, _ = render_take(
                replace(take, signer=other, seed=(render.seed, 1_000_000 + i)), render.fps, render.size
            )
            write_video(path, frames, render.fps)
            info = probe(path)
            video = whole_file(path, info)
            clip = gallery.encode_extracted(path, Extracted(info, pose(video), rgb(video)))
            right = gallery.clip(take.video_id).row
            for stream, stored in gallery.index.video_tokens.items():
                for mix in MIXES:
                    found = scores(Query(clip.encoded.tokens[stream], clip.encoded.valid), stored, mix)
                    ranks.setdefault((stream, mix), []).append(1 + int((found > found[right]).sum()))
            if i % 10 == 0:
                print(f"{i} of {len(takes)}", file=sys.stderr, flush=True)
    print(f"{len(takes)} clips, in a gallery of {len(gallery.videos)} videos")
    print(f"{'':16}{'mix':>5}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'mAP':>8}")
    for (stream, mix), values in ranks.items():
        _print_ranks(stream, mix, np.array(values))
    print(f"{'chance':16}{'':5}" + "".join(f"{k / len(gallery.videos):8.1%}" for k in (1, 5, 10)))


def report_pairs(index: Index, pairs: pd.DataFrame, folds: int, only: int | None) -> None:
    """R@1, R@5, R@10 of the target of each pair among the targets of its fold."""
    row_of = {video_id: row for row, video_id in enumerate(index.video_rows.column("video_id"))}
    known = pairs["query"].isin(row_of) & pairs["target"].isin(row_of)
    print(f"{known.sum()} of {len(pairs)} pairs are in the index")
    pairs = pairs[known].reset_index(drop=True)
    fold = fold_of(pairs, folds)
    print(f"{'':16}{'mix':>5}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'mAP':>8}")
    chance = []
    for stream, stored in index.video_tokens.items():
        for mix in MIXES:
            ranks = []
            for number in sorted(set(fold)) if only is None else [only]:
                part = pairs[fold == number]
                targets = torch.tensor([row_of[name] for name in part["target"]])
                for place, name in enumerate(part["query"]):
                    query = _whole(stored, row_of[name])
                    found = scores(query, stored, mix, targets)
                    found[(part["target"] == name).to_numpy()] = -np.inf  # the query itself
                    ranks.append(1 + int((found > found[place]).sum()))
                    chance.append(len(targets))
            _print_ranks(stream, mix, np.array(ranks))
    sizes = np.array(chance)
    print(f"{'chance':16}{'':5}" + "".join(f"{np.minimum(1, k / sizes).mean():8.1%}" for k in (1, 5, 10)))


def fold_of(pairs: pd.DataFrame, folds: int) -> np.ndarray:
    """int [pairs]: the column fold, else groups dealt out in a drawn order, so that a group is in one fold."""
    if "fold" in pairs:
        return pairs["fold"].astype(int).to_numpy()
    groups = pairs["group"] if "group" in pairs else pairs["target"]
    names = sorted(set(groups))
    order = np.random.default_rng(0).permutation(len(names))
    dealt = {names[place]: i % folds for i, place in enumerate(order)}
    return groups.map(dealt).to_numpy()


def _print_ranks(stream: str, mix: float, ranks: np.ndarray) -> None:
    recalls = "".join(f"{(ranks <= k).mean():8.1%}" for k in (1, 5, 10))
    print(f"{stream:16}{mix:5.1f}{recalls}{(1 / ranks).mean():8.3f}")


def report_signs(index: Index, dataset: str, split: str) -> None:
    videos = index.videos
    signs = tables.read(Path("data/signs") / f"{dataset}.parquet", tables.SIGNS, f"dvc repro prepare@{dataset}")
    signs = signs[(signs["tier"] == tables.MANUAL) & signs["video_id"].isin(videos["video_id"])].reset_index(drop=True)
    row_of = {video_id: row for row, video_id in enumerate(videos["video_id"])}
    signs["row"] = signs["video_id"].map(row_of)
    asked = signs.index[signs["row"].map(videos["split"]) == split]
    spans = [_windows(index, sign.row, sign.start_s, sign.end_s) for sign in signs.itertuples()]
    counts = np.zeros((len(videos), signs["label"].nunique()))
    np.add.at(counts, (signs["row"], signs["label"].astype("category").cat.codes), 1)
    rows = np.flatnonzero(videos["split"] == split)
    print(f"{split}: {len(asked)} signs, {len(rows)} videos, in a gallery of {len(signs)} signs, {len(videos)} videos")
    print(f"{'':10}{'mix':>5}{'sign in videos':>18}{'sign by signs':>18}{'videos':>18}")
    print(f"{'':15}{'mAP':>10}{'R@1':>8}{'mAP':>10}{'R@1':>8}{'nDCG@10':>10}{'same':>8}")
    for stream, stored in index.video_tokens.items():
        cuts = _cut(stored, spans)
        for mix in MIXES:
            in_videos, by_signs = [], []
            for sign in asked:
                own, query = signs.at[sign, "row"], _part(stored, spans[sign])
                right = np.zeros(len(videos), bool)
                right[signs.loc[signs["label"] == signs.at[sign, "label"], "row"]] = True
                others = np.arange(len(videos)) != own
                in_videos.append(_precision(scores(query, stored, mix)[others], right[others]))
                elsewhere = (signs["row"] != own).to_numpy()
                same = (signs["label"] == signs.at[sign, "label"]).to_numpy()
                by_signs.append(_precision(scores(query, cuts, mix)[elsewhere], same[elsewhere]))
            whole = [_graded(scores(_whole(stored, row), stored, mix), counts, row) for row in rows]
            _print_row(stream, mix, in_videos, by_signs, whole)
    label = signs["label"]
    shares = [_shares(signs, sign, len(videos)) for sign in asked]
    noise = np.random.default_rng(0)
    whole = [_graded(noise.random(len(videos)), counts, row) for row in rows]
    _print_row("chance", None, [(s[0], s[0]) for s in shares], [(s[1], s[1]) for s in shares], whole)
    print(f"{label.nunique()} labels; the search has mix {MIX:g}")


def _shares(signs: pd.DataFrame, sign: int, videos: int) -> tuple[float, float]:
    """Of other videos those with the sign, of their signs those that are it: what a random order finds."""
    elsewhere = signs[signs["row"] != signs.at[sign, "row"]]
    same = elsewhere[elsewhere["label"] == signs.at[sign, "label"]]
    return same["row"].nunique() / (videos - 1), len(same) / len(elsewhere)


def _precision(found: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Average precision, and whether the best is right; NaN where nothing can be right."""
    if not right.any():
        return np.nan, np.nan
    return float(average_precision_score(right, found)), float(right[found.argmax()])


def _graded(found: np.ndarray, counts: np.ndarray, row: int) -> tuple[float, float]:
    """nDCG@10 by the signs in common, and the mean of them of the first five."""
    both = np.minimum(counts, counts[row]).sum(1)
    common = both / np.maximum(counts, counts[row]).sum(1)
    others = np.arange(len(counts)) != row
    found, common = found[others], common[others]
    return float(ndcg_score(common[None], found[None], k=10)), float(common[np.argsort(-found)[:5]].mean())


def _print_row(stream: str, mix: float | None, *columns: list[tuple[float, float]]) -> None:
    values = [f"{first:10.3f}{second:8.3f}" for first, second in (np.nanmean(column, 0) for column in columns)]
    print(f"{stream:10}{'' if mix is None else f'{mix:.1f}':>5}{''.join(values)}", flush=True)


def _windows(index: Index, row: int, start_s: float, end_s: float) -> tuple[int, int]:
    """The rows of the tokens of the windows whose middle lies in a span; of the nearest one if there is none."""
    offsets = next(iter(index.video_tokens.values())).offsets
    first = int(offsets[row]) + 1  # after the class token
    middles = index.times[first : int(offsets[row + 1])].double().numpy().mean(1)
    inside = np.flatnonzero((middles >= start_s) & (middles <= end_s))
    if not len(inside):
        inside = np.abs(middles - (start_s + end_s) / 2).argmin(keepdims=True)
    return first + int(inside[0]), first + int(inside[-1]) + 1


def _part(stored: Sequences, span: tuple[int, int]) -> Query:
    return Query(stored.tokens[slice(*span)].float(), span[1] - span[0])


def _whole(stored: Sequences, row: int) -> Query:
    start, stop = stored.offsets[row : row + 2].tolist()
    return Query(stored.tokens[start:stop].float(), int(stored.valid[row]))


def _cut(stored: Sequences, spans: list[tuple[int, int]]) -> Sequences:
    """Parts of sequences as sequences."""
    lengths = torch.tensor([stop - start for start, stop in spans])
    tokens = torch.cat([stored.tokens[start:stop] for start, stop in spans])
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    pooled = torch.stack([part.float().mean(0) for part in tokens.split(lengths.tolist())])
    return Sequences(tokens, pooled, offsets, lengths)


if __name__ == "__main__":
    main()
