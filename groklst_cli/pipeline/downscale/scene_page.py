"""A page about one scene: what was there, what was made of it, why, from what, and how again.

It holds its pictures itself, with at most 1 000 pixels along a side: results are read from their
overviews, the LST and the residual were averaged as rows were written. So neither the page nor the
memory that it takes grows with the scene.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject

from groklst_cli.errors import GroklstError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.units import CELSIUS_ZERO
from groklst_cli.pages import parts
from groklst_cli.pages.histogram import histograms
from groklst_cli.pages.maps import Colours, Limits, colour_bar, data_uri, png
from groklst_cli.pages.page import page
from groklst_cli.pipeline.downscale.page_names import COMMAND, INDEX
from groklst_cli.pipeline.downscale.preview import (
    LEAST_RESIDUAL,
    crs_name,
    height_by_width,
    limits_of,
    pixel_words,
    read_small,
)
from groklst_cli.pipeline.downscale.provenance import INPUTS_TAG, SOFTWARE_TAG
from groklst_cli.pipeline.downscale.request import Request, Result
from groklst_cli.pipeline.downscale.watched import Watched
from groklst_cli.pipeline.predict.option import defaults_of, options_of
from groklst_cli.pipeline.predict.plan import Plan

Values = NDArray[np.floating[Any]]

_SIDE: Final = 1000
"""Longest side of a picture in a page, pixels."""

_SHARP: Final = 700  # pixels across; a picture of fewer is enlarged, and its pixels are squares
_COMMAND_TAG: Final = "GROKLST_COMMAND"
_CONFIG_TAG: Final = "GROKLST_CONFIG"
_TOLD: Final = (INPUTS_TAG, SOFTWARE_TAG, _COMMAND_TAG, _CONFIG_TAG)
"""Tags that have a place of their own on the page."""

_SOURCES: Final = {
    "option": "as it was asked for",
    "checkpoint": "from the checkpoint",
    "target": "from the target's pixel",
    "guides": "from the finest guide's pixel",
    "default": "by default",
    "tags": "from the file's tags",
    "values": "from the range of values",
}


@dataclass(frozen=True)
class _Views:
    """What a page shows, small, in the result's unit."""

    coarse: Values
    fine: Values
    own_coarse: Values
    unit: str


def write_scene_page(
    path: Path, request: Request, result: Result, watched: Watched, said: Sequence[str]
) -> None:
    """Write a page about a scene.

    Args:
        path: The file.
        request: What was asked for.
        result: What was made; its files have their places.
        watched: What was seen of it.
        said: The lines that the run told.

    Raises:
        GroklstError: If the disk refuses.
    """
    try:
        path.write_text(scene_page(request, result, watched, said), encoding="utf-8")
    except OSError as error:
        raise GroklstError(
            f"the report of {request.output} could not be written: {error.strerror or error}; the "
            "map itself is whole"
        ) from error


def scene_page(request: Request, result: Result, watched: Watched, said: Sequence[str]) -> str:
    """Return a page about a scene as HTML; see ``write_scene_page``."""
    plan, views = result.plan, _views(request, result.plan, watched)
    tags = _tags(request.output)
    repeat = "\n".join(_repeat(request, tags))
    body = (
        _way_back(request),
        "<h2>Before and after</h2>",
        _maps(plan, views),
        f'<div class="panels">{"".join(_panels(request, plan, watched))}</div>',
        "<h2>Values</h2>",
        _values(views),
        "<h2>What was chosen, and why</h2>",
        parts.words(_chosen(result, tags, watched)),
        "<h2>What the run said</h2>",
        parts.notes(said),
        "<h2>Where it comes from</h2>",
        parts.words(
            [
                *_inputs(tags.get(INPUTS_TAG, "[]")),
                ("software", tags.get(SOFTWARE_TAG, "")),
                *_files(request),
            ]
        ),
        "<h3>Tags of the result</h3>",
        parts.words((key, value) for key, value in sorted(tags.items()) if key not in _TOLD),
        "<h2>How to repeat it</h2>",
        repeat,
    )
    facts = [
        f"{plan.choice.name} ×{plan.scale}",
        *([f"by {', '.join(plan.bands)}"] if plan.choice.uses_guide and plan.bands else []),
        pixel_words(plan.output),
        crs_name(plan.output.crs),
    ]
    return page(request.output.name, " · ".join(facts), "\n".join(body), of=COMMAND)


def _way_back(request: Request) -> str:
    """Return a link to the page of all scenes; nothing where there is but one."""
    alone = request.page is None or request.page.name == INDEX
    return "" if alone else f'<p><a href="{INDEX}">All scenes</a></p>'


def _views(request: Request, plan: Plan, watched: Watched) -> _Views:
    fine = read_small(request.output, _SIDE)
    zero = CELSIUS_ZERO if plan.units == "C" else 0.0
    own = watched.lst.values - zero
    coarse = _on_grid(plan, own, watched.lst.block, fine.shape)
    return _Views(coarse, fine, own, "°C" if plan.units == "C" else "K")


