"""Where a request writes, and what must not be written over."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from groklst_cli.errors import UsageError
from groklst_cli.geo.writer import check_target
from groklst_cli.pipeline.request import Request

_OTHERS: Final = frozenset(
    (
        *(".asc", ".bil", ".bin", ".bmp", ".bsq", ".csv", ".dat", ".gif", ".gpkg", ".grd", ".grib"),
        *(".h5", ".hdf", ".img", ".jp2", ".jpeg", ".jpg", ".json", ".jxl", ".mat", ".nc", ".npy"),
        *(".pdf", ".png", ".safetensors", ".svg", ".txt", ".vrt", ".webp", ".zarr", ".zip"),
    )
)


def check_targets(request: Request) -> None:
    """Refuse files that cannot or may not be written, before anything is.

    Raises:
        OutputExistsError: If one exists and may not be replaced.
        UsageError: If one can be no file here, is an input or another output, or its name says
            that it is of another format.
    """
    named = [request.lst.path, *(guide.path for guide in request.guides), request.model]
    spare(request.targets, map(Path, named))
    replaceable = request.overwrite or request.resume or request.skip_existing
    for target in request.targets:
        check_target(target, overwrite=replaceable)
    for number, target in enumerate(request.targets):
        if any(_same(target, other) for other in request.targets[:number]):
            raise UsageError(f"{target} is named for two outputs; give each its own name")
    for target in request.targets:
        if target != request.picture and target.suffix.lower() in _OTHERS:
            raise UsageError(
                f"{target} is named like another format, results are GeoTIFFs; "
                f"write {target.with_suffix('.tif')}, and convert that one"
            )
    if request.picture is not None and request.picture.suffix.lower() != ".png":
        raise UsageError(f"--picture {request.picture} is drawn as a PNG; let its name end in .png")


def spare(targets: Iterable[Path], files: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, by whatever name.

    Raises:
        UsageError: If a target is one of the files.
    """
    read = list(files)
    for target in targets:
        for path in read:
            if _same(target, path):
                raise UsageError(
                    f"{target} is an input too ({path}), which stays as it is; name another file"
                )


def _same(one: Path, other: Path) -> bool:
    """Tell whether two names are one file: through links, or by case where that does not count."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # at least one of them is not there
        return False if "\0" in f"{one}{other}" else _real(one) == _real(other)


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
