"""Ingesting products: delivered files in, scene folders out."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import rasterio

from groklst_cli.data.scenes import LST
from groklst_cli.data.truth import native_factor
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.whole_folder import whole_folder
from groklst_cli.pipeline.ingest.facts import (
    guide_facts,
    provenance,
    quality,
    scale_of,
    temperature,
    when_and_where,
    write_facts,
)
from groklst_cli.pipeline.ingest.folders import folder_names, not_written
from groklst_cli.pipeline.ingest.pairing import guides_for
from groklst_cli.pipeline.ingest.parts import Bounds, Part, degrees_of, part_of, under
from groklst_cli.pipeline.ingest.product import Guide, Product
from groklst_cli.pipeline.ingest.recognition import products_in
from groklst_cli.pipeline.ingest.scene_files import (
    NothingClearError,
    Tally,
    write_guide,
    write_temperature,
)
from groklst_cli.pipeline.ingest.wishes import Wishes

LstPixel = Literal["native", "delivered"]


@dataclass(frozen=True)
class Ingestion:
    """What to ingest.

    Attributes:
        products: Folders, archives and files.
        out: The folder to write.
        bounds: Left, bottom, right, top in the thermal product's CRS; None for all.
        lst_pixel: ``native`` aggregates the pixels of a temperature that its provider has resampled
            to a finer grid than the sensor's; ``delivered`` keeps them.
        wishes: Options for products.
        overwrite: Whether a folder that this command wrote may be replaced.
    """

    products: Sequence[Path]
    out: Path
    bounds: Bounds | None = None
    lst_pixel: LstPixel = "native"
    wishes: Wishes = field(default_factory=Wishes)
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: If a value is impossible.
        """
        if self.lst_pixel not in ("native", "delivered"):
            raise UsageError(f"--lst-pixel {self.lst_pixel} is neither native nor delivered")
        if self.bounds is not None:
            left, bottom, right, top = self.bounds
            if not all(map(math.isfinite, self.bounds)) or not (left < right and bottom < top):
                raise UsageError(
                    "--bounds are LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT, BOTTOM < TOP"
                )


@dataclass(frozen=True)
class IngestedScene:
    """A scene folder that was written.

    Attributes:
        path: The folder.
        facts: What its ``scene.json`` states.
    """

    path: Path
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {"path": str(self.path), **self.facts}


def ingest(
    request: Ingestion, *, note: Callable[[str], None] = lambda text: None
) -> list[IngestedScene]:
    """Write a scene folder, or a folder of scene folders if there are several temperatures.

    Args:
        request: What to do.
        note: Called with messages about what was found and what is left out.

    Returns:
        The folders, in the order of time.

    Raises:
        InputError: If a product cannot be used.
        OutputExistsError: If the folder exists and may not be replaced.
        UsageError: If the request does not fit the products.
    """
    out, inputs = request.out, list(request.products)
    with (
        whole_folder(out, overwrite=request.overwrite, inputs=inputs, foreign=not_written) as made,
        gdal_environment(),
        _quiet_archives(),
    ):
        products = [
            (path, product)
            for path in request.products
            for product in products_in(path, request.wishes)
        ]
        _refuse_twice(products)
        for _, product in products:
            for line in product.notes:
                note(line)
        thermal = sorted(
            (pair for pair in products if pair[1].thermal), key=lambda pair: _when(pair[1])
        )
        sources = {product.identifier: path for path, product in products}
        others = [product for _, product in products if not product.thermal]
        if not thermal:
            return [_guides_alone(request, others, made, sources, note)]
        names = folder_names([product for _, product in thermal])
        scenes = []
        for (_, product), name in zip(thermal, names, strict=True):
            folder = made / name
            folder.mkdir(exist_ok=True)
            try:
                facts = _scene(request, product, others, folder, sources, note)
            except NothingClearError as error:
                if len(thermal) == 1:
                    raise
                shutil.rmtree(folder)
                note(f"{error.args[0].partition(';')[0]}; left out")
                continue
            scenes.append(IngestedScene(out / name, facts))
        if not scenes:
            raise InputError(
                f"none of {len(thermal)} temperature products has a clear pixel; name other "
                "products, or other bounds"
            )
    return scenes