def _on_grid(plan: Plan, coarse: Values, block: int, shape: tuple[int, ...]) -> Values:
    """Show the coarse pixels where a view of the result shows what was made of them."""
    if plan.target is None:
        down, across = (
            ((np.arange(small) + 0.5) * (whole / plan.scale / small)).astype(int) // block
            for small, whole in zip(shape, plan.grid.shape, strict=True)
        )
        return np.asarray(coarse[np.ix_(down, across)])
    found = np.full(shape, np.nan, np.float32)
    high, wide = (whole / small for whole, small in zip(plan.target.shape, shape, strict=True))
    with gdal_environment():
        reproject(
            coarse.astype(np.float32),
            found,
            src_transform=plan.grid.transform * Affine.scale(plan.scale * block),
            src_crs=plan.grid.crs,
            src_nodata=np.nan,
            dst_transform=plan.target.transform * Affine.scale(wide, high),
            dst_crs=plan.target.crs,
            dst_nodata=np.nan,
            resampling=Resampling.nearest,
        )
    return found


def _maps(plan: Plan, views: _Views) -> str:
    """Return coarse and fine map over each other, and their one legend."""
    ends = [limits_of(v) for v in (views.own_coarse, views.fine) if np.isfinite(v).any()]
    limits = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0.0, 1.0)
    here = f"{plan.grid.height // plan.scale} × {plan.grid.width // plan.scale} coarse pixels"
    there = f"{plan.output.height} × {plan.output.width} fine pixels"
    names = (f"coarse, {pixel_words(plan.grid, plan.scale)}", f"fine, {pixel_words(plan.output)}")
    label = f"LST ({views.unit})"
    slider = parts.slider(
        data_uri(png(views.coarse, "inferno", limits)),
        data_uri(png(views.fine, "inferno", limits)),
        names,
        alts=(
            f"Map of the coarse LST: {here}, {_range(views.own_coarse, views.unit)}",
            f"Map of the fine LST: {there}, {_range(views.fine, views.unit)}",
        ),
        sharp=views.fine.shape[1] < _SHARP,
        shape=_shape(plan.output),
    )
    shown = max(1, -(-max(plan.output.shape) // _SIDE))
    caption = "One scale of colours for both; what is beyond its ends has their colours. "
    if shown > 1:
        caption += f"A pixel of the picture is the mean of {shown} × {shown} fine pixels. "
    if np.isnan(views.fine).any() or np.isnan(views.coarse).any():
        caption += "Hatched: no value."
    return slider + colour_bar("inferno", limits, label) + f'<p class="note">{caption}</p>'


def _panels(request: Request, plan: Plan, watched: Watched) -> Iterator[str]:
    """Bring the maps of the residual and of the standard deviation, if there are any."""
    residual = watched.residual
    if np.isfinite(residual).any():
        most = max(LEAST_RESIDUAL, *map(abs, limits_of(residual)))
        restored = plan.conserve and watched.left.is_known
        what = "the method's own means" if restored else "the means of the result"
        caption = (
            f"Residual: coarse LST − {what}, RMS {watched.left if restored else watched.lacking}."
        )
        if restored:
            caption += f" Once coarse values were restored: {watched.lacking}."
        elif plan.conserve:
            caption += " What the method itself left was not kept by the earlier run."
        yield _panel(residual, "cividis", (-most, most), "residual (K)", caption, plan.grid)
    if request.uncertainty is not None and request.uncertainty.exists():
        deviation = read_small(request.uncertainty, _SIDE)
        caption = f"Standard deviation of the fine LST: {_range(deviation, 'K')}."
        limits = limits_of(deviation)
        label = "standard deviation (K)"
        yield _panel(deviation, "viridis", limits, label, caption, plan.output)


def _panel(
    values: Values, colours: Colours, limits: Limits, label: str, caption: str, grid: Grid
) -> str:
    source = data_uri(png(values, colours, limits))
    classes = "map sharp" if values.shape[1] < _SHARP else "map"
    drawn = parts.image(source, f"Map. {caption}", classes=classes, shape=_shape(grid))
    return parts.figure(drawn + colour_bar(colours, limits, label), caption)


def _values(views: _Views) -> str:
    """Return histograms of both LSTs, and their figures."""
    both = np.concatenate([views.own_coarse.ravel(), views.fine.ravel()])
    known = both[np.isfinite(both)]
    if not known.size:
        return parts.notes(["no pixel has a value"])
    low, high = (float(value) for value in np.percentile(known, [0.1, 99.9]))
    limits = (low, high) if high > low else (low - 0.5, low + 0.5)
    drawn = histograms(
        views.own_coarse, views.fine, ("coarse", "fine"), f"LST ({views.unit})", limits
    )
    rows = [("coarse", _figures(views.own_coarse, views.unit))]
    rows.append(("fine", _figures(views.fine, views.unit)))
    caption = "Of the pixels of the pictures; the middle 99.8 % of the values are drawn."
    return parts.figure(drawn, caption) + parts.words(rows)


def _figures(values: Values, unit: str) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "no value"
    spread = f"mean {known.mean():.2f} {unit}, standard deviation {known.std():.2f} K"
    return f"{spread}, {_range(values, unit)}"


def _range(values: Values, unit: str) -> str:
    known = values[np.isfinite(values)]
    return f"{known.min():.2f} to {known.max():.2f} {unit}" if known.size else "no value"


def _chosen(result: Result, tags: Mapping[str, str], watched: Watched) -> Iterator[tuple[str, str]]:
    """Say what was chosen, and why."""
    plan = result.plan
    yield "method", f"{plan.choice.name}: {plan.choice.reason}"
    if plan.choice.checkpoint is not None:
        yield "weights", str(plan.choice.checkpoint)
    yield "scale", f"×{plan.scale}, {_SOURCES[plan.scale_from]}"
    yield "coarse grid", f"{pixel_words(plan.grid, plan.scale)}, {plan.valid} pixels with a value"
    yield "fine grid", f"{plan.output.height} × {plan.output.width}, {pixel_words(plan.output)}"
    yield "CRS", crs_name(plan.output.crs)
    yield "unit", f"{'°C' if plan.units == 'C' else 'K'}, {_SOURCES.get(plan.units_from, '')}"
    for path, how in plan.resampling.items():
        share = plan.coverage.get(path)
        covers = "" if share is None else f", covers {share:.1%} of the LST"
        yield f"guide {Path(path).name}", f"{how}{covers}{_shift(result.shifts.get(path))}"
    if plan.masked is not None:
        yield "mask", f"{plan.masked.to_json()['clear_share']:.1%} of the LST is clear"
    yield "noise of the sensor", _noise(result, tags)
    yield "coarse values", _kept(result, watched)
    made = "made by an earlier run" if result.skipped else f"{result.tiles} computed in this run"
    yield "tiles", f"{plan.tile} × {plan.tile} fine pixels, overlap {plan.overlap}; {made}"
    yield "time", f"{result.seconds:.1f} s"


def _shift(shift: tuple[float, float] | None) -> str:
    if shift is None:
        return ", not moved"
    x, y = shift
    return f", was misregistered and moved back by {x:+.2f}, {y:+.2f} coarse pixels (columns, rows)"


def _noise(result: Result, tags: Mapping[str, str]) -> str:
    plan = result.plan
    if (belief := plan.believed) is not None:
        text = f"{belief.found:.2f} K found, {belief.noise:.2f} K believed"
        spread = f"; point spread {belief.spread:.2f} coarse pixels" if belief.spread else ""
        return text + spread
    if believed := tags.get("GROKLST_NOISE"):
        return f"{believed} believed"
    return "none believed: coarse values are taken as exact" if plan.conserve else "not looked for"


def _kept(result: Result, watched: Watched) -> str:
    plan = result.plan
    if plan.target is not None:
        kept = "kept on the LST's own grid, then brought to the target's"
        return kept if plan.conserve else "not kept"
    if not plan.conserve:
        return f"not kept: the means of the result differ by {watched.lacking} (RMS)"
    how = "kept as far as their noise allows" if plan.believed else "kept"
    return f"{how}: the means of the result differ by {watched.lacking} (RMS)"


def _tags(result: Path) -> dict[str, str]:
    with gdal_environment(), rasterio.open(result) as file:
        return {**file.tags(), **{f"band 1, {k}": v for k, v in file.tags(1).items()}}


def _inputs(tag: str) -> Iterator[tuple[str, str]]:
    """Name a result's inputs, and the hashes of their headers; a tag of others stands as it is."""
    try:
        named = [
            (str(f["is"]), f"{f['given']} ({_hash(f.get('header'))})") for f in json.loads(tag)
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        named = [("inputs", tag)]
    yield from named


def _hash(header: str | None) -> str:
    return "its header could not be read" if header is None else f"header {header}"


def _files(request: Request) -> Iterator[tuple[str, str]]:
    yield "result", str(request.output)
    if request.uncertainty is not None:
        yield "standard deviation", str(request.uncertainty)


def _repeat(request: Request, tags: Mapping[str, str]) -> Iterator[str]:
    """Bring the command that made the result, and what its file of options said.

    Where there is none, the options.
    """
    asked = {**request.provenance, **tags}
    if command := asked.get(_COMMAND_TAG):
        yield (
            "<p>Type this in the folder where it was typed; add <code>--overwrite</code> where its "
            "files still stand:</p>"
        )
        yield f"<pre><code>{parts.text(command)}</code></pre>"
        if config := asked.get(_CONFIG_TAG):
            yield "<p>Its file of options said:</p>"
            yield f"<pre><code>{parts.text(config)}</code></pre>"
        return
    yield "<p>Python asked for it, with these options:</p>"
    defaults = defaults_of(Request)
    yield parts.words(
        (option.flag, str(getattr(request, name)))
        for name, option in options_of(Request).items()
        if str(getattr(request, name)) != str(defaults[name])
    )


def _shape(grid: Grid) -> float:
    """Return how wide a grid is for its height, on the ground."""
    return grid.width / (grid.height * height_by_width(grid))
