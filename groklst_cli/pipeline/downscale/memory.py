"""Compare the least memory that a run needs with the memory of the machine."""

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from groklst_cli.errors import DeviceError, GroklstError
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.grid import Grid
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.downscale.target import find_scale, target_of, under
from groklst_cli.pipeline.predict.choice import choose

_ROW: Final = 40
"""Least bytes per fine pixel of a row of tiles; 49 were measured for bicubic."""

_BAND: Final = 4
"""Bytes per fine pixel of a guidance band in a row of tiles."""

_COARSE: Final = 16
"""Bytes per pixel of a coarse row, which is read completely even with small --bounds."""

_RESERVE: Final = 64 * 2**20
"""Bytes that must remain free below a limit of address space, in addition to the rows: libraries
may crash if they reach it while writing. A tiny scene needed 49 to 53 MiB."""

_PROCESS: Final = 2**29
"""Bytes that a process needs in addition to its scene, including shared libraries."""

_TIMES: Final = 4
"""Factor on the least memory of a scene, for samples of its method and warped guides."""

_LOOKED_AT: Final = 32
"""Number of scenes whose memory is estimated."""

_IN_USE: Final = Path("/proc/self/statm")
"""Pages of address space in use, first (https://docs.kernel.org/filesystems/proc.html)."""

_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")
"""What a container may use (https://docs.kernel.org/admin-guide/cgroup-v2.html)."""


def check_memory(request: Request, inputs: Inputs, target: Grid | None = None) -> None:
    """Refuse a scene whose rows of tiles cannot be held, before any of it is read.

    Rows of tiles reach across the scene, so its width counts, and its height does not.

    Raises:
        DeviceError: If the machine has too little memory for what the LST claims to be.
    """
    height, width = inputs.coarse.shape
    down, across = _row_of_tiles(request, inputs, target)
    needed = across * down * (_ROW + _BAND * inputs.bands) + _COARSE * width
    machine = machine_memory()
    if machine is not None and needed > machine:
        raise DeviceError(
            f"{request.lst.path} is {height} × {width} pixels: a row of tiles of {down} × "
            f"{across} fine pixels needs at least {needed / 2**30:.3g} GiB of memory, "
            f"{machine / 2**30:.3g} GiB are available; use a smaller --tile, or a part of the "
            "scene with --bounds"
        )
    _check_address_space(needed)


def lanes_that_fit(requests: Collection[Request], most: int) -> int:
    """Return how many scenes fit into the machine's memory at a time, up to a limit."""
    machine = machine_memory()
    if machine is None:
        return most
    largest = max(map(_need_of, islice(requests, _LOOKED_AT)), default=0)
    return max(1, min(most, machine // (_PROCESS + _TIMES * largest)))


def _need_of(request: Request) -> int:
    """Return the least bytes that a scene's rows of tiles need; 0 if it is not known."""
    try:
        with gdal_environment(online=request.online):
            settled = replace(request, scale=find_scale(request).value)
            inputs = Inputs.of(settled)
            down, across = _row_of_tiles(settled, inputs, target_of(settled))
    except (GroklstError, OSError):
        return 0
    return across * down * (_ROW + _BAND * inputs.bands)


def _row_of_tiles(request: Request, inputs: Inputs, target: Grid | None) -> tuple[int, int]:
    """Return how many fine pixels a row of tiles is high and wide."""
    height, width = inputs.coarse.shape
    rows, columns = slice(0, height), slice(0, width)
    if request.bounds is not None:
        rows, columns = inputs.coarse.window_of(request.bounds)
    if target is not None:
        _, columns = under(inputs.coarse, target, request)
    names = tuple(map(str, range(inputs.bands)))
    tile = request.tile or choose(request.model, names, request.factor).tile
    across = (columns.stop - columns.start) * request.factor
    return min(tile, (rows.stop - rows.start) * request.factor), across


def _check_address_space(needed: int) -> None:
    """Refuse to start so close to a limit of address space that a library may crash.

    Raises:
        DeviceError: If too little is left.
    """
    left = address_space_left()
    if left is not None and left < needed + _RESERVE:
        raise DeviceError(
            f"the limit of address space (ulimit -v) leaves {left / 2**20:.0f} MiB of memory, at "
            f"least {(needed + _RESERVE) / 2**20:.0f} MiB are needed; raise it, or use a smaller "
            "--tile, --batch 1 and fewer --jobs"
        )


def address_space_left() -> int | None:
    """Return the bytes that this process may still allocate; None without a known limit."""
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        pages = int(_IN_USE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return max(0, limit - pages * resource.getpagesize())


def machine_memory() -> int | None:
    """Return the bytes of memory that this process may use; None if it is not known."""
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
    except (OSError, ValueError):  # not in a container, or "max"
        return
