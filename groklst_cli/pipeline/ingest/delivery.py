"""A delivery: the files of a folder or an archive by name, or a file with its neighbours.

An archive is read without unpacking it. The names of its members are never used as paths on the
disk.
"""

import os
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Self

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.names import is_text

_MOST_FILES: Final = 20_000
_DEEPEST: Final = 8  # folders in folders
_LARGEST_TEXT: Final = 16 * 2**20  # bytes of a metadata file
_LARGEST_ARCHIVE: Final = 2**36  # bytes unpacked; the largest product of these sensors has 2**33
_URL: Final = re.compile(r"\w{2,}:/")
_TAR: Final = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)
_ZIP: Final = re.compile(r"\.(zip|safe\.zip)$", re.IGNORECASE)


@dataclass(frozen=True)
class Delivery:
    """Files as they were delivered.

    Attributes:
        path: The folder, archive or file that was named.
        files: What GDAL opens, by the name below the folder or in the archive.
        only: The name of the one file that was named; None for all.
    """

    path: Path
    files: Mapping[str, str]
    only: str | None = None

    @classmethod
    def find(cls, path: Path) -> Self:
        """Look into a folder or an archive, or around a file.

        Raises:
            UsageError: If it is on the network.
            InputError: If it does not exist, is not an archive although its ending says so, or is
                too large.
        """
        if _URL.match(str(path)) or str(path).startswith("/vsi"):
            raise UsageError(f"{path} is not a local file; download the product, and name the file")
        if not is_text(str(path)) or not path.exists():
            raise InputError(
                f"{path} does not exist; name the folder, archive or file of a product"
            )
        if path.is_dir():
            return cls(path, dict(_below(path)))
        whole = next((above for above in path.absolute().parents if _is_whole(above)), None)
        if whole is not None and path.is_file():
            below = path.absolute().relative_to(whole).as_posix()
            return cls(path, dict(_below(whole)), below)
        if not path.is_file():
            raise InputError(f"{path} is a pipe, socket or device; name a folder, archive or file")
        if _TAR.search(path.name):
            return cls(path, dict(_in_tar(path)))
        if _ZIP.search(path.name):
            return cls(path, dict(_in_zip(path)))
        return cls(path, dict(_below(path.absolute().parent, deepest=1)), path.name)

    @property
    def name(self) -> str:
        """The name of the folder, archive or file, without the ending of an archive."""
        name = Path(os.path.abspath(self.path)).name
        return _ZIP.sub("", _TAR.sub("", name)) if self.path.is_file() else name

    def matching(self, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
        """Find the files whose names, without folders, match a pattern completely."""
        for name in self.files:
            if found := pattern.fullmatch(PurePosixPath(name).name):
                yield name, found

    def concerns(self, files: Iterable[str]) -> bool:
        """Return whether files, under either name, are among those that were named."""
        return self.only is None or bool({self.only, self.files[self.only]} & {*files})

    def text(self, name: str, encoding: str = "utf-8") -> str:
        """Read a metadata file; bytes that are not valid in the encoding are skipped.

        Raises:
            InputError: If it is too large, or cannot be read.
        """
        return self.content(name).decode(encoding, errors="replace")

    def content(self, name: str, most: int = _LARGEST_TEXT) -> bytes:
        """Read a small file.

        Raises:
            InputError: If it is larger than ``most``, or cannot be read.
        """
        try:
            found = self._read(name, most + 1)
        except (
            OSError,
            KeyError,
            EOFError,
            RuntimeError,
            tarfile.TarError,
            zipfile.BadZipFile,
        ) as error:
            raise InputError(f"{name} of {self.path} cannot be read: {error}") from error
        if len(found) > most:
            raise InputError(
                f"{name} of {self.path} has more than {most} bytes, more than such a file needs"
            )
        return found

    def _read(self, name: str, most: int) -> bytes:
        if self.path.is_dir() or self.only is not None:
            with open(self.files[name], "rb") as opened:
                return opened.read(most)
        if _ZIP.search(self.path.name):
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as member:
                return member.read(most)
        with tarfile.open(self.path, _mode(self.path)) as tar:
            for found in tar:
                if found.name.removeprefix("./") == name and found.isreg():
                    read = tar.extractfile(found)
                    assert read is not None
                    return read.read(most)
        raise KeyError(name)


def _is_whole(folder: Path) -> bool:
    """Return whether a folder is a product whose files also depend on their folders."""
    return folder.name.upper().endswith(".SAFE")


def _below(folder: Path, deepest: int = _DEEPEST) -> Iterator[tuple[str, str]]:
    """List the files in a folder, and in folders in it."""
    count = 0
    for parent, folders, names in os.walk(folder):
        here = Path(parent).relative_to(folder)
        folders.sort()
        if len(here.parts) + 1 >= deepest:
            folders.clear()
        for name in sorted(names):
            if not is_text(name):
                continue
            count += 1
            if count > _MOST_FILES:
                raise InputError(
                    f"{folder} has more than {_MOST_FILES} files; name one product in it"
                )
            yield (here / name).as_posix(), str(Path(parent) / name)


def _in_tar(path: Path) -> Iterator[tuple[str, str]]:
    """List the regular files in a tar archive, compressed or not."""
    size = 0
    try:
        with tarfile.open(path, _mode(path)) as tar:
            for count, member in enumerate(tar):
                size += member.size
                _refuse_bomb(path, count, size)
                name = member.name.removeprefix("./")
                if member.isreg() and _is_plain(name):
                    yield name, f"/vsitar/{{{path}}}/{name}"
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InputError(
            f"{path} is not a complete tar archive: {error}; download it again"
        ) from error


def _in_zip(path: Path) -> Iterator[tuple[str, str]]:
    """List the files in a zip archive."""
    size = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for count, member in enumerate(archive.infolist()):
                size += member.file_size
                _refuse_bomb(path, count, size)
                if not member.is_dir() and _is_plain(member.filename):
                    yield member.filename, f"/vsizip/{{{path}}}/{member.filename}"
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is not a complete zip archive: {error}; download it again"
        ) from error


def _mode(path: Path) -> Literal["r:", "r:gz"]:
    return "r:" if path.name.lower().endswith(".tar") else "r:gz"


def _is_plain(name: str) -> bool:
    """Return whether a member's name stays below the archive's root."""
    parts = PurePosixPath(name).parts
    return is_text(name) and bool(parts) and parts[0] != "/" and ".." not in parts


def _refuse_bomb(path: Path, count: int, size: int) -> None:
    if count >= _MOST_FILES or size > _LARGEST_ARCHIVE:
        raise InputError(
            f"{path} unpacks to more than {_MOST_FILES} files or {_LARGEST_ARCHIVE // 2**30} GiB, "
            "more than a product has; unpack the files that are needed, and name their folder"
        )
