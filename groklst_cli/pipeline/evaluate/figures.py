"""Figures of an evaluation: maps next to each other, errors by gradient, scatter plots."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Any, Final, ParamSpec

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import NDArray

from groklst_cli.pipeline.evaluate.contenders import Shown
from groklst_cli.pipeline.evaluate.pixels import Samples
from groklst_cli.pipeline.evaluate.scoreboard import Evaluation
from groklst_cli.shown_text import printable

_DPI: Final = 84
_PANEL: Final = 2.7  # inches
_TITLE: Final = 34  # characters in a line
_LINE: Final = 0.15  # inches
_LARGEST: Final = 900  # pixels along a panel's longer side
_BINS: Final = 12
_MARKERS: Final = "os^Dv*X"
"""Tell methods apart where colours do not."""

_LEAST_IN_BIN: Final = 20

Limits = tuple[float, float]
_Given = ParamSpec("_Given")


def _plainly(draw: Callable[_Given, None]) -> Callable[_Given, None]:
    """Draw texts literally: without formulas, and without warnings about missing glyphs."""

    @wraps(draw)
    def drawn(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        with rc_context({"text.parse_math": False}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")
            draw(*args, **kwargs)

    return drawn


@_plainly
def draw_maps(shown: Shown, path: Path) -> None:
    """Draw coarse LST, predictions and truth with one colour bar, and errors with another."""
    columns: list[tuple[str, NDArray[np.float32], NDArray[np.float32] | None]] = []
    if shown.coarse is not None:
        columns.append(("coarse", shown.coarse, None))
    for method, fine in shown.predictions.items():
        rmse = shown.outcomes[method].scores.rmse
        columns.append((f"{_title(method)}\nRMSE {rmse:.2f} K", fine, fine - shown.truth))
    columns.append(("truth", shown.truth, None))
    height, width = shown.truth.shape
    rows, high = _PANEL * height / width, 0.75 + _lines(shown.predictions)
    figure = Figure(figsize=(_PANEL * len(columns) + 1, 2 * rows + high), layout="constrained")
    panels = figure.subplots(2, len(columns), squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    sharp: dict[str, Any] = {"interpolation": "none", "extent": (0, width, height, 0)}
    low, high = limits(shown.truth)
    reach = _reach([error for _, _, error in columns if error is not None])
    for (title, plane, error), top, below in zip(columns, panels[0], panels[1], strict=True):
        kelvin = top.imshow(_thinned(plane), _lst_colours(), vmin=low, vmax=high, **sharp)
        top.set_title(title, fontsize=9)
        if error is not None:
            wrong = below.imshow(
                _thinned(error), _error_colours(), vmin=-reach, vmax=reach, **sharp
            )
    figure.colorbar(kelvin, ax=list(panels[0]), label="LST (K)", shrink=0.9, pad=0.01)
    figure.colorbar(wrong, ax=list(panels[1]), label="prediction − truth (K)", shrink=0.9, pad=0.01)
    figure.savefig(path, dpi=_DPI)


def draw_layer(
    plane: NDArray[np.float32], shape: tuple[int, int], span: Limits, path: Path
) -> None:
    """Draw a map alone, enlarged by whole pixels to a shape, without frame."""
    scale = shape[0] // plane.shape[0]
    enlarged = plane.repeat(scale, axis=0).repeat(scale, axis=1)
    low, high = span
    share = np.clip((_thinned(enlarged) - low) / (high - low), 0, 1)
    imsave(path, _lst_colours()(np.ma.masked_invalid(share)))


@_plainly
def draw_scores(evaluation: Evaluation, path: Path) -> None:
    """Draw every method's RMSE on every image, methods from best to worst."""
    standings = evaluation.standings()
    figure = Figure(figsize=(7, 0.9 + 0.45 * len(standings)), layout="constrained")
    panel = figure.subplots()
    for row, standing in enumerate(standings):
        found = [o.scores.rmse for o in evaluation.outcomes if o.method == standing.method]
        panel.plot(found, [row] * len(found), "o", color="#2a6f97", alpha=0.35, markersize=6)
        panel.plot(standing.summary.mean["rmse"], row, "|", color="#c1121f", markersize=22)
    panel.set_yticks(range(len(standings)), [printable(s.method) for s in standings])
    panel.set_ylim(len(standings) - 0.5, -0.5)
    panel.set_xlim(left=0)
    panel.set_xlabel("RMSE of each image (dots) and its mean (bar), K")
    panel.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=_DPI)


