"""Reading tensors from the archives that ``torch.save`` writes, no further than the file reaches.

Such an archive is a zip file whose members are stored as they are: a pickle that describes tensors,
and a member for the bytes of each storage. Torch has written them since version 1.6.
"""

import math
import sys
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from groklst_models.errors import CheckpointError
from groklst_models.pickled_tensors import Description, PickledTensor, read_pickle

_TYPES: Final = {
    **dict.fromkeys(("Double", "float64"), torch.float64),
    **dict.fromkeys(("Float", "float32"), torch.float32),
    **dict.fromkeys(("Half", "float16"), torch.float16),
    **dict.fromkeys(("BFloat16", "bfloat16"), torch.bfloat16),
    **dict.fromkeys(("Long", "int64"), torch.int64),
    **dict.fromkeys(("Int", "int32"), torch.int32),
    **dict.fromkeys(("Short", "int16"), torch.int16),
    **dict.fromkeys(("Char", "int8"), torch.int8),
    **dict.fromkeys(("Byte", "uint8"), torch.uint8),
    **dict.fromkeys(("Bool", "bool"), torch.bool),
}
"""Types of elements by the names of torch's storages and of its types."""

_OF_TENSORS: Final = frozenset(
    (
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
    )
)
_PICKLE: Final = "/data.pkl"


class TorchArchive:
    """An archive, open; a storage is read once, when the first tensor in it is asked for."""

    def __init__(self, path: Path) -> None:
        """Open it and look at what its members claim.

        Raises:
            CheckpointError: If it is not such an archive, or a member claims more than the file
                holds.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"it is {error}, expected an archive of torch 1.6 or newer; {_ANEW}"
            ) from error
        try:
            self._root = self._check(path.stat().st_size)
        except BaseException:
            self._archive.close()
            raise
        self._storages: dict[str, Tensor] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def contents(self) -> Any:
        """Return what the pickle describes; see ``pickled_tensors.Description``.

        Raises:
            CheckpointError: If it is damaged.
        """
        return self._read().contents

    def check(self) -> None:
        """Refuse an archive that ``torch.load`` could be led astray by.

        Raises:
            CheckpointError: If it could call something beside what tensors and mappings are made
                by, or a tensor reaches beyond its storage.
        """
        told = self._read()
        for name in sorted(told.calls - _OF_TENSORS):
            raise CheckpointError(f"it calls {name!r}, which a checkpoint does not need")
        for tensor in told.tensors:
            held = self._archive.NameToInfo.get(f"{self._root}/data/{tensor.storage.key}")
            kind = _TYPES.get(tensor.dtype)
            if held is None or kind is None or not _fits(tensor, held.file_size // kind.itemsize):
                raise CheckpointError(f"a tensor reaches beyond its storage; {_COPY}")

    def tensor(self, name: str, told: PickledTensor) -> Tensor:
        """Read a tensor.

        Args:
            name: What to call it in a message.
            told: What the pickle says about it.

        Raises:
            CheckpointError: If it is of a type that no weights have, or reaches beyond its storage.
        """
        kind = _TYPES.get(told.dtype)
        if kind is None:
            raise CheckpointError(
                f"tensor {name!r} is of type {told.dtype}, expected float32 or another real type; "
                "convert it with .float() and save it again"
            )
        data = self._storage(told.storage.key)
        held = data.numel() // kind.itemsize
        if not _fits(told, held):
            raise CheckpointError(
                f"tensor {name!r} reaches beyond its storage of {held} elements; {_COPY}"
            )
        values = data[: held * kind.itemsize].view(kind)
        if self._is_swapped:
            values = _swapped(values)
        return values.as_strided(told.shape, told.strides, told.offset)

    def _read(self) -> Description:
        try:
            with self._archive.open(self._root + _PICKLE) as file:
                return read_pickle(file)
        except _DAMAGE as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"its pickle is damaged: {error}; {_COPY}") from error

    def _storage(self, key: str) -> Tensor:
        if key not in self._storages:
            try:
                data = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            except _DAMAGE as error:
                raise CheckpointError(
                    f"its storage {key!r} is damaged: {error}; {_COPY}"
                ) from error
            self._storages[key] = (
                torch.frombuffer(data, dtype=torch.uint8)
                if data
                else torch.empty(0, dtype=torch.uint8)
            )
        return self._storages[key]

    @property
    def _is_swapped(self) -> bool:
        """Whether it was written on a machine with the other byte order."""
        name = f"{self._root}/byteorder"
        if name not in self._archive.NameToInfo:
            return False
        return self._archive.read(name).decode("ascii", "replace") != sys.byteorder

    def _check(self, size: int) -> str:
        """Check the sizes of the members; return the folder that contains all of them."""
        members = self._archive.infolist()
        packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
        claimed = sum(member.file_size for member in members)
        if packed or claimed > size:
            what = f"{packed[0]!r} is compressed" if packed else f"it has {claimed} bytes when read"
            raise CheckpointError(f"{what}, expected uncompressed members; {_ANEW}")
        roots = [m.filename.removesuffix(_PICKLE) for m in members if m.filename.endswith(_PICKLE)]
        if len(roots) != 1:
            raise CheckpointError(f"it has {len(roots)} files data.pkl, expected one; {_ANEW}")
        return roots[0]


_ANEW: Final = "save it again with torch.save"
_COPY: Final = "copy or download it again"
_DAMAGE: Final = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, KeyError)


def _fits(told: PickledTensor, held: int) -> bool:
    """Return whether a tensor fits a storage of ``held`` elements and uses none of them twice."""
    places = (told.offset, *told.shape, *told.strides)
    if not all(type(place) is int and 0 <= place <= 2**48 for place in places):
        return False
    if len(told.shape) != len(told.strides) or len(told.shape) > 16:
        return False
    if 0 in told.shape:
        return bool(told.offset <= held)
    steps = zip(told.shape, told.strides, strict=True)
    last: int = told.offset + sum((size - 1) * stride for size, stride in steps)
    return last < held and math.prod(told.shape) <= held


def _swapped(values: Tensor) -> Tensor:
    plain = values.contiguous().view(torch.uint8).numpy()
    turned = plain.reshape(-1, values.element_size())[:, ::-1]
    return torch.from_numpy(np.ascontiguousarray(turned).reshape(-1)).view(values.dtype)
