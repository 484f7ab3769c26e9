"""Importing the GrokLST toolkit's ``.pth`` files: tensors by key, nothing executed.

The files are pickles. They are read by torch's ``weights_only`` reader; whatever classes a file
names beside tensors (message hubs, schedulers) are replaced by an inert stand-in that ignores its
arguments, so that neither they nor any code in the file run.
"""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from torch import Tensor

from groklst_models.checkpoint import Checkpoint, Header
from groklst_models.errors import CheckpointError
from groklst_models.normalization import (
    GROKLST_BAND_NAMES,
    Normalization,
    groklst_normalization,
)
from groklst_models.registry import find

_PREFIX: Final = re.compile(r"^(?:module\.)?(?:generator\.)?(?:module\.)?")
_GROKLST_TILE: Final = 512


class _Inert:
    """Stands in for any class that a file names, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the generator's tensors from a ``.pth`` file, its prefixes taken off.

    Raises:
        CheckpointError: If the file is no such checkpoint or two tensors get one name.
    """
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        inert: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
            (_Inert, name) for name in unknown
        ]
        with torch.serialization.safe_globals(inert):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {reason}") from error
    if isinstance(loaded, Mapping):
        loaded = loaded.get("state_dict", loaded)
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} holds no mapping of names to tensors")
    tensors: dict[str, Tensor] = {}
    keys = [key for key, value in loaded.items() if isinstance(value, Tensor)]
    generated = [key for key in keys if "generator." in key]
    for key in generated or keys:
        name = _PREFIX.sub("", key)
        if name in tensors:
            raise CheckpointError(f"{path} holds two tensors for {name}")
        tensors[name] = loaded[key]
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    return tensors


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
    weights = {rename(name): tensor for name, tensor in read_tensors(path).items()}
    checkpoint = Checkpoint(header, weights)
    checkpoint.load_network()  # refuses what does not fit
    return checkpoint
