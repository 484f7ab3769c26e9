"""Importing the GrokLST toolkit's ``.pth`` files: tensors by key, nothing executed.

The files are pickles, which are read as a description and never run: whatever they name beside
tensors (message hubs, schedulers) is passed over.
"""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from groklst_models.checkpoint import Checkpoint, Header
from groklst_models.errors import CheckpointError
from groklst_models.normalization import (
    GROKLST_BAND_NAMES,
    Normalization,
    groklst_normalization,
)
from groklst_models.pickled_tensors import Other, PickledTensor
from groklst_models.registry import find
from groklst_models.torch_archive import TorchArchive

_PREFIX: Final = re.compile(r"^(?:module\.)?(?:generator\.)?(?:module\.)?")
_REBUILT: Final = re.compile(r"torch\._(utils|tensor) _rebuild_\w+$")
_GROKLST_TILE: Final = 512


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the generator's tensors from a ``.pth`` file, its prefixes taken off.

    Raises:
        CheckpointError: If the file is no such checkpoint, a tensor of it is none that a network
            can be filled with, or two tensors get one name.
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
        contents = contents.get("state_dict", contents)
    if not isinstance(contents, Mapping):
        raise CheckpointError("it holds no mapping of names to tensors")
    named = {key: value for key, value in contents.items() if _is_tensor(value)}
    generated = {k: v for k, v in named.items() if isinstance(k, str) and "generator." in k}
    tensors: dict[str, PickledTensor] = {}
    for key, value in (generated or named).items():
        if not isinstance(key, str):
            raise CheckpointError("it names tensors by numbers, expected a state_dict with texts")
        if not isinstance(value, PickledTensor):
            raise CheckpointError(
                f"tensor {key!r} is sparse, quantized, without values or of another special kind, "
                "expected a plain one; save plain tensors of float32"
            )
        name = _PREFIX.sub("", key)
        if name in tensors:
            raise CheckpointError(f"it holds two tensors for {name!r}")
        tensors[name] = value
    if not tensors:
        raise CheckpointError("it holds no tensors; expected a state_dict")
    return tensors


def _is_tensor(value: Any) -> bool:
    """Tell whether something is a tensor, plain or as torch rebuilds those of special kinds."""
    if isinstance(value, Other):
        return bool(_REBUILT.match(value.name))
    return isinstance(value, PickledTensor)


def import_toolkit(
    path: Path,
    *,
    network: str,
    scale: int,
    bands: tuple[str, ...] = GROKLST_BAND_NAMES,
    arguments: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Turn a toolkit file into a checkpoint with the published normalization.

    Args:
        path: The ``.pth`` file.
        network: The method's key.
        scale: What the weights were trained for; the file does not say.
        bands: Names of the guidance channels, in order.
        arguments: Keywords of the network where they are not the published ones.

    Raises:
        CheckpointError: If the file cannot be read or its tensors are not the network's.
    """
    entry = find(network)
    if not entry.needs_weights:
        raise CheckpointError(f"{network} takes no weights, so there is nothing to import")
    statistics = groklst_normalization(scale, bands)
    if entry.shelf == "single":
        statistics = Normalization(statistics.lst_mean, statistics.lst_std)
    rename = getattr(import_module(entry.load().__module__), "from_toolkit_key", str)
    header = Header(
        network=network,
        scale=scale,
        normalization=statistics,
        arguments=dict(arguments or {}),
        tile=_GROKLST_TILE,
        training={"imported_from": path.name, "data": "GrokLST (as stated by the importer)"},
    )
    tensors = read_tensors(path)
    weights = {rename(name): tensor for name, tensor in tensors.items()}
    if len(weights) < len(tensors):
        raise CheckpointError(f"{path} holds two tensors that {network} knows by one name")
    checkpoint = Checkpoint(header, weights)
    try:
        checkpoint.check()
    except CheckpointError as error:
        raise CheckpointError(f"{path} is no such network: {error}") from error
    return checkpoint
