"""Importing ``.pth`` files of weights that published code trained: the GrokLST toolkit's, authors'.

The files are pickles, which are read as a description and never run: whatever they name beside
tensors (message hubs, schedulers) is passed over. Tensors become ours by the tables of
``published``.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from groklst_models.blueprint import shapes_of
from groklst_models.checkpoint import Checkpoint, Header
from groklst_models.errors import CheckpointError
from groklst_models.normalization import (
    GROKLST_BAND_NAMES,
    Normalization,
    groklst_normalization,
)
from groklst_models.pickled_tensors import Other, PickledTensor
from groklst_models.published.table import Published
from groklst_models.registry import find
from groklst_models.torch_archive import TorchArchive

_PREFIX: Final = re.compile(r"^(?:module\.)?(?:generator\.)?(?:module\.)?")
_REBUILT: Final = re.compile(r"torch\._(utils|tensor) _rebuild_\w+$")
_WRAPPINGS: Final = ("state_dict", "params_ema", "params")
"""What files keep the tensors under: the toolkit, and BasicSR, whose averaged weights go first."""
_GROKLST_TILE: Final = 512


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the generator's tensors from a ``.pth`` file, its prefixes taken off.

    Raises:
        CheckpointError: If the file is not such a checkpoint, a tensor of it is not one that a
            network can be filled with, or two tensors get one name.
    """
    try:
        with TorchArchive(path) as archive:
            told = _generated(archive.contents())
            return {name: archive.tensor(name, tensor) for name, tensor in told.items()}
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error}") from error


def _generated(contents: Any) -> dict[str, PickledTensor]:
    """Pick the generator's tensors out of what a file holds, by their names without prefixes."""
    if isinstance(contents, Mapping):
        held = [contents[name] for name in _WRAPPINGS if name in contents]
        contents = held[0] if held else contents
    if not isinstance(contents, Mapping):
        raise CheckpointError("it does not contain a mapping of names to tensors")
    named = {key: value for key, value in contents.items() if _is_tensor(value)}
    generated = {k: v for k, v in named.items() if isinstance(k, str) and "generator." in k}
    tensors: dict[str, PickledTensor] = {}
    for key, value in (generated or named).items():
        if not isinstance(key, str):
            raise CheckpointError("its keys are numbers, expected a state_dict with names")
        if not isinstance(value, PickledTensor):
            raise CheckpointError(
                f"tensor {key!r} is sparse, quantized, without values or otherwise special, "
                "expected a plain tensor; save plain float32 tensors"
            )
        name = _PREFIX.sub("", key)
        if name in tensors:
            raise CheckpointError(f"it has two tensors for {name!r}")
        tensors[name] = value
    if not tensors:
        raise CheckpointError("it has no tensors, expected a state_dict")
    return tensors


def _is_tensor(value: Any) -> bool:
    """Tell whether something is a tensor, plain or as torch rebuilds those of special kinds."""
    if isinstance(value, Other):
        return bool(_REBUILT.match(value.name))
    return isinstance(value, PickledTensor)


def published_form(network: str, **arguments: Any) -> Published:
    """Tell what a network is called in the code that published it.

    Args:
        network: The method's key.
        **arguments: Keywords of its constructor; what is left out has the paper's value.

    Raises:
        UnknownMethodError: If there is no such method.
        CheckpointError: If the keys are not known for these arguments.
    """
    entry = find(network)
    module = entry.where.partition(":")[0].rpartition(".")[2]
    parameters = inspect.signature(entry.load()).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    table = import_module(f"groklst_models.published.{module}")
    found: Published = table.published(**{**defaults, **entry.presets, **arguments})
    return found


def import_toolkit(
    path: Path,
    *,
    network: str,
    scale: int,
    bands: tuple[str, ...] = GROKLST_BAND_NAMES,
    arguments: Mapping[str, Any] | None = None,
    accept_differences: bool = False,
) -> Checkpoint:
    """Turn a file of published code into a checkpoint with the published normalization.

    Args:
        path: The ``.pth`` file.
        network: The method's key.
        scale: What the weights were trained for; the file does not say.
        bands: Names of the guidance channels, in order.
        arguments: Keywords of the network where they are not the published ones.
        accept_differences: Whether to import weights of a network that ours computes otherwise.

    Raises:
        CheckpointError: If the file cannot be read, its tensors are not the published network's,
            or ours computes something else with them and that is not accepted.
    """
    entry = find(network)
    if not entry.needs_weights:
        raise CheckpointError(f"{network} takes no weights, so there is nothing to import")
    statistics, guided = groklst_normalization(scale, bands), {"guide_channels": len(bands)}
    if entry.shelf == "single":
        statistics, guided = Normalization(statistics.lst_mean, statistics.lst_std), {}
    header = Header(
        network=network,
        scale=scale,
        normalization=statistics,
        arguments=dict(arguments or {}),
        tile=_GROKLST_TILE,
    )
    tensors = read_tensors(path)
    try:
        shapes = shapes_of(header.build_network, len(tensors))
    except CheckpointError as error:
        raise CheckpointError(f"{path} is not this network: {error}") from error
    published = published_form(network, **header.arguments, scale=scale, **guided)
    if published.differs and not accept_differences:
        raise CheckpointError(
            f"{path} would not compute as published with {network}: {published.differs}; add "
            "--accept-differences to import it anyway"
        )
    told = published.differs or published.note
    training = {
        "imported_from": path.name,
        "code": published.code,
        "data": "GrokLST (as stated by the importer)",
        **({"differs": told} if told else {}),
    }
    try:
        weights = published.weights(tensors, shapes)
        checkpoint = Checkpoint(replace(header, training=training), weights)
        checkpoint.check()
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} does not contain {network} as published in {published.code}: {error}"
        ) from error
    return checkpoint
