"""Every check that a folder of recordings allows, and the report of `seds verify`."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from seds.messages import printable
from seds.model.published import tables
from seds.model.published_names import OURS_ALONE, TABLES, UNUSED, published_name
from seds.verify import collated, components, inputs, keypoints, metrics, optimiser, scores, step, texts
from seds.verify.arrays import ArrayFiles, Arrays, RecordingError, as_recorded, load_json
from seds.verify.comparison import Comparison, Failure, Note, Result, relative, same
from seds.verify.end_to_end import end_to_end
from seds.verify.recordings import Recording, prefixes, stored_weights, unknown_options, weights

# Files of a configuration: PREFIX_<part>.npz, or PREFIX_<part>_f64.npz, and what compares them.
PARTS: dict[str, tuple[Callable[[Recording], Iterator[Result]], ...]] = {
    "gcn": (components.graph_networks,),
    "clips": (components.windows,),
    "visual": (components.sequence_towers,),
    "text": (components.text_tower,),
    "cgaf": (components.fusion,),
    "sim": (scores.similarities, scores.losses),
    "step": (step.steps,),
}
# Files that need no configuration, and what compares them.
ARRAY_FILES: dict[str, Callable[[Arrays], Iterator[Result]]] = {
    "graph_adjacency*.npz": inputs.adjacency,
    "keypoints_*.npz": keypoints.keypoints,
    "clip_selection*.npz": inputs.window_selection,
    "rgb_padding*.npz": inputs.rgb_padding,
    "collate_*.npz": collated.collated,
    "metrics*.npz": metrics.metrics,
    "optimizer*.npz": optimiser.trajectories,
}
JSON_FILES: dict[str, Callable[[str, Any], Iterator[Result]]] = {
    "text_tokens_*.json": texts.tokens,
    "text_aug_*.json": texts.swaps,
    "reference_state_dict*.json": optimiser.released_listing,
}
# What may be in the folder and is not read, and why.
WITHOUT_WEIGHTS = "not compared: the PREFIX_weights.json or .npz of its configuration is not in the folder"
NOT_READ = {
    "testset_bookkeeping.json": "counts of the corpora's test sets; needs the corpora themselves",
    **{f"*_{part}{end}.npz": WITHOUT_WEIGHTS for part in PARTS for end in ("", "_f64")},
    "e2e_*.npz": WITHOUT_WEIGHTS,
}
NO_RECORDINGS = ("ARRAYS.txt", "README.md")
PRECISIONS = (torch.float32, torch.float64)
DESCRIPTIONS = ("cases", "names_V2T", "names_T2V", "lens", "wrap_margin", "vocab", "sot", "eot")  # of other arrays
MOST_NAMED = 5  # arrays of a file that no check reads
MOST_SHOWN = 1000  # characters of a line


@dataclass(frozen=True)
class Check:
    """One file's comparisons, made when `run` is called."""

    name: str
    run: Callable[[], Iterator[Result]]


