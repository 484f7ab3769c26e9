"""Ingesting products: delivered files in, scene folders out."""

import json
import math
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from groklst_cli import __version__
from groklst_cli.data.scenes import FACTS, LST
from groklst_cli.data.truth import native_factor
from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.whole_folder import whole_folder
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

_WRITTEN: Final = re.compile(r"([\w.-]+/)?(scene\.json|\w+\.tif(\.aux\.xml)?)")
_SCALES: Final = (2, 64)
_NEAR: Final = 0.02
"""How far a ratio of pixels may be from a whole number, as ``downscale`` has it."""


@dataclass(frozen=True)
class Ingestion:
    """What to ingest.

    Attributes:
        products: Folders, archives and files.
        out: The folder to write.
        bounds: Left, bottom, right, top in the thermal product's CRS; None for all.
        lst_pixel: ``native`` joins pixels of a temperature that its provider has resampled to
            finer ones than the sensor saw; ``delivered`` leaves them.
        wishes: How products are taken.
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
    """Write a scene folder, or a folder of them where there are several temperatures.

    Args:
        request: What to do.
        note: Told, for people, what was found and what is left out.

    Returns:
        The folders, in the order of time.

    Raises:
        InputError: If a product cannot be used.
        OutputExistsError: If the folder exists and may not be replaced.
        UsageError: If the request does not fit the products.
    """
    out, inputs = request.out, list(request.products)
    with (
        whole_folder(out, overwrite=request.overwrite, inputs=inputs, foreign=_foreign) as made,
        gdal_environment(),
        _quiet_archives(),
    ):
        products = [
            (path, product)
            for path in request.products
            for product in products_in(path, request.wishes)
        ]
        _refuse_twice([product for _, product in products])
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
        names = _folder_names([product for _, product in thermal])
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
            raise InputError(f"none of {len(thermal)} temperatures has a clear pixel")
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
            guides[guide.name] = _told(guide, there.grid, share)
            grids[guide.name] = there.grid
    facts = {
        "sensor": product.sensor,
        "date": None if product.moment is None else product.moment.date().isoformat(),
        "time": product.moment.isoformat() if product.moment and product.has_time else None,
        "part": product.part or None,
        "place": product.place or None,
        "bounds_degrees": degrees_of(part.grid),
        "crs": part.grid.crs.to_string(),
        "level": product.level,
        "lst_kind": thermal.quantity,
        "units": "K",
        "made_of": thermal.origin or None,
        "native_resolution_m": thermal.native,
        "delivered_pixel": _rounded(whole.pixel_size),
        "lst_pixel": _rounded(coarse.pixel_size),
        "joined_by": factor,
        **({"aggregate_first_by": per_native} if factor == 1 < per_native else {}),
        **_scale(coarse, grids, note),
        "quality": _quality(tally, has_mask=bool(thermal.checks)),
        "guides": guides,
        "provenance": _provenance([product, *_used(others, chosen)], sources),
    }
    facts = {key: value for key, value in facts.items() if value is not None}
    _write_facts(folder, facts)
    note(_summary(product, tally, coarse, guides))
    return facts


def _guides_alone(
    request: Ingestion,
    products: Sequence[Product],
    folder: Path,
    sources: Mapping[str, Path],
    note: Callable[[str], None],
) -> IngestedScene:
    """Write a folder of guides, which ``downscale`` takes for a guide."""
    if len(products) > 1:
        listed = ", ".join(product.identifier for product in products)
        raise InputError(
            f"there are {len(products)} products with guides ({listed}) and none with a "
            "temperature; name one of them, or a thermal product beside them"
        )
    product, guides = products[0], {}
    for guide in product.guides:
        part = part_of(guide.layer.grid, request.bounds, 1, guide.layer.name)
        guides[guide.name] = _told(guide, part.grid, write_guide(folder, guide, part))
    facts = {
        "sensor": product.sensor,
        "date": product.moment.date().isoformat() if product.moment else None,
        "place": product.place or None,
        "level": product.level,
        "guides": guides,
        "provenance": _provenance([product], sources),
    }
    _write_facts(folder, {key: value for key, value in facts.items() if value is not None})
    note(
        f"{product.identifier} holds no temperature: {request.out} is a folder of guides, as in "
        f"groklst downscale LST -g {request.out}"
    )
    return IngestedScene(request.out, facts)


def _part_of_guide(request: Ingestion, guide: Guide, coarse: Grid) -> Part | None:
    """Find which part of a guide to write: under the LST, where a part of that is asked for."""
    grid = guide.layer.grid
    if request.bounds is None:
        return Part(grid, slice(0, grid.height), slice(0, grid.width))
    return under(grid, coarse)


def _refuse_twice(products: Sequence[Product]) -> None:
    keys = [(p.identifier, p.part, p.thermal is None) for p in products]
    twins = [key[0] for key in keys if keys.count(key) > 1]
    if twins:
        raise UsageError(f"{twins[0]} is named twice, as folder, archive or file; name it once")


def _when(product: Product) -> tuple[str, str]:
    return ("" if product.moment is None else product.moment.isoformat(), product.part)


def _folder_names(products: Sequence[Product]) -> list[str]:
    """Name a folder each: by day, by time where days meet, and by product where times do."""
    if len(products) == 1:
        return [""]
    days = [_stamp(product, "%Y%m%d") for product in products]
    times = [
        _stamp(product, "%Y%m%dT%H%M%S") if product.has_time else day
        for product, day in zip(products, days, strict=True)
    ]
    parts = [
        f"{time}_{product.part}" if product.part else time
        for product, time in zip(products, times, strict=True)
    ]
    whole = [
        re.sub(r"[^\w.-]+", "_", f"{part}_{product.identifier}")[:120]
        for product, part in zip(products, parts, strict=True)
    ]
    numbered = [f"{name}_{number}" for number, name in enumerate(whole, 1)]
    return next(
        names
        for names in (days, times, parts, whole, numbered)
        if len({name.lower() for name in names}) == len(names)
    )


def _stamp(product: Product, form: str) -> str:
    return "undated" if product.moment is None else product.moment.strftime(form)


def _scale(coarse: Grid, grids: Mapping[str, Grid], note: Callable[[str], None]) -> dict[str, int]:
    """State by how much ``downscale`` refines, where the pixels' ratio does not say it."""
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
        f"a pixel of the LST is as wide as {finest:.4g} of the finest guide's; {FACTS} says "
        f"scale {scale}, which downscale takes where no --scale is typed"
    )
    return {"scale": scale}


