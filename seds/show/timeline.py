"""A plot of the confidence, the hand crops and the known signs of a video over time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from seds import tables
from seds.show.quality import Track

_DPI = 100
_HEIGHT = 3.7  # inches
_LANE = 0.3  # inches more, for each row of signs
_SIGN_COLOURS = {tables.MANUAL: "#3b6ea8", tables.NONMANUAL: "#8a5aa8"}
_LEFT, _RIGHT, _BODY, _DROPPED = (
    "#c75b00",
    "#00803a",
    "#555555",
    "#b00020",
)  # the arms' colours, darker for a white background
_CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "PingFang SC", "SimHei")


def timeline(
    track: Track,
    times: np.ndarray,
    gate: float,
    marks: Sequence[int],
    title: str,
    captions: Sequence[str],
    width: int,
    signs: pd.DataFrame,
) -> np.ndarray:
    """Plot the confidence of body and hands over the T frames, uint8 [H,width,3] RGB, H = 370 or, with signs, more.

    Below it stands where each hand's crop was detected or guessed; dropped frames are shaded. times: float64 [T] s, of
    the frames. gate: confidence up to which a hand's joints are blank. marks: frames to point at. title: a line.
    captions: two smaller lines. signs: of the video (SIGNS); each is a bar with its label, those that overlap one above
    the other.
    """
    lanes = sign_lanes(signs)
    height = _HEIGHT + _LANE * len(lanes)
    installed = set(font_manager.get_font_names())
    figure = Figure(figsize=(width / _DPI, height), dpi=_DPI)
    families = ["DejaVu Sans", *(name for name in _CJK if name in installed)]

    def from_top(share: float) -> float:
        """The place in the figure of one in a figure without signs."""
        return 1 - (1 - share) * _HEIGHT / height

    def write(y: float, text: str, size: float) -> None:
        figure.text(0.012, from_top(y), text, fontsize=size, family=families, parse_math=False)

    write(0.93, title, 13)
    for y, caption in zip((0.87, 0.81), captions, strict=True):
        write(y, caption, 10)
    upper, middle, *below = figure.subplots(
        3 if lanes else 2,
        1,
        sharex=True,
        height_ratios=(5, 1, 0.7 * len(lanes)) if lanes else (5, 1),
        gridspec_kw={"left": 0.07, "right": 0.985, "top": from_top(0.7), "bottom": 0.12 * _HEIGHT / height},
    )
    _plot_confidence(upper, track, gate, marks)
    _plot_crops(middle, track)
    for axes in below:
        _plot_signs(axes, lanes, times, families)
    lower = below[0] if below else middle
    lower.set_xlim(-0.5, max(len(track.body) - 0.5, 0.5))
    lower.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    lower.xaxis.set_major_formatter(FuncFormatter(lambda frame, _: tick(frame, times)))
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a script without an installed font is shown as boxes
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def sign_lanes(signs: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of SIGNS in as few lanes as show all: no two in a lane overlap; a lane has one tier, manual first."""
    lanes: list[pd.DataFrame] = []
    for tier in tables.TIERS:
        ends: list[float] = []
        of_lane: list[list[int]] = []
        rows = signs[signs["tier"] == tier].sort_values("start_s", kind="stable")
        for place, (start, end) in enumerate(zip(rows["start_s"], rows["end_s"], strict=True)):
            free = next((lane for lane, last in enumerate(ends) if last <= start), None)
            if free is None:
                free = len(ends)
                ends.append(end)
                of_lane.append([])
            ends[free] = end
            of_lane[free].append(place)
        lanes += [rows.iloc[places] for places in of_lane]
    return lanes


def _plot_signs(axes: Axes, lanes: Sequence[pd.DataFrame], times: np.ndarray, families: Sequence[str]) -> None:
    """A bar a sign, the first lane on top. Half a frame is added at the left, where a frame's picture begins."""
    frames = np.arange(len(times))
    for place, lane in enumerate(reversed(lanes)):
        starts, ends = (np.interp(lane[name], times, frames) - 0.5 for name in ("start_s", "end_s"))
        colour = _SIGN_COLOURS[lane["tier"].iloc[0]]
        axes.broken_barh([*zip(starts, ends - starts, strict=True)], (place + 0.08, 0.84), color=colour, alpha=0.25)
        for start, label in zip(starts, lane["label"], strict=True):
            axes.text(
                start + 0.15, place + 0.5, label, fontsize=8.5, family=families, va="center", clip_on=True,
                parse_math=False, color=colour,
            )  # fmt: skip
    axes.set_ylim(0, len(lanes))
    middles = {lane["tier"].iloc[0]: len(lanes) - place - 0.5 for place, lane in reversed([*enumerate(lanes)])}
    axes.set_yticks([*middles.values()], [*middles])
    axes.tick_params(axis="y", length=0)


def tick(frame: float, times: np.ndarray) -> str:
    """The label of a frame number on the axis, "" beyond the frames. times: as above."""
    number = round(frame)
    return f"{number} · {times[number]:.2f} s" if 0 <= number < len(times) else ""


def _plot_confidence(axes: Axes, track: Track, gate: float, marks: Sequence[int]) -> None:
    frames = np.arange(len(track.body))
    for values, name, colour, style in (
        (track.body, "body", _BODY, ":"),
        (track.left.confidence, "left hand", _LEFT, "-"),
        (track.right.confidence, "right hand", _RIGHT, "--"),
    ):
        axes.plot(
            frames, values, style, color=colour, label=name, linewidth=1.6, marker="." if len(frames) == 1 else ""
        )
    axes.axhline(gate, color="black", linewidth=0.8, label=f"gate, {gate:g}")
    _shade_dropped(axes, track)
    axes.plot(marks, np.full(len(marks), 1.06), "v", color="black", markersize=4, clip_on=False, label="frames below")
    axes.set_ylim(0, 1.06)
    axes.set_yticks((0, 0.5, 1))
    axes.set_ylabel("confidence")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.04), ncols=6, frameon=False, fontsize=9.5)


def _plot_crops(axes: Axes, track: Track) -> None:
    """A row per hand: filled where its crop was detected, hatched where guessed, empty where there is none."""
    for row, hand, colour in ((1, track.left, _LEFT), (0, track.right, _RIGHT)):
        axes.broken_barh(_runs(hand.detected), (row + 0.15, 0.7), color=colour)
        axes.broken_barh(
            _runs(hand.guessed), (row + 0.15, 0.7), facecolor="white", edgecolor=colour, hatch="////", linewidth=0.5
        )
    axes.set_ylim(0, 2)
    axes.set_yticks((0.5, 1.5), ("right crop", "left crop"))
    axes.tick_params(axis="y", length=0)


def _shade_dropped(axes: Axes, track: Track) -> None:
    step = int(track.read[1] - track.read[0]) if len(track.read) > 1 else 1
    label: str | None = "dropped"
    for start, length in _runs(track.dropped):
        axes.axvspan(start * step, (start + length) * step, color=_DROPPED, alpha=0.15, linewidth=0, label=label)
        label = None  # one entry in the legend


def _runs(states: np.ndarray) -> list[tuple[float, float]]:
    """(start, length) of each run of True; a frame extends half a frame to both sides. states: bool [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], states, [False]]).astype(np.int8)))
    return [(start - 0.5, float(stop - start)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
