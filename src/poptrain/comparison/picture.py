"""Curves of a comparison, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poptrain.comparison.comparison import Band, Comparison, number
from poptrain.comparison.statistics import Estimate
from poptrain.core.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "save_picture", "svg_of"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")
"""Okabe and Ito's, which the colour-blind can tell apart."""

_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)))


def draw(comparison: Comparison) -> Figure:
    """Return a figure: the best selection score so far against the member-steps spent, and the final scores of every seed.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a picture of a comparison", "plots") from None
    rows = len(comparison.rows)
    figure = Figure(figsize=(11, max(4.2, 1.6 + 0.42 * rows)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _curves(left, comparison)
    _finals(right, comparison)
    figure.suptitle(f"{comparison.title}: {comparison.metric}, {_seeds(comparison)}", fontsize=11)
    return figure


def save_picture(comparison: Comparison, path: Path) -> None:
    """Write the figure to a .png, .svg or .pdf file."""
    draw(comparison).savefig(path, dpi=160)


def svg_of(comparison: Comparison) -> str:
    """Return the figure as an SVG element, for a page."""
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "poptrain", "font.family": "sans-serif"}):
        draw(comparison).savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _curves(axes: Axes, comparison: Comparison) -> None:
    styles = _styles(comparison)
    bands = comparison.bands()
    for band in bands:
        colour, dash = styles[band.method]
        axes.plot(band.steps, band.mean, color=colour, linestyle=dash, linewidth=1.8, label=comparison.labels[band.method])
        axes.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.12, linewidth=0)
    if comparison.reference_score is not None:
        axes.axhline(comparison.reference_score, color="#888888", linewidth=0.8, linestyle=":")
        text = f"reference {number(comparison.reference_score)}"
        axes.annotate(text, (0.005, comparison.reference_score), xycoords=("axes fraction", "data"), fontsize=7.5, va="bottom")
    if bands:
        axes.set_ylim(*_limits(bands))
    axes.set_xlabel("member-steps")
    axes.set_ylabel(f"best selection score so far: {comparison.metric}")
    axes.set_title("mean of the seeds; band: lowest to highest", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    _quiet(axes)


def _limits(bands: Sequence[Band]) -> tuple[float, float]:
    """Return the range of scores to show: all from a tenth of the budget on, since untrained networks tell nothing."""
    late = slice(len(bands[0].steps) // 10, None)
    low = min(min(band.low[late]) for band in bands)
    high = max(max(band.high[late]) for band in bands)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _finals(axes: Axes, comparison: Comparison) -> None:
    held = any(row.held_out is not None for row in comparison.rows)
    styles = _styles(comparison)
    for place, row in enumerate(comparison.rows):
        colour, _ = styles[row.method]
        height = len(comparison.rows) - 1 - place
        _dots(axes, row.held_out if held else row.selection, height, colour, filled=True)
        if held:
            _dots(axes, row.selection, height + 0.28, colour, filled=False)
    labels = [comparison.labels[row.method] for row in reversed(comparison.rows)]
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(-0.6, len(labels) - 0.3)
    name = comparison.held_out_metric or comparison.metric
    axes.set_xlabel(f"{name}: held out (filled), best selection (hollow)" if held else f"best selection {name}")
    axes.set_title("every seed; bar: mean and 95 % bootstrap interval", fontsize=9)
    _quiet(axes)


def _dots(axes: Axes, found: Estimate | None, height: float, colour: str, *, filled: bool) -> None:
    if found is None:
        return
    values: Sequence[float] = found.values
    axes.scatter(values, [height] * len(values), s=16, facecolors=colour if filled else "none", edgecolors=colour, alpha=0.7)
    if filled:
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [height - 0.18] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([found.mean] * 2, [height - 0.28, height - 0.08], color=colour, linewidth=2.2)


def _quiet(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.tick_params(labelsize=8)


def _styles(comparison: Comparison) -> dict[str, tuple[str, Any]]:
    count = len(_COLOURS)
    return {
        row.method: (_COLOURS[i % count], _DASHES[min(i // count, len(_DASHES) - 1)]) for i, row in enumerate(comparison.rows)
    }


def _seeds(comparison: Comparison) -> str:
    counts = sorted({row.seeds for row in comparison.rows})
    if len(counts) == 1:
        return f"{counts[0]} seed{'' if counts[0] == 1 else 's'} each"
    return f"{counts[0]} to {counts[-1]} seeds each" if counts else "nothing finished yet"