def _quality(tally: Tally, *, has_mask: bool) -> dict[str, Any]:
    return {
        "pixels": tally.pixels,
        "with_temperature": round(tally.valid / tally.pixels, 6),
        "clear": round(tally.clear / tally.valid, 6),
        "masked": tally.shares,
        "kept": {name: round(n / tally.clear, 6) for name, n in sorted(tally.kinds.items()) if n},
        **({} if has_mask else {"mask": "none: the product has no quality band here"}),
    }


def _told(guide: Guide, grid: Grid, share: float) -> dict[str, Any]:
    return {
        "quantity": guide.quantity,
        "scale": guide.scale,
        "offset": guide.offset,
        "pixel": _rounded(grid.pixel_size),
        "usable": round(share, 6),
        "of": Path(guide.layer.name).name,
    }


def _used(others: Sequence[Product], guides: Sequence[Guide]) -> list[Product]:
    names = {guide.layer.name for guide in guides}
    return [p for p in others if any(guide.layer.name in names for guide in p.guides)]


def _provenance(products: Sequence[Product], sources: Mapping[str, Path]) -> dict[str, Any]:
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


def _rounded(pixel: tuple[float, float]) -> list[float]:
    return [float(f"{size:.9g}") for size in pixel]


def _write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def _summary(product: Product, tally: Tally, coarse: Grid, guides: Mapping[str, Any]) -> str:
    height, width = coarse.shape
    clear = 100 * tally.clear / tally.valid
    masked = f" ({tally.told()})" if tally.clear < tally.valid else ""
    return (
        f"{product.identifier}: {product.sensor}, {LST} {height} × {width}, "
        f"{clear:.3g} % clear{masked}; guides: {', '.join(guides) or 'none'}"
    )


def _foreign(out: Path) -> Path | None:
    """Find a file in a folder that this command did not write, or the folder if it wrote none."""
    stated: dict[Path, set[str]] = {}
    for facts in (*out.glob(FACTS), *out.glob(f"*/{FACTS}")):
        try:
            read = json.loads(facts.read_text(encoding="utf-8"))
            guides = set(read["guides"]) if "provenance" in read else set()
        except (OSError, ValueError, KeyError, TypeError):
            return facts
        stated[facts.parent] = {"lst", "clear", *guides}
    if not stated:
        return out
    for path in sorted(out.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        below = path.relative_to(out).as_posix()
        named = stated.get(path.parent, set())
        if not _WRITTEN.fullmatch(below) or not (
            path.name == FACTS or path.name.partition(".")[0] in named
        ):
            return path
    return None


def _quiet_archives() -> Any:
    """Keep GDAL from writing an index beside a compressed archive."""
    import rasterio

    return rasterio.Env(CPL_VSIL_GZIP_WRITE_PROPERTIES="NO")