def checks(folder: Path) -> list[Check]:
    """A check for each file of the folder, and for each that could be there: what is not compared makes a note.

    Raises RecordingError when nothing in it is a recording.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder} is not a folder of recordings")
    files, configurations = ArrayFiles(folder), prefixes(folder)
    result = [check for prefix in configurations for check in _configuration(files, prefix)]
    result += _end_to_end(files, configurations)
    for pattern, compare_arrays in ARRAY_FILES.items():
        result += [_array_check(files, name, compare_arrays) for name in _matching(folder, pattern)]
    for pattern, compare_json in JSON_FILES.items():
        result += [_json_check(folder / name, compare_json) for name in _matching(folder, pattern)]
    recordings = {path.name for path in folder.glob("*_weights.*") if path.suffix in (".json", ".npz")}
    recordings |= {check.name for check in result if (folder / check.name).is_file()}
    for name in sorted({path.name for path in folder.iterdir()} - recordings - set(NO_RECORDINGS)):
        reason = next((text for pattern, text in NOT_READ.items() if fnmatch.fnmatch(name, pattern)), None)
        if reason is not None:
            recordings.add(name)
        result.append(_note(name, reason or "no check reads it"))
    if not recordings:
        raise RecordingError(
            f"{folder} holds no recordings: expected PREFIX_weights.json with PREFIX_{{{','.join(PARTS)}}}.npz, or any "
            f"of {', '.join((*ARRAY_FILES, *JSON_FILES))}"
        )
    return result


def verify(folder: Path, echo: Callable[[str], object], only: str = "*") -> bool:
    """Run the checks whose file's name matches `only`; a line an array, then a summary.

    Returns False when an array is over its limit or a file cannot be read; the other files go on. Raises RecordingError
    when nothing in the folder is a recording, or none matches.
    """
    everything = checks(folder)
    if not (chosen := [check for check in everything if fnmatch.fnmatch(check.name, only)]):
        raise RecordingError(f"{folder}: no file matches {only!r}; it has {', '.join(c.name for c in everything)}")
    compared, notes, over = 0, 0, []
    closest = Comparison("", 0.0, 1.0)
    for check in chosen:
        for result in check.run():
            echo(line(result))
            if isinstance(result, Note):
                notes += 1
            elif isinstance(result, Failure):
                over.append(result.name)
            else:
                compared += 1
                if result.over:
                    over.append(result.name)
                elif result.limit and result.error / result.limit > closest.error / closest.limit:
                    closest = result
    echo(f"\n{compared} arrays compared, {len(over)} over the limit; {notes} notes.")
    if closest.name:
        echo(f"Nearest to its limit: {closest.name}, {closest.error:.1e} of {closest.limit:.0e}.")
    for name in over:
        echo(printable(f"OVER  {name}", MOST_SHOWN))
    return not over


def line(result: Result) -> str:
    """`ok    file/array    error  limit`."""
    if isinstance(result, Comparison):
        limit = "exact" if result.limit == 0 else f"{result.limit:.0e}"
        text = f"{'OVER' if result.over else 'ok':<5} {result.name:<72} {result.error:8.1e}  limit {limit}"
        return printable(f"{text}  {result.detail}" if result.detail else text, MOST_SHOWN)
    kind = "note" if isinstance(result, Note) else "FAIL"
    return printable(f"{kind}  {result.name}: {result.text}", MOST_SHOWN)


def _configuration(files: ArrayFiles, prefix: str) -> Iterator[Check]:
    """The weights of a configuration, and each part in each precision."""
    yield Check(f"{prefix}_weights", lambda: as_recorded(f"{prefix}_weights", _weights(files, prefix)))
    for dtype in PRECISIONS:
        recording = Recording(files.folder, prefix, dtype, files)
        for part, functions in PARTS.items():
            name, single = recording.path(part).name, f"{prefix}_{part}.npz"
            if name in files:
                yield _array_check(files, name, *(_ignoring(partial(function, recording)) for function in functions))
            elif name == single or single in files:
                yield _note(name, "not in the folder")


def _end_to_end(files: ArrayFiles, configurations: list[str]) -> Iterator[Check]:
    """e2e_CORPUS_PREFIX.npz and e2e_CORPUS_PREFIX_f64.npz."""
    for name in _matching(files.folder, "e2e_*.npz", absent=False):
        precisions = [
            Recording(files.folder, prefix, dtype, files) for prefix in configurations for dtype in PRECISIONS
        ]
        fitting = [recording for recording in precisions if name.endswith(f"_{recording}.npz")]
        if fitting:
            recording = max(fitting, key=lambda recording: len(repr(recording)))
            yield _array_check(files, name, partial(end_to_end, recording))


def _array_check(files: ArrayFiles, name: str, *functions: Callable[[Arrays], Iterator[Result]]) -> Check:
    """What the functions compare of a file, then what of it none has read."""

    def compared() -> Iterator[Result]:
        arrays, explained = files[name], set(DESCRIPTIONS)
        yield from _damaged(arrays)
        for function in functions:
            for result in as_recorded(arrays.label, function(arrays)):
                yield result
                if not isinstance(result, Comparison):
                    explained.add(result.name.removeprefix(f"{arrays.label}/"))
        if unread := [array for array in arrays.unread if not explained.intersection(_ends_and_parents(array))]:
            more = f" and {len(unread) - MOST_NAMED} more" if len(unread) > MOST_NAMED else ""
            yield Note(arrays.label, f"not read: {', '.join(unread[:MOST_NAMED])}{more}")

    return _check(files.folder / name, compared)


def _damaged(arrays: Arrays) -> Iterator[Failure]:
    for name, reason in arrays.damaged.items():
        yield Failure(f"{arrays.label}/{name}", f"{arrays.path.name}: {name} cannot be read: {reason}")


def _ends_and_parents(array: str) -> set[str]:
    """a/b/c -> a/b/c, a/b, a and c."""
    parts = array.split("/")
    return {"/".join(parts[:end]) for end in range(1, len(parts) + 1)} | {parts[-1]}


def _json_check(path: Path, function: Callable[[str, Any], Iterator[Result]]) -> Check:
    def compared() -> Iterator[Result]:
        yield from function(path.stem, load_json(path))

    return _check(path, compared)


def _check(path: Path, compared: Callable[[], Iterator[Result]]) -> Check:
    if not path.is_file():
        return _note(path.name, "not in the folder")
    return Check(path.name, lambda: as_recorded(path.name, compared()))


def _ignoring(function: Callable[[], Iterator[Result]]) -> Callable[[Arrays], Iterator[Result]]:
    """A part's function reads its file's arrays through the recording."""
    return lambda _arrays: function()


def _matching(folder: Path, pattern: str, absent: bool = True) -> list[str]:
    """The names of a folder's files; where there are none and they are missed, the pattern."""
    names = sorted(path.name for path in folder.glob(pattern))
    return names or ([pattern] if absent else [])


