"""The names of the folders that are written, and whether all files in one are from this command."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from groklst_cli.data.scenes import FACTS
from groklst_cli.pipeline.ingest.product import Product

_WRITTEN: Final = re.compile(r"([\w.-]+/)?(scene\.json|\w+\.tif(\.aux\.xml)?)")


def folder_names(products: Sequence[Product]) -> list[str]:
    """Name the folders: by day, by time if days are equal, and by product if times are equal."""
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


def not_written(out: Path) -> Path | None:
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


def _stamp(product: Product, form: str) -> str:
    return "undated" if product.moment is None else product.moment.strftime(form)
