"""What modules give while the model runs, and the comparison of outputs with what was recorded of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from seds.verify.arrays import Arrays
from seds.verify.comparison import Note, Result, relative

Activations = dict[str, Tensor]
Layout = Callable[[Tensor], Tensor]


@contextmanager
def watching(modules: dict[str, tuple[nn.Module, Layout]]) -> Iterator[Activations]:
    """The outputs of modules, under their recorded names and in their recorded layouts, filled when the model runs."""
    activations: Activations = {}

    def watch(name: str, module: nn.Module, layout: Layout) -> Any:
        return module.register_forward_hook(lambda _m, _i, output: activations.update({name: layout(output)}))

    hooks = [watch(name, module, layout) for name, (module, layout) in modules.items()]
    try:
        yield activations
    finally:
        for hook in hooks:
            hook.remove()


def inner_activations(
    prefix: str, activations: Activations, outputs: Arrays, limit: float, rows: Tensor | None = None
) -> Iterator[Result]:
    """Inner activations that were recorded under `prefix` and their name. rows: bool, the videos that are compared."""
    for key in outputs:
        if key.startswith(prefix):
            expected = outputs.tensor(key)
            if key.removeprefix(prefix) in activations:
                if rows is not None and expected.shape[:1] == rows.shape:
                    expected = expected[rows]
                yield relative(f"{outputs.label}/{key}", activations[key.removeprefix(prefix)], expected, limit)
            else:
                yield Note(f"{outputs.label}/{key}", "ours has no such inner activation")


def recorded_output(outputs: Arrays, name: str, ours: Tensor, limit: float) -> Iterator[Result]:
    """Ours against a recorded array; a note where there is none."""
    if name in outputs:
        yield relative(f"{outputs.label}/{name}", ours, outputs.tensor(name), limit)
    else:
        yield Note(f"{outputs.label}/{name}", "not recorded")