def _note(name: str, text: str) -> Check:
    return Check(name, lambda: iter([Note(name, text)]))


def _weights(files: ArrayFiles, prefix: str) -> Iterator[Result]:
    """Those stored against those that the recipe makes (sha256 checked), and the constant tables against ours."""
    folder, label = files.folder, f"{prefix}_weights"
    if f"{label}.npz" in files:
        yield from _damaged(files[f"{label}.npz"])
    for option in unknown_options(folder, prefix):
        yield Note(label, f"recorded with {option}, which ours does not offer; compared as if it were as published")
    generated = weights(folder, prefix)
    if f"{label}.json" in files:
        yield same(f"{label} (sha256 of what the recipe makes)", len(generated) > 0, True)
    model = Recording(folder, prefix).model("logit_scale")
    names = {published_name(name) for name in model.state_dict() if name not in OURS_ALONE}
    if unknown := sorted(set(generated) - names - {*UNUSED, *TABLES}):
        yield Note(label, f"ours has no {', '.join(unknown[:MOST_NAMED])} ({len(unknown)} tensors)")
    if f"{label}.npz" not in files:
        yield Note(f"{label}.npz", "not in the folder; the recipe's weights are used")
        return
    stored = stored_weights(folder, prefix)
    shared = [name for name in stored if name in generated]
    equal = [torch.equal(stored[name], generated[name].to(stored[name].dtype)) for name in shared]
    yield same(f"{label}.npz", equal, [True] * len(shared))
    ours = tables(model)
    for name in TABLES:
        if name in stored:
            rows = min(stored[name].shape[1], ours[name].shape[1])
            yield relative(f"{label}/{name}", ours[name][:, :rows], stored[name][:, :rows], 1e-6)
