"""Read real matrices from MAT files of version 5 or 7.3, told apart by their first bytes."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from groklst_cli.data.mat5 import LARGEST, DamageError, read_mat5
from groklst_cli.errors import InputError

if TYPE_CHECKING:
    import h5py

_DAMAGE: Final = (DamageError, OSError, RuntimeError, ValueError, TypeError, LookupError)
"""What h5py raises depends on which HDF5 function finds the damage."""


def read_mat(path: Path, fields: Sequence[str]) -> NDArray[np.float32]:
    """Read some fields of one size.

    Returns:
        ``(fields, rows, columns)``, NaN where a value is not finite.

    Raises:
        InputError: If the file cannot be read, lacks a field, or a field is not a real matrix.
    """
    import h5py  # most callers never need h5py

    try:
        if h5py.is_hdf5(path):
            found = _read_hdf5(path, fields)
        else:
            found = read_mat5(_content(path), fields)
    except _DAMAGE as error:
        raise InputError(
            f"{path} cannot be read as a MAT file: {error}; restore it from the dataset"
        ) from error
    planes = [_plane(path, name, found) for name in fields]
    sizes = {plane.shape for plane in planes}
    if len(sizes) > 1:
        raise InputError(
            f"{path} holds fields of several sizes, {sorted(sizes)}, expected one size"
        )
    stacked = np.stack(planes)
    stacked[~np.isfinite(stacked)] = np.nan
    return stacked


def _content(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise DamageError(f"it is larger than {LARGEST} bytes")
    return path.read_bytes()


def _read_hdf5(path: Path, fields: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read version 7.3, which is HDF5 with MATLAB's column-major axes, hence transposed."""
    import h5py

    with h5py.File(path, "r") as opened:
        held = {name: opened.get(name) for name in fields}
        return {name: _values(name, v) for name, v in held.items() if isinstance(v, h5py.Dataset)}


def _values(name: str, dataset: "h5py.Dataset") -> NDArray[Any]:
    """Read a dataset whose size and chunk size were checked; chunks are unpacked whole."""
    claims = [dataset.shape or (), dataset.chunks or ()]
    if max(prod(claim) for claim in claims) * dataset.dtype.itemsize > LARGEST:
        raise DamageError(f"field {name!r} has the size {claims[0]}, more than {LARGEST} bytes")
    values: NDArray[Any] = np.asarray(dataset[()]).T
    return values


def _plane(path: Path, name: str, found: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    if name not in found:
        raise InputError(f"{path} has no field {name!r}; restore the file from the dataset")
    array = found[name]
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise InputError(
            f"{path}: field {name!r} is {array.dtype} of shape {array.shape}, "
            "expected a matrix of real numbers; restore the file from the dataset"
        )
    with np.errstate(over="ignore"):  # values too large for float32 cannot be temperatures
        return array.astype(np.float32)
