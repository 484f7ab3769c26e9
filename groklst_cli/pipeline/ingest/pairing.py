"""Which guides go with which temperature."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from groklst_cli.errors import InputError
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.ingest.layers import MosaicLayer
from groklst_cli.pipeline.ingest.product import Check, Guide, Product

_SAME_PASS: Final = timedelta(hours=1)


def guides_for(
    product: Product, others: Sequence[Product], coarse: Grid, note: Callable[[str], None]
) -> list[Guide]:
    """Choose guides for a temperature.

    Products for guidance come first, the nearest in time of those that overlap the temperature;
    tiles of one pass are joined. Bands that only the thermal product has are added.

    Args:
        product: With the temperature.
        others: Products that may have guides for it.
        coarse: The grid of the temperature.
        note: Called with what is left out.
    """
    near = sorted(others, key=lambda other: _apart(product, other))
    chosen: dict[str, Guide] = {}
    for other in near:
        if not any(guide.layer.grid.overlaps(coarse) for guide in other.guides):
            note(f"{other.identifier} does not overlap {product.identifier}; left out")
            continue
        beside = [third for third in near if _same_pass(other, third)]
        for guide in other.guides:
            if guide.name not in chosen:
                chosen[guide.name] = _side_by_side(guide, beside, coarse, note)
    for guide in product.guides:
        chosen.setdefault(guide.name, guide)
    return list(chosen.values())


def _apart(product: Product, other: Product) -> float:
    if product.moment is None or other.moment is None:
        return float("inf")
    return abs((product.moment - other.moment).total_seconds())


def _same_pass(one: Product, other: Product) -> bool:
    """Tell whether two products are tiles that one pass of one sensor gave."""
    if one.sensor != other.sensor or one.moment is None or other.moment is None:
        return False
    if one.identifier == other.identifier or one.place == other.place:
        return False
    return abs(one.moment - other.moment) <= _SAME_PASS


def _side_by_side(
    guide: Guide, tiles: Sequence[Product], coarse: Grid, note: Callable[[str], None]
) -> Guide:
    """Join a band with the same band of other tiles; a tile that cannot be joined is left out."""
    for tile in tiles:
        twin = next((found for found in tile.guides if found.name == guide.name), None)
        if twin is None or not twin.layer.grid.overlaps(coarse):
            continue
        if (twin.scale, twin.offset) != (guide.scale, guide.offset):
            note(f"{tile.identifier} has another scaling than the tile next to it; left out")
            continue
        try:
            layer = MosaicLayer.of((guide.layer, twin.layer))
            checks = tuple(map(_joined, guide.checks, twin.checks))
        except InputError:
            note(f"{tile.identifier} has another grid than the tile next to it; left out")
            continue
        guide = replace(guide, layer=layer, checks=checks)
    return guide


def _joined(one: Check, other: Check) -> Check:
    return replace(one, layer=MosaicLayer.of((one.layer, other.layer)))
