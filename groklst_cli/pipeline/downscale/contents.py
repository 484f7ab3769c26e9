"""A short hash of a file, to distinguish files of the same name and size."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from groklst_cli.errors import InputError

_BLOCK: Final = 2**16
_BLOCKS: Final = 256
"""Blocks of a larger file that are read: its first, its last, and others evenly between."""


@dataclass(frozen=True)
class Contents:
    """Size and hash of a file; name and times do not matter, so a copy equals its original.

    Attributes:
        size: Bytes.
        digest: SHA-256, shortened: of all bytes up to 16 MiB, else of 16 MiB spread over the file.
    """

    size: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            InputError: If it cannot be read.
        """
        try:
            with open(path, "rb") as file:
                size = file.seek(0, 2)
                return cls(size, _digest(file, size))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error

    def __str__(self) -> str:
        return f"{self.size} bytes with hash {self.digest}"

    def differs_from(self, other: "Contents") -> str | None:
        """Say how this file differs from another; None if it does not."""
        if self.size != other.size:
            return f"it has {self.size} bytes instead of {other.size}"
        if self.digest != other.digest:
            return f"its {self.size} bytes differ"
        return None


def _digest(file: BinaryIO, size: int) -> str:
    last = max(0, size - _BLOCK)
    blocks = min(_BLOCKS, -(-size // _BLOCK))
    found = hashlib.sha256()
    for number in range(blocks):
        file.seek(last * number // max(1, blocks - 1))
        found.update(file.read(_BLOCK))
    return found.hexdigest()[:16]
