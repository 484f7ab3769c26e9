"""What a run needs of memory at least, against what the machine has."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from groklst_cli.errors import DeviceError
from groklst_cli.pipeline.inputs import Inputs
from groklst_cli.pipeline.methods import choose
from groklst_cli.pipeline.request import Request

_ROW: Final = 40
"""Bytes a fine pixel of a row of tiles, the least; 49 were measured for bicubic."""

_BAND: Final = 4
"""Bytes a fine pixel of a guidance band in a row of tiles."""

_COARSE: Final = 16
"""Bytes a pixel of a coarse row, which is read whole even where --bounds takes little of it."""

_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
"""What a container may use (https://docs.kernel.org/admin-guide/cgroup-v2.html)."""


def check_memory(request: Request, inputs: Inputs) -> None:
    """Refuse a scene whose rows of tiles cannot be held, before any of it is read.

    Rows of tiles reach across the scene, so its width counts, and its height does not.

    Raises:
        DeviceError: If the machine has too little memory for what the LST claims to be.
    """
    height, width = inputs.coarse.shape
    rows, columns = slice(0, height), slice(0, width)
    if request.bounds is not None:
        rows, columns = inputs.coarse.window_of(request.bounds)
    names = tuple(map(str, range(inputs.bands)))
    tile = request.tile or choose(request.model, names, request.scale).tile
    across = (columns.stop - columns.start) * request.scale
    down = min(tile, (rows.stop - rows.start) * request.scale)
    needed = across * down * (_ROW + _BAND * inputs.bands) + _COARSE * width
    machine = machine_memory()
    if machine is not None and needed > machine:
        raise DeviceError(
            f"{request.lst.path} is {height} × {width} pixels: a row of tiles of {down} × {across} "
            f"fine pixels needs at least {needed / 2**30:.3g} GiB of memory, {machine / 2**30:.3g} "
            "GiB are here; take a smaller --tile, or a part of the scene with --bounds"
        )


def machine_memory() -> int | None:
    """Return the bytes of memory that this process may have; None where that is not known."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    if hasattr(os, "sysconf"):
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        import resource
    except ImportError:  # Windows has none
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit
    try:
        yield int(_CGROUP.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or "max"
        return
