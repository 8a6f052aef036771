"""An alignment as a picture: words against time, darker where a word has more weight, moments outlined."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seds.messages import printable
from seds.search.alignment import cell_edges
from seds.search.answer import Alignment
from seds.system.files import atomic_write

_LETTERS = 24  # shown of a word


def write(path: Path, alignment: Alignment, title: str = "") -> None:
    """Write a PNG. Each row is scaled to its largest weight, which is printed at its right end."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    words, windows = alignment.weights.shape
    largest = alignment.weights.max(axis=1, keepdims=True)
    figure = Figure(figsize=(10, 1.2 + 0.32 * words), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = np.divide(alignment.weights, largest, out=np.zeros((words, windows)), where=largest > 0)
    axes.pcolormesh(cell_edges(alignment.times), np.arange(words + 1), shown, cmap="Blues", vmin=0, vmax=1)
    for row, moment in enumerate(alignment.moments):
        width = moment.end_s - moment.start_s
        axes.add_patch(Rectangle((moment.start_s, row), width, 1, fill=False, edgecolor="#b00020", linewidth=1.5))
    axes.set_yticks(np.arange(words) + 0.5, [_plain(word, _LETTERS) for word in alignment.words])
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.arange(words) + 0.5, [f"{value:.0%}" for value in largest[:, 0]])
    right.set_ylabel("largest weight")
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.set_title(_plain(title, 80), loc="left")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


def _plain(text: str, limit: int) -> str:
    """Dollar signs would start a formula."""
    return printable(text, limit).replace("$", r"\$")
