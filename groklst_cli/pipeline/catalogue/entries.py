"""What there is and what it means: methods, checkpoints, rasters."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import GroklstError, InputError, UsageError
from groklst_cli.geo.band_names import Unnamed, name_by_files
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import BandSource, data_bands, grid_of, open_raster
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.targets import check_target, spare
from groklst_models.bands import derivable
from groklst_models.checkpoint import Header, load, save
from groklst_models.errors import ModelsError
from groklst_models.normalization import GROKLST_BAND_NAMES, groklst_normalization
from groklst_models.registry import EXTRA, REGISTRY, find
from groklst_models.toolkit import import_toolkit

SUFFIX: Final = ".safetensors"
_INSIDE: Final = ("where", "presets", "package")  # what of an entry says nothing to people


def list_methods() -> list[dict[str, Any]]:
    """List every method of the registry."""
    return [_method(name) for name in REGISTRY]


def describe(name: str) -> dict[str, Any]:
    """Describe a method by its key, or a checkpoint by its path.

    Raises:
        UsageError: If it is neither.
        InputError: If the file is no checkpoint.
    """
    if name in REGISTRY:
        return _method(name)
    if not os.path.isfile(name):
        raise UsageError(f"{name} is neither a method ({', '.join(REGISTRY)}) nor a file")
    return _checkpoint(Path(name))


def explain(text: str) -> dict[str, Any]:
    """Explain a checkpoint or a raster, and what ``downscale`` would do with it.

    Raises:
        InputError: If it is neither.
    """
    if text.endswith(SUFFIX):
        return _checkpoint(Path(text))
    with gdal_environment():
        return _raster(BandSource.parse(text))


def import_checkpoint(
    toolkit: Path,
    output: Path,
    *,
    network: str,
    scale: int,
    bands: tuple[str, ...] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Turn a toolkit's file into a checkpoint.

    Raises:
        GroklstError: If the output exists, or the file is not what it is said to be.
    """
    spare([output], [toolkit])
    check_target(output, overwrite=overwrite)
    if output.suffix != SUFFIX:
        raise UsageError(f"{output} is to be a checkpoint; let its name end in {SUFFIX}")
    trained = [name for name in REGISTRY if find(name).needs_weights]
    if network not in trained:
        raise UsageError(f"--model {network} is none of {', '.join(trained)}")
    if not toolkit.is_file():
        raise InputError(f"there is no file {toolkit}")
    names = bands or GROKLST_BAND_NAMES
    try:
        groklst_normalization(scale, names)
    except ModelsError as error:
        raise UsageError(f"{error}; mend --scale or --bands") from error
    try:
        checkpoint = import_toolkit(toolkit, network=network, scale=scale, bands=names)
        save(checkpoint, output)
    except ModelsError as error:
        raise InputError(str(error)) from error
    return checkpoint.header.to_json()


def _method(name: str) -> dict[str, Any]:
    entry = find(name)
    facts = {key: value for key, value in asdict(entry).items() if key not in _INSIDE}
    needs = "weights" if entry.needs_weights else "the scene itself"
    if entry.package is not None:
        needs += f", {EXTRA}"
    return {**facts, "needs": needs}


def _checkpoint(path: Path) -> dict[str, Any]:
    header = read_checked(path)
    bands = header.normalization.band_names
    given = [name for name in bands if name not in derivable([b for b in bands if b != name])]
    guides = " ".join(f"--guide {name}=FILE" for name in given)
    return {
        "file": str(path),
        "kind": "checkpoint",
        **header.to_json(),
        "use": f"groklst downscale LST {guides} --scale {header.scale} --model {path}",
    }


def read_checked(path: Path) -> Header:
    """Read a checkpoint and all that a run would meet in it; return what it says.

    Raises:
        InputError: If it cannot be used.
    """
    try:
        checkpoint = load(path)
    except ModelsError as error:
        raise InputError(str(error)) from error
    try:
        checkpoint.check_shapes()
    except ModelsError as error:
        raise InputError(f"{path}: {error}") from error
    return checkpoint.header


def _raster(source: BandSource) -> dict[str, Any]:
    with open_raster(source.path) as dataset:
        grid, bands = grid_of(dataset), data_bands(dataset)
        called = name_by_files([Unnamed(source.path, b, len(bands) == 1) for b in bands])
        names = dict(zip(bands, called, strict=True))
        facts: dict[str, Any] = {
            "file": source.path,
            "kind": "raster",
            "driver": dataset.driver,
            "height": grid.height,
            "width": grid.width,
            "crs": grid.crs.to_string(),
            "pixel_size": list(grid.pixel_size),
            "bounds": list(grid.bounds),
            "bands": [
                {
                    "band": b,
                    "name": dataset.descriptions[b - 1] or names[b],
                    "type": dataset.dtypes[b - 1],
                    "nodata": _plain(dataset.nodatavals[b - 1]),
                    "scale": dataset.scales[b - 1],
                    "offset": dataset.offsets[b - 1],
                }
                for b in bands
            ],
        }
    return {**facts, **_as_lst(source)}


def _as_lst(source: BandSource) -> dict[str, Any]:
    """Say what the raster would be if it were the LST."""
    try:
        lst = LstSource(source)
    except GroklstError as error:
        return {"as_lst": f"no: {error}"}
    lst.close()
    fine = lst.grid.refine(8)
    return {
        "as_lst": f"yes: {lst.valid} valid pixels in {lst.units} (known from its {lst.units_from})",
        "downscaled_by_8": f"{fine.height} × {fine.width} pixels of {fine.pixel_size[0]:g}",
    }


def _plain(value: float | None) -> float | str | None:
    return "nan" if value is not None and value != value else value
