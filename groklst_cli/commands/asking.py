"""From what is typed to a request: which files are what, and what an output is called.

A single scene needs no more; ``many_scenes`` goes on from here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import UsageError
from groklst_cli.geo.band_source import BandSource
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.target import find_scale

Ask = Callable[..., Request]
"""Makes a request of what differs from scene to scene; the rest is settled."""

_UNTOLD: Final = "_fine"
"""Ends an output's name until the scale is known that ends it then."""


def tell_apart(
    files: Sequence[str], output: Path | None, out_dir: Path | None, batch_file: Path | None
) -> tuple[Sequence[str], Path | None]:
    """Tell which of the files named are LSTs, and which, if any, is the output.

    Raises:
        UsageError: If that cannot be told, or the options contradict each other.
    """
    many = "--out-dir" if out_dir is not None else "--batch-file"
    if (out_dir is not None or batch_file is not None) and output is not None:
        raise UsageError(
            f"--output {output} names one output file, but {many} is for many scenes; leave "
            "one of them out"
        )
    if out_dir is not None and not out_dir.is_dir():
        raise UsageError(f"--out-dir {out_dir} is not a folder; create it first")
    if batch_file is not None and files:
        raise UsageError(
            f"{files[0]} cannot be used together with --batch-file; add it to {batch_file}"
        )
    if batch_file is None and not files:
        raise UsageError("no LST was given; type groklst downscale LST, or --batch-file FILE")
    if out_dir is not None or batch_file is not None:
        return files, None
    if len(files) > 2:
        raise UsageError(
            f"{len(files)} files were given, expected two at most, LST and OUTPUT; write -g "
            "before each guide, as in -g red.tif -g nir.tif, or give a folder of guides, as in "
            "-g DIR; to downscale all of these files, add --out-dir DIR"
        )
    return files[:1], Path(files[1]) if len(files) == 2 else None


def ask_for(
    ask: Ask,
    output: Path | None,
    folder_of: Callable[[BandSource], Path],
    name: str | None = None,
    **changes: Any,
) -> Request:
    """Ask for one scene; an output that is not named is called after it and the scale.

    Args:
        ask: Makes the request.
        output: Where it is named.
        folder_of: Tells where else.
        name: What it is called after; None for the LST's file.
        **changes: What is said of the request.

    Raises:
        GroklstError: If the scale is needed for that and cannot be told.
    """
    if output is not None:
        return ask(output=output, **changes)
    stem = name or Path(changes["lst"].path).stem
    request = ask(output=untold_output(changes["lst"], folder_of, stem), **changes)
    with gdal_environment(online=request.online):
        found = find_scale(request)
    named = f"x{found.value}"
    if request.has_target:
        named = "like" if request.resolution is None else f"{request.resolution:g}"
    return replace(request, output=request.output.with_name(f"{stem}_{named}.tif"))


def untold_output(lst: BandSource, folder_of: Callable[[BandSource], Path], stem: str) -> Path:
    """Name an output that is called by its scale once that is known."""
    return folder_of(lst) / f"{stem}{_UNTOLD}.tif"
