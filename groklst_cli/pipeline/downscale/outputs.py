"""Check the outputs of a request, which must not overwrite other files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from groklst_cli.errors import UsageError
from groklst_cli.geo.companions import companions
from groklst_cli.geo.names import is_text
from groklst_cli.geo.targets import (
    check_target,
    refuse_left_behind,
    same_file,
    spare,
)
from groklst_cli.pipeline.downscale.request import Request

_OTHERS: Final = frozenset(
    (
        *(".asc", ".bil", ".bin", ".bmp", ".bsq", ".csv", ".dat", ".gif", ".gpkg", ".grd", ".grib"),
        *(".h5", ".hdf", ".img", ".jp2", ".jpeg", ".jpg", ".json", ".jxl", ".mat", ".nc", ".npy"),
        *(".pdf", ".png", ".safetensors", ".svg", ".txt", ".vrt", ".webp", ".zarr", ".zip"),
    )
)


def check_targets(request: Request) -> None:
    """Refuse outputs that cannot or must not be written, before anything is written.

    Raises:
        OutputExistsError: If one exists and may not be replaced.
        UsageError: If one cannot be a file, is an input or another output, or has the ending of
            another format.
    """
    spare(
        request.targets, map(Path, [*request.rasters, request.model])
    )  # before their folders are read
    replaceable = request.overwrite or request.resume or request.skip_existing
    for target in request.targets:
        if not is_text(str(target)):
            raise UsageError(f"{target} has a name that is not valid UTF-8; name another file")
        check_target(target, overwrite=replaceable, named=request.naming_of(target))
    for number, target in enumerate(request.targets):
        if any(same_file(target, other) for other in request.targets[:number]):
            raise UsageError(f"{target} is named for two outputs; give each its own name")
    for target in request.targets:
        if target != request.picture and target.suffix.lower() in _OTHERS:
            raise UsageError(
                f"{target} has the ending of another format, but results are GeoTIFFs; write "
                f"{target.with_suffix('.tif')}, and convert that file"
            )
    if request.picture is not None and request.picture.suffix.lower() != ".png":
        raise UsageError(
            f"--picture {request.picture} must name a PNG; give it a name that ends in .png"
        )
    for target in request.targets:
        by = request.naming_of(target)
        refuse_left_behind(target, overwrite=request.overwrite, named=by)


def spare_inputs(request: Request, files: Iterable[Path]) -> None:
    """Refuse to overwrite an input, or to delete one together with an output that is replaced.

    Raises:
        UsageError: If an output, or one of its companions, is an input.
    """
    beside = [other for target in request.targets for other in companions(target)]
    spare([*request.targets, *beside], files)
