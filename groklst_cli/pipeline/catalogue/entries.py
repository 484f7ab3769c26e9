"""What there is and what it means: methods, checkpoints, rasters."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import GroklstError, InputError, UsageError
from groklst_cli.geo.band_names import Unnamed, name_by_files
from groklst_cli.geo.companions import STATUS_TAG
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.geo.opening import BandSource, data_bands, grid_of, open_raster
from groklst_cli.geo.raster import LstSource
from groklst_cli.geo.targets import check_target, spare
from groklst_cli.pipeline.predict.listeners import Note, silent
from groklst_cli.pipeline.train.recipes import parse_set
from groklst_models.bands import derivable
from groklst_models.blueprint import shapes_of
from groklst_models.checkpoint import Header, load, save
from groklst_models.errors import ModelsError
from groklst_models.normalization import GROKLST_BAND_NAMES, groklst_normalization
from groklst_models.registry import EXTRA, REGISTRY, Entry, arguments_of, find
from groklst_models.regression.fusion_weights import FusionWeights
from groklst_models.toolkit import import_toolkit, published_form

SUFFIX: Final = ".safetensors"
_TAGS: Final = "GROKLST_"
_INSIDE: Final = (
    "where",
    "presets",
    "package",
    "weights",
)  # what of an entry says nothing to people
_MOST_TENSORS: Final = 100_000
"""More than any network has."""
_SCALE: Final = 8
"""That a network is described at."""


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
        return {**_method(name), **_published(name)}
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
    sets: Sequence[str] = (),
    accept_differences: bool = False,
    overwrite: bool = False,
    note: Note = silent,
) -> dict[str, Any]:
    """Turn a file of published code into a checkpoint.

    Args:
        toolkit: The file.
        output: The checkpoint.
        network: The method's key.
        scale: What the weights were trained for.
        bands: Names of the guidance channels; None for the GrokLST dataset's ten.
        sets: Texts ``arguments.NAME=VALUE`` for widths and depths that are not the published ones.
        accept_differences: Whether to take weights of a network that ours computes otherwise.
        overwrite: Whether to replace the output.
        note: Told what ours computes otherwise.

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
    arguments = _arguments(network, scale, names, sets)
    try:
        checkpoint = import_toolkit(
            toolkit,
            network=network,
            scale=scale,
            bands=names,
            arguments=arguments,
            accept_differences=accept_differences,
        )
        save(checkpoint, output)
    except ModelsError as error:
        raise InputError(str(error)) from error
    if told := checkpoint.header.training.get("differs"):
        note(f"{output} does not compute all as published: {told}")
    return checkpoint.header.to_json()


def _arguments(
    network: str, scale: int, bands: tuple[str, ...], sets: Sequence[str]
) -> dict[str, Any]:
    """Read what is set of a network.

    Raises:
        UsageError: If it takes no such argument, or refuses its value.
    """
    known = [name for name in arguments_of(network) if name not in ("scale", "guide_channels")]
    found: dict[str, Any] = {}
    for text in sets:
        key, value = parse_set(text)
        name = key.removeprefix("arguments.")
        if name not in known or name == key:
            choices = ", ".join(f"arguments.{one}" for one in known)
            raise UsageError(f"--set {key} is none of {choices}")
        found[name] = value
    header = Header(network, scale, groklst_normalization(scale, bands), arguments=found)
    try:
        if found:
            shapes_of(header.build_network, _MOST_TENSORS)
    except ModelsError as error:
        raise UsageError(f"{error}; mend --set arguments.NAME=VALUE") from error
    return found


def _method(name: str) -> dict[str, Any]:
    entry = find(name)
    facts = {key: value for key, value in asdict(entry).items() if key not in _INSIDE}
    needs = "weights" if entry.needs_weights else "the scene itself"
    if entry.weights is not None:
        needs += "; its weights are there"
    if entry.package is not None:
        needs += f", {EXTRA}"
    return {**facts, "needs": needs, "ready": "yes" if _is_ready(entry) else "no"}


def _is_ready(entry: Entry) -> bool:
    """Tell whether a method runs here by its name alone."""
    if entry.needs_weights and entry.weights is None:
        return False
    return entry.package is None or find_spec(entry.package) is not None


def _published(name: str) -> dict[str, str]:
    """Tell whose weights of a network can be imported, and what is to know about it."""
    if not find(name).needs_weights:
        return {}
    published = published_form(name, scale=_SCALE, guide_channels=len(GROKLST_BAND_NAMES))
    told = {"import": f"weights of {published.code}"}
    if published.differs:
        told["only_with"] = f"--accept-differences: {published.differs}"
    if published.note:
        told["note"] = published.note
    return told


def _checkpoint(path: Path) -> dict[str, Any]:
    if FusionWeights.are_in(path):
        return _fusion_weights(path)
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


def _fusion_weights(path: Path) -> dict[str, Any]:
    try:
        weights = FusionWeights.read(path)
    except ModelsError as error:
        raise InputError(str(error)) from error
    scenes = weights.facts.get("scenes", {})
    return {
        "file": str(path),
        "kind": "weights of fusion",
        "networks": len(weights.networks),
        **{key: value for key, value in weights.facts.items() if key != "scenes"},
        "scenes": list(scenes) if isinstance(scenes, dict) else scenes,
        "use": f"groklst downscale LST --guide FILE --model {path}",
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
        made = _made_by(dataset.tags())
    return {**facts, **made, **_as_lst(source)}


def _made_by(tags: Mapping[str, str]) -> dict[str, Any]:
    """Tell where a result of groklst comes from, by its tags; nothing of another raster."""
    own = {key: text for key, text in tags.items() if key.startswith(_TAGS) and text}
    if STATUS_TAG not in own:
        return {}
    return {"made": {key.removeprefix(_TAGS).lower(): _untied(text) for key, text in own.items()}}


def _untied(text: str) -> Any:
    """Read a tag that holds facts, or a list of them, in JSON; any other stays a text."""
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text
    is_list = isinstance(found, list) and found
    return found if all(map(_is_flat, found if is_list else [found])) else text


def _no_number(text: str) -> None:
    raise ValueError(text)


def _is_flat(found: object) -> bool:
    """Tell whether something is plain facts by name, as a result's tags hold them."""
    if not isinstance(found, dict):
        return False
    values = [
        v for value in found.values() for v in (value if isinstance(value, list) else [value])
    ]
    return all(isinstance(value, str | int | float) for value in values)


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
