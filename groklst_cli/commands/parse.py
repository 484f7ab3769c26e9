"""Convert command-line text into values, or say what to type instead."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from groklst_cli.data.scenes import FACTS, SceneFacts, SceneFolder, guides_in, is_scene, scenes_in
from groklst_cli.errors import UsageError
from groklst_cli.geo.band_source import BandSource, Nodata, read_nodata
from groklst_cli.geo.masks import MaskFile, Masks
from groklst_cli.geo.targets import Naming
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.choice import header_of
from groklst_cli.pipeline.predict.settings import Conserving


def band_source(text: str) -> BandSource:
    """Read a file, its band, and the scaling of its stored values."""
    return BandSource.parse(text)


def masks(lst: Sequence[str], guides: Sequence[str]) -> Masks:
    """Read ``FILE[:RULE]`` each."""
    return Masks(tuple(map(MaskFile.parse, lst)), tuple(map(MaskFile.parse, guides)))


def scene(
    lsts: Sequence[str], guides: list[BandSource], masks: Masks
) -> tuple[Sequence[str], list[BandSource], Masks]:
    """Read a scene folder in place of an LST; its guides and mask come before named ones.

    Raises:
        UsageError: If it is a folder of scene folders.
        InputError: If it cannot be used.
    """
    folder = Path(lsts[0])
    if lsts[0] and (several := scenes_in(folder)):
        raise UsageError(
            f"{folder} holds {len(several)} scene folders; add --out-dir DIR to downscale each of "
            "them"
        )
    if not lsts[0] or not is_scene(folder):
        return lsts, guides, masks
    found = SceneFolder.read(folder)
    all_masks = replace(masks, lst=(*found.masks, *masks.lst))
    return [str(found.lst)], [*found.guide_sources, *guides], all_masks


def scale(typed: int | None, model: str, lsts: Sequence[str]) -> int | None:
    """Return the scale that a scene folder states, if nothing else sets it.

    Raises:
        InputError: If the folder's facts or the checkpoint cannot be read.
    """
    folder = Path(lsts[0]) if len(lsts) == 1 and lsts[0] else None
    if typed is not None or folder is None or not is_scene(folder):
        return typed
    return SceneFacts.read(folder / FACTS).scale if header_of(model) is None else None


def guides(texts: Sequence[str], lsts: Sequence[str]) -> list[BandSource]:
    """Read ``[NAME=]FILE[,band=N]`` each; a folder stands for the guides in it."""
    found: list[BandSource] = []
    paths = [band_source(lst).path for lst in lsts if lst]
    for text in texts:
        is_folder = os.path.isdir(text)
        found += guides_in(Path(text), paths) if is_folder else [band_source(text)]
    return found


def src_nodata(text: str | None) -> Nodata | None:
    """Read the value of ``--src-nodata``: a number, ``nan`` or ``none``."""
    return None if text is None else read_nodata("--src-nodata", text)


def request(*, lst: BandSource, src_nodata: Nodata | None, **facts: Any) -> Request:
    """Make a request whose LST has the nodata value that was set for all."""
    return Request(lst=lst.with_nodata(src_nodata), **facts)


def numbers(option: str, text: str) -> tuple[float, ...]:
    """Read numbers separated by commas; an empty list if nothing is typed.

    Raises:
        UsageError: If one is not a number, or not finite.
    """
    try:
        found = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise UsageError(f"{option} {text} is not a list of numbers; write it as in 1,2.5,3")
    return found


def pair(option: str, text: str) -> tuple[float, float] | None:
    """Read two numbers separated by a comma; None if nothing is typed.

    Raises:
        UsageError: If there are not two.
    """
    found = numbers(option, text)
    if not found:
        return None
    if len(found) != 2:
        raise UsageError(f"{option} {text} is not two numbers; write it as in 0.97,0.98")
    return found[0], found[1]


def named_output(first: Path | None, second: Path | None) -> Path | None:
    """Return the output that was named, or None.

    Raises:
        UsageError: If two were named.
    """
    if first is not None and second is not None:
        raise UsageError(
            f"two outputs were given, {first} and {second}; name one; write -g before each guide, "
            f"as in -g {first}"
        )
    return first or second


def folder_of(source: BandSource) -> Path:
    """Return the default folder of an output: the LST's.

    Raises:
        UsageError: If the LST is not a local file.
    """
    if source.path.startswith("/vsi") or "://" in source.path:
        raise UsageError(f"{source.path} is not a local file; name the output with -o FILE")
    local = Path(source.path)
    if not local.name:
        raise UsageError(f"{source.path} is a folder; name a raster file")
    return local.parent


def naming(argument: Path | None, option: Path | None) -> Naming:
    """Return how the output was named."""
    if option is not None:
        return "option"
    return "lst" if argument is None else "argument"


def no_conserve(conserve: Conserving) -> Conserving:
    """Combine ``--no-conserve`` with ``--conserve``.

    Raises:
        UsageError: If they contradict each other.
    """
    if conserve not in ("auto", "none"):
        raise UsageError(
            f"--conserve {conserve} and --no-conserve contradict each other; leave one out"
        )
    return "none"
