"""Every check that a folder of recordings allows, and the report of `seds verify`."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from seds.model.published import tables
from seds.model.published_names import TABLES
from seds.verify import components, inputs, metrics, optimiser, scores, step
from seds.verify.comparison import Comparison, Note, Result, relative, same
from seds.verify.recordings import Recording, RecordingError, prefixes, stored_weights, weights

# Of one configuration: PREFIX_<part>.npz -> what reads it.
PARTS: dict[str, tuple[Callable[[Recording], Iterator[Result]], ...]] = {
    "gcn": (components.graph_networks,),
    "clips": (components.windows,),
    "visual": (components.sequence_towers,),
    "text": (components.text_tower,),
    "cgaf": (components.fusion,),
    "sim": (scores.similarities, scores.losses),
    "step": tuple(partial(step.step, mode=mode) for mode in step.MODES),
}
# Of no configuration.
FILES: dict[str, Callable[[Path], Iterator[Result]]] = {
    "graph_adjacency.npz": inputs.adjacency,
    "keypoints_*.npz": inputs.keypoints,
    "clip_selection.npz": inputs.window_selection,
    "rgb_padding.npz": inputs.rgb_padding,
    "text_tokens_*.json": inputs.tokens,
    "text_aug_*.json": inputs.swaps,
    "collate_*.npz": inputs.batch,
    "metrics.npz": metrics.metrics,
    "optimizer.npz": optimiser.trajectories,
    "reference_state_dict.json": optimiser.released_listing,
}
NOT_COMPARED = {"testset_bookkeeping.json": "counts of the corpora's test sets; needs the corpora themselves"}
NOT_RECORDED = ("ARRAYS.txt", "README.md")


@dataclass(frozen=True)
class Check:
    """One file's comparisons, made when `run` is called."""

    name: str
    run: Callable[[], Iterator[Result]]


def checks(folder: Path) -> list[Check]:
    """What can be compared in the folder, and a note for each file that is missing or that nothing reads.

    Raises RecordingError when nothing in it is a recording.
    """
    found = [_weights_check(folder, prefix) for prefix in prefixes(folder)]
    read = {f"{prefix}_weights.{end}" for prefix in prefixes(folder) for end in ("json", "npz")}
    for prefix in prefixes(folder):
        for dtype in (torch.float32, torch.float64):
            recording = Recording(folder, prefix, dtype)
            for part, functions in PARTS.items():
                read.add(recording.path(part).name)
                inputs_of = Recording(folder, prefix).path(part)  # of both precisions
                path = recording.path(part) if inputs_of.is_file() else inputs_of
                found += [_check(path, partial(function, recording), f"-{_name(function)}") for function in functions]
        for path in sorted(folder.glob(f"e2e_*_{prefix}.npz")):
            read.add(path.name)
            found.append(_check(path, partial(step.end_to_end, Recording(folder, prefix), path)))
    for pattern, reader in FILES.items():
        paths = sorted(folder.glob(pattern)) or [folder / pattern]
        read |= {path.name for path in paths}
        found += [_check(path, partial(reader, path)) for path in paths]
    if not any((folder / name).is_file() for name in read):
        raise RecordingError(
            f"{folder} holds no recordings: expected PREFIX_weights.json with PREFIX_{{{','.join(PARTS)}}}.npz, or any "
            f"of {', '.join(FILES)}"
        )
    for path in sorted(folder.iterdir()):
        if path.name not in read and path.name not in NOT_RECORDED:
            found.append(Check(path.name, partial(_note, path.name, NOT_COMPARED.get(path.name, "no check reads it"))))
    return found


def verify(folder: Path, echo: Callable[[str], object], only: str = "*") -> bool:
    """Run the checks whose file's name matches `only`; a line an array, then a summary. False when one is over.

    A check that cannot be finished counts as over, and the others go on.
    """
    compared, notes, over = 0, 0, []
    closest = Comparison("", 0.0, 1.0)
    for check in checks(folder):
        if not fnmatch.fnmatch(check.name, only):
            continue
        try:
            for result in check.run():
                echo(line(result))
                if isinstance(result, Note):
                    notes += 1
                    continue
                compared += 1
                if result.over:
                    over.append(result.name)
                elif result.limit and result.error / result.limit > closest.error / closest.limit:
                    closest = result
        except Exception as error:  # reported, and the exit code says so
            over.append(check.name)
            echo(f"FAIL  {check.name}: {type(error).__name__}: {error}")
    if compared:
        echo(f"\n{compared} arrays compared, {len(over)} over the limit; {notes} notes.")
    if closest.name:
        echo(f"Nearest to its limit: {closest.name}, {closest.error:.1e} of {closest.limit:.0e}.")
    if not compared and not over:
        echo(f"Nothing compared in {folder}.")
    for name in over:
        echo(f"OVER  {name}")
    return bool(compared) and not over


def line(result: Result) -> str:
    """`ok    file/array    error  limit`."""
    if isinstance(result, Note):
        return f"note  {result.name}: {result.text}"
    limit = "exact" if result.limit == 0 else f"{result.limit:.0e}"
    text = f"{'OVER' if result.over else 'ok':<5} {result.name:<72} {result.error:8.1e}  limit {limit}"
    return f"{text}  {result.detail}" if result.detail else text


def _check(path: Path, run: Callable[[], Iterator[Result]], end: str = "") -> Check:
    if not path.is_file():
        return Check(path.name, partial(_note, path.name, "not in the folder"))
    return Check(path.name + end, run)


def _name(function: Callable[[Recording], Iterator[Result]]) -> str:
    if isinstance(function, partial):
        return str(function.keywords["mode"])
    return function.__name__


def _note(name: str, text: str) -> Iterator[Result]:
    yield Note(name, text)


def _weights_check(folder: Path, prefix: str) -> Check:
    return Check(f"{prefix}_weights", partial(_weights, folder, prefix))


def _weights(folder: Path, prefix: str) -> Iterator[Result]:
    """Those stored against those that the recipe makes (sha256 checked), and the constant tables against ours."""
    made, label = weights(folder, prefix), f"{prefix}_weights"
    if (folder / f"{label}.json").is_file():
        yield same(f"{label} (sha256 of what the recipe makes)", len(made) > 0, True)
    if not (folder / f"{label}.npz").is_file():
        yield Note(f"{label}.npz", "not in the folder; the recipe's weights are used")
        return
    stored = stored_weights(folder, prefix)
    shared = [name for name in stored if name in made]
    yield same(
        f"{label}.npz", [torch.equal(stored[n], made[n].to(stored[n].dtype)) for n in shared], [True] * len(shared)
    )
    ours = tables(Recording(folder, prefix).model())
    for name in TABLES:
        if name in stored:
            rows = min(stored[name].shape[1], ours[name].shape[1])
            yield relative(f"{label}/{name}", ours[name][:, :rows], stored[name][:, :rows], 1e-6)
