"""Importing the GrokLST toolkit's ``.pth`` files: tensors by key, nothing executed.

The files are pickles. They are read by torch's ``weights_only`` reader; whatever classes a file
names beside tensors (message hubs, schedulers) are replaced by an inert stand-in that ignores its
arguments, so that neither they nor any code in the file run.
"""

import re
import struct
import zipfile
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
DAMAGE: Final = (
    UnpicklingError, struct.error, ArithmeticError, AssertionError, AttributeError, EOFError,
    LookupError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What torch raises of a damaged pickle: a pickle is a program, and any step of it may fail."""


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
    _check_archive(path)
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        inert: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
            (_Inert, name) for name in unknown
        ]
        with torch.serialization.safe_globals(inert):
            # Mapped, a tensor that claims more than the file holds is refused, not read beyond it.
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except DAMAGE as error:
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


def _check_archive(path: Path) -> None:
    """Refuse what is no plain zip archive, before anything of it is unpacked.

    Torch has written such archives, without compression, since version 1.6.

    Raises:
        CheckpointError: If it is none, or a member claims more than the file holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is {error}, expected an archive of torch "
            "1.6 or newer; save it anew with torch.save"
        ) from error
    packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
    claimed = sum(member.file_size for member in members)
    if packed or claimed > path.stat().st_size:
        what = f"{packed[0]!r} is compressed" if packed else f"it claims {claimed} bytes"
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: {what}, expected members stored as they are; "
            "save it anew with torch.save"
        )


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
    try:
        checkpoint.load_network()
    except CheckpointError as error:
        raise CheckpointError(f"{path} is no such network: {error}") from error
    return checkpoint