@_plainly
def draw_errors_by_gradient(samples: dict[str, Samples], path: Path) -> None:
    """Draw each method's RMSE where the truth's gradient is weak, and where it is strong."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    for method, sample in samples.items():
        slopes, errors = sample.gradient, sample.prediction - sample.truth
        known = np.isfinite(slopes)
        slopes, errors = slopes[known], errors[known]
        if slopes.size < _LEAST_IN_BIN * _BINS:
            continue
        parts = np.array_split(np.argsort(slopes), _BINS)
        at = [float(slopes[part].mean()) for part in parts]
        rmse = [float(np.sqrt(np.mean(errors[part] ** 2))) for part in parts]
        marker = _MARKERS[len(panel.lines) % len(_MARKERS)]
        panel.plot(at, rmse, f"{marker}-", label=printable(method), markersize=5)
    panel.set_xlabel("gradient of the truth, K per pixel (bins with equal numbers of pixels)")
    panel.set_ylabel("RMSE, K")
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    if panel.lines:
        panel.legend(frameon=False)
    figure.savefig(path, dpi=_DPI)


@_plainly
def draw_scatter(samples: dict[str, Samples], path: Path) -> None:
    """Draw prediction against truth as a two-dimensional histogram for each method."""
    truths = np.concatenate([sample.truth for sample in samples.values()])
    span = limits(truths)
    across = min(4, len(samples))
    down = -(-len(samples) // across)
    high = 3.5 + _lines(samples)
    figure = Figure(figsize=(3.2 * across + 0.8, high * down), layout="compressed")
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for panel in panels.flat[len(samples) :]:
        panel.set_axis_off()
    for panel, (method, sample) in zip(panels.flat, samples.items(), strict=False):
        *_, drawn = panel.hist2d(
            sample.truth,
            sample.prediction,
            bins=100,
            range=[span, span],
            cmap="viridis",
            norm="log",
            cmin=1,
        )
        panel.plot(span, span, color="#c1121f", linewidth=0.8)
        panel.set_title(_title(method), fontsize=9)
        panel.set_aspect("equal")
    figure.supxlabel("truth, K", fontsize=9)
    figure.supylabel("prediction, K", fontsize=9)
    bar = figure.colorbar(
        drawn, ax=list(panels.flat), label="sampled pixels", shrink=0.9, pad=0.01, format="%g"
    )
    bar.minorticks_off()
    figure.savefig(path, dpi=_DPI)


def _title(method: str) -> str:
    """Break a name, which may be a long path, into lines that fit the width of a panel."""
    return fill(printable(method), _TITLE, break_on_hyphens=False)


def _lines(methods: Iterable[str]) -> float:
    """Return the height that the longest title takes, inches."""
    return _LINE * max(_title(method).count("\n") + 1 for method in methods)


def limits(plane: NDArray[np.float32]) -> Limits:
    """Span the middle 98 % of the values, kelvin; at least a hundredth of a kelvin."""
    low, high = np.nanpercentile(plane, [1, 99])
    return float(low), max(float(high), float(low) + 0.01)


def _reach(errors: Sequence[NDArray[np.float32]]) -> float:
    found = [np.nanpercentile(np.abs(e), 99) for e in errors if np.isfinite(e).any()]
    return max(0.01, *map(float, found)) if found else 1.0


def _lst_colours() -> Colormap:
    return colormaps["inferno"].with_extremes(bad="#c8c8c8")


def _error_colours() -> Colormap:
    return colormaps["cividis"].with_extremes(bad="#c8c8c8")


def _thinned(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    step = max(1, -(-max(plane.shape) // _LARGEST))
    return plane[::step, ::step]
