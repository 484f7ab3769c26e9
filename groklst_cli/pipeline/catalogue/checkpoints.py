"""Describe checkpoints, and make them from published weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.targets import check_target, spare
from groklst_cli.pipeline.catalogue.entries import SUFFIX
from groklst_cli.pipeline.predict.listeners import Note, silent
from groklst_cli.pipeline.train.recipes import parse_set
from groklst_models.blueprint import shapes_of
from groklst_models.checkpoint import load, save
from groklst_models.errors import ModelsError
from groklst_models.header import Header
from groklst_models.indices import derivable
from groklst_models.normalization import GROKLST_BAND_NAMES, groklst_normalization
from groklst_models.registry import REGISTRY, arguments_of, find
from groklst_models.regression.fusion_weights import FusionWeights
from groklst_models.toolkit import import_toolkit

_MOST_TENSORS: Final = 100_000
"""More parameters than any network has."""


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """Describe a checkpoint after checking all of it.

    Raises:
        InputError: If it cannot be used.
    """
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
    """Read and check a checkpoint as a run would; return its header.

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
    """Convert a file of published code into a checkpoint.

    Args:
        toolkit: The file.
        output: The checkpoint.
        network: The method's key.
        scale: What the weights were trained for.
        bands: Names of the guidance channels; None for the GrokLST dataset's ten.
        sets: Texts ``arguments.NAME=VALUE`` for widths and depths that are not the published ones.
        accept_differences: Whether to import weights of a network that groklst computes
            differently.
        overwrite: Whether to replace the output.
        note: Called with what groklst computes differently.

    Raises:
        GroklstError: If the output exists, or the file does not hold this network.
    """
    spare([output], [toolkit])
    check_target(output, overwrite=overwrite)
    if output.suffix != SUFFIX:
        raise UsageError(f"{output} must name a checkpoint; give it a name that ends in {SUFFIX}")
    trained = [name for name in REGISTRY if find(name).needs_weights]
    if network not in trained:
        raise UsageError(f"--model {network} is not one of {', '.join(trained)}")
    if not toolkit.is_file():
        raise InputError(f"there is no file {toolkit}; check the path")
    names = bands or GROKLST_BAND_NAMES
    try:
        groklst_normalization(scale, names)
    except ModelsError as error:
        raise UsageError(f"{error}; correct --scale or --bands") from error
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
        note(f"{output} will not compute exactly as published: {told}")
    return checkpoint.header.to_json()


def _arguments(
    network: str, scale: int, bands: tuple[str, ...], sets: Sequence[str]
) -> dict[str, Any]:
    """Read the arguments of a network.

    Raises:
        UsageError: If it has no such argument, or the value is not valid.
    """
    known = [name for name in arguments_of(network) if name not in ("scale", "guide_channels")]
    found: dict[str, Any] = {}
    for text in sets:
        key, value = parse_set(text)
        name = key.removeprefix("arguments.")
        if name not in known or name == key:
            choices = ", ".join(f"arguments.{one}" for one in known)
            raise UsageError(f"--set {key} is not one of {choices}")
        found[name] = value
    header = Header(network, scale, groklst_normalization(scale, bands), arguments=found)
    try:
        if found:
            shapes_of(header.build_network, _MOST_TENSORS)
    except ModelsError as error:
        raise UsageError(f"{error}; correct --set arguments.NAME=VALUE") from error
    return found


def describe_fusion(path: Path) -> dict[str, Any]:
    """Describe a file of weights for ``fusion``.

    Raises:
        InputError: If it is damaged.
    """
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
