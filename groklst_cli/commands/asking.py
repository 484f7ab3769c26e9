"""From the command line to a request: which file is the LST, which the output, and its name.

A single scene needs no more; ``many_scenes`` builds on this.
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
"""Makes a request from what differs between scenes; everything else is fixed."""

_UNTOLD: Final = "_fine"
"""Stands at the end of an output's name until the scale is known."""


def tell_apart(
    files: Sequence[str], output: Path | None, out_dir: Path | None, batch_file: Path | None
) -> tuple[Sequence[str], Path | None]:
    """Return which of the named files are LSTs, and which one, if any, is the output.

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
    """Request one scene; an output without a name is named after the scene and the scale.

    Args:
        ask: Makes the request.
        output: The output, or None.
        folder_of: Returns the folder of an output that has no name.
        name: What the output is named after; None for the LST's file.
        **changes: Fields of the request.

    Raises:
        GroklstError: If the scale is needed for the name and cannot be found.
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
    """Return a provisional name for an output whose scale is not known yet."""
    return folder_of(lst) / f"{stem}{_UNTOLD}.tif"
