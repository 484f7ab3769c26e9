"""The facts in ``scene.json`` of an ingested scene."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from groklst_cli import __version__
from groklst_cli.data.scenes import FACTS
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.ingest.product import Guide, Product, Thermal
from groklst_cli.pipeline.ingest.scene_files import Tally

_SCALES: Final = (2, 64)
_NEAR: Final = 0.02
"""How far a ratio of pixels may be from a whole number, as ``downscale`` has it."""


def when_and_where(product: Product) -> dict[str, Any]:
    """State day, time, part and place, as far as they are known."""
    moment = product.moment
    stated = {
        "date": moment.date().isoformat() if moment else None,
        "time": moment.isoformat() if moment and product.has_time else None,
        "part": product.part,
        "place": product.place,
    }
    return {key: value for key, value in stated.items() if value}


def temperature(
    thermal: Thermal, delivered: Grid, lst: Grid, factor: int, per_native: int
) -> dict[str, Any]:
    """State the kind of temperature, and the resolution of its pixels.

    Args:
        thermal: The thermal part of the product.
        delivered: The product's grid.
        lst: The grid of the written LST.
        factor: Delivered pixels along a written pixel.
        per_native: Delivered pixels along a pixel of the sensor.
    """
    left = {"aggregate_first_by": per_native} if factor == 1 < per_native else {}
    return {
        "lst_kind": thermal.quantity,
        "units": "K",
        "made_of": thermal.origin or None,
        "native_resolution_m": thermal.native,
        "delivered_pixel": _rounded(delivered.pixel_size),
        "lst_pixel": _rounded(lst.pixel_size),
        "joined_by": factor,
        **left,
    }


def scale_of(
    coarse: Grid, grids: Mapping[str, Grid], note: Callable[[str], None]
) -> dict[str, int]:
    """State the scale for ``downscale`` if the ratio of pixels does not determine it."""
    ratios = [grid.pixels_per_pixel_of(coarse) for grid in grids.values()]
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    if not known:
        return {}
    finest = max(known)
    scale = min(max(round(finest), _SCALES[0]), _SCALES[1])
    if abs(finest / scale - 1) <= _NEAR:
        return {}
    if finest > _SCALES[1]:
        scale = round(finest / math.ceil(finest / _SCALES[1]))
    note(
        f"a pixel of the LST is as wide as {finest:.4g} pixels of the finest guide; {FACTS} "
        f"states the scale {scale}, which downscale uses unless --scale is set"
    )
    return {"scale": scale}


def quality(tally: Tally, *, has_mask: bool) -> dict[str, Any]:
    """State the clear share, and why the rest is masked."""
    return {
        "pixels": tally.pixels,
        "with_temperature": round(tally.valid / tally.pixels, 6),
        "clear": round(tally.clear / tally.valid, 6),
        "masked": tally.shares,
        "kept": {name: round(n / tally.clear, 6) for name, n in sorted(tally.kinds.items()) if n},
        **({} if has_mask else {"mask": "none: there is no quality band"}),
    }


def guide_facts(guide: Guide, grid: Grid, share: float) -> dict[str, Any]:
    """Describe a guide, and the share of it that can be used."""
    return {
        "quantity": guide.quantity,
        "scale": guide.scale,
        "offset": guide.offset,
        "pixel": _rounded(grid.pixel_size),
        "usable": round(share, 6),
        "of": Path(guide.layer.name).name,
    }


def provenance(products: Sequence[Product], sources: Mapping[str, Path]) -> dict[str, Any]:
    """State what a scene was made of."""
    return {
        "groklst": __version__,
        "products": [
            {
                "product": product.identifier,
                "sensor": product.sensor,
                "path": str(sources[product.identifier]),
                "files": sorted({Path(name).name for name in product.files}),
            }
            for product in products
        ],
    }


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the file."""
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def _rounded(pixel: tuple[float, float]) -> list[float]:
    return [float(f"{size:.9g}") for size in pixel]