def _scene(
    request: Ingestion,
    product: Product,
    others: Sequence[Product],
    folder: Path,
    sources: Mapping[str, Path],
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Write one scene, and return what ``scene.json`` states of it."""
    thermal = product.thermal
    assert thermal is not None
    whole = thermal.layers[0].grid
    per_native = 1 if thermal.native is None else native_factor(f"{thermal.native:g}m", whole)
    factor = per_native if request.lst_pixel == "native" else 1
    part = part_of(whole, request.bounds, factor, product.identifier)
    tally = write_temperature(folder, product, part, factor, request.wishes.unwanted)
    coarse = part.grid.coarsen(factor)
    chosen = guides_for(product, others, coarse, note)
    guides, grids = {}, {}
    for guide in chosen:
        there = _part_of_guide(request, guide, coarse)
        if there is not None:
            share = write_guide(folder, guide, there)
            guides[guide.name] = guide_facts(guide, there.grid, share)
            grids[guide.name] = there.grid
    stated = {
        "sensor": product.sensor,
        **when_and_where(product),
        "bounds_degrees": degrees_of(part.grid),
        "crs": part.grid.crs.to_string(),
        "level": product.level,
        **temperature(thermal, whole, coarse, factor, per_native),
        **scale_of(coarse, grids, note),
        "quality": quality(tally, has_mask=bool(thermal.checks)),
        "guides": guides,
        "provenance": provenance([product, *_used(others, chosen)], sources),
    }
    facts = {key: value for key, value in stated.items() if value is not None}
    write_facts(folder, facts)
    note(_summary(product, tally, coarse, guides))
    return facts


def _guides_alone(
    request: Ingestion,
    products: Sequence[Product],
    folder: Path,
    sources: Mapping[str, Path],
    note: Callable[[str], None],
) -> IngestedScene:
    """Write a folder of guides for ``downscale``."""
    if len(products) > 1:
        listed = ", ".join(product.identifier for product in products)
        raise InputError(
            f"there are {len(products)} products with guides ({listed}) and none with a "
            "temperature; name one of them, or add a thermal product"
        )
    product, guides = products[0], {}
    for guide in product.guides:
        part = part_of(guide.layer.grid, request.bounds, 1, guide.layer.name)
        guides[guide.name] = guide_facts(guide, part.grid, write_guide(folder, guide, part))
    facts = {
        "sensor": product.sensor,
        **when_and_where(product),
        "level": product.level,
        "guides": guides,
        "provenance": provenance([product], sources),
    }
    write_facts(folder, facts)
    note(
        f"{product.identifier} has no temperature, so {request.out} is a folder of guides, as in "
        f"groklst downscale LST -g {request.out}"
    )
    return IngestedScene(request.out, facts)


def _part_of_guide(request: Ingestion, guide: Guide, coarse: Grid) -> Part | None:
    """Find the part of a guide to write: under the LST, if only a part of that is requested."""
    grid = guide.layer.grid
    if request.bounds is None:
        return Part(grid, slice(0, grid.height), slice(0, grid.width))
    return under(grid, coarse)


def _refuse_twice(products: Sequence[tuple[Path, Product]]) -> None:
    found: dict[tuple[str, ...], Path] = {}
    for path, product in products:
        key = product.identifier, product.sensor, product.part
        if found.setdefault(key, path) != path:
            raise UsageError(
                f"{product.identifier} was given twice, as {found[key]} and as {path}; name it once"
            )


def _when(product: Product) -> tuple[str, str]:
    return ("" if product.moment is None else product.moment.isoformat(), product.part)


def _summary(product: Product, tally: Tally, coarse: Grid, guides: Mapping[str, Any]) -> str:
    height, width = coarse.shape
    clear = 100 * tally.clear / tally.valid
    masked = f" ({tally.told()})" if tally.clear < tally.valid else ""
    return (
        f"{product.identifier}: {product.sensor}, {LST} {height} × {width}, "
        f"{clear:.3g} % clear{masked}; guides: {', '.join(guides) or 'none'}"
    )


def _quiet_archives() -> rasterio.Env:
    """Keep GDAL from writing an index next to a compressed archive."""
    return rasterio.Env(CPL_VSIL_GZIP_WRITE_PROPERTIES="NO")


def _used(others: Sequence[Product], guides: Sequence[Guide]) -> list[Product]:
    names = {guide.layer.name for guide in guides}
    return [p for p in others if any(guide.layer.name in names for guide in p.guides)]
