"""The unfinished run of an output: a hidden folder next to it, which ``--resume`` continues.

It holds the facts of the run and each predicted row of tiles. The file of a row has its checksum in
its name, so that a truncated file, or one damaged in a power cut, is not used. Other outputs of the
run have hidden folders of their own next to them.
"""

import hashlib
import io
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from groklst_cli.errors import (
    DeviceError,
    GroklstError,
    OtherFileError,
    OutputExistsError,
    UsageError,
)
from groklst_cli.geo.durable import put_in_place, sync_folder
from groklst_cli.geo.private import open_private, open_regular
from groklst_cli.geo.workplace import LOCK, Workplace

Fine = NDArray[np.float32]

_FACTS: Final = "job.json"
_STORED: Final = np.dtype(np.float32)
_KEPT: Final = (GroklstError, DeviceError, OtherFileError)
"""Failures after which a second try may succeed."""


class Job:
    """A run in its folder.

    Used as a context manager: after success, or after an error that a second try cannot repair, the
    folder is removed; otherwise finished rows stay in it.
    """

    def __init__(
        self,
        target: Path,
        facts: Mapping[str, str],
        *,
        resume: bool,
        overwrite: bool,
        others: Iterable[Path] = (),
    ) -> None:
        """Plan a run; nothing is written yet.

        Args:
            target: The output.
            facts: Everything that the rows depend on, by name.
            resume: Whether to continue an earlier run.
            overwrite: Whether an earlier run may be discarded.
            others: Other files that the run writes; each is written in a folder of its own.
        """
        self._place, self._others = Workplace(target), [Workplace(other) for other in others]
        self.folder = self._place.folder
        self.facts = dict(facts)
        self._target, self._resume, self._overwrite = target, resume, overwrite

    @property
    def digest(self) -> str:
        """A short hash of the facts."""
        text = json.dumps(self.facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def digest_of(self, path: Path) -> str:
        """Return a hash for one of several outputs, so that they are not confused."""
        if path == self._target:
            return self.digest
        return hashlib.sha256(f"{self.digest} beside".encode()).hexdigest()[:32]

    def __enter__(self) -> Self:
        self._place.enter()
        entered = []
        try:
            self._begin()
            for other in self._others:
                other.enter()
                entered.append(other)
                if _holds_rows(other.folder):
                    raise OutputExistsError(
                        f"{other.target} is the output of an unfinished run; finish that run "
                        "first, or name another file"
                    )
                other.clear()
        except BaseException as error:
            for other in entered:
                other.leave(keep=_holds_rows(other.folder))
            self._place.leave(keep=_holds_rows(self.folder))
            if isinstance(error, OSError) and not isinstance(error, GroklstError):
                raise GroklstError(f"cannot work in {self.folder}: {error}") from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hopeless = isinstance(error, GroklstError) and type(error) not in _KEPT
        keep = error is not None and not hopeless and _holds_rows(self.folder)
        for other in self._others:
            other.leave(keep=False)
        self._place.leave(keep=keep)

    def recall(self, name: str, choose: Callable[[], int], *, most: int = 2**16) -> int:
        """Return a number of at least 1 that this run, or the run that it continues, has chosen."""
        path = self.folder / f"{name}.json"
        try:
            kept = json.loads(_read(path))
        except (OSError, ValueError, RecursionError):
            kept = None
        if type(kept) is not int or not 1 <= kept <= most:
            chosen = choose()
            self._note(path.name, chosen)
            return chosen
        return kept

    def settle(self, name: str, chosen: int) -> None:
        """Replace the number that was recalled, for the rows that are missing."""
        self._note(f"{name}.json", chosen)

    def workplace(self, target: Path) -> Path:
        """Return where to write one of the run's files, on the same file system as its target."""
        places = (self._place, *self._others)
        return next(place.folder for place in places if place.target == target)

    def parts(self, name: str) -> "Parts":
        """Return the store of one kind of rows."""
        return Parts(self.folder, name)

    def _begin(self) -> None:
        found = self._found()
        if found is not None and not self._resume and not self._overwrite:
            done = len(list(self.folder.glob("*.npy")))
            raise OutputExistsError(
                f"{self._target} has an unfinished run with {done} rows of tiles; add --resume to "
                "continue it, or --overwrite to start again"
            )
        if found is not None and self._resume:
            self._refuse_changes(found)
        anew = found is None or not self._resume
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)  # an incomplete result
            elif path.suffix == ".new" or (anew and path.name != LOCK):
                path.unlink()
        if anew:
            # After a power cut, no row may be combined with the facts of another run: rows of an
            # earlier run are deleted before the new facts are written, and facts are written before
            # rows.
            sync_folder(self.folder)
            self._note(_FACTS, self.facts)

    def _note(self, name: str, facts: object) -> None:
        """Write plain data to the disk before any row that depends on it.

        Raises:
            GroklstError: If a file cannot be written.
        """
        path = self.folder / name
        temporary = path.with_name(f"{name}.new")
        try:
            _write_new(temporary, [json.dumps(facts, indent=1).encode()])
            put_in_place(temporary, path)
        except OSError as error:
            raise GroklstError(f"{path} could not be written: {error}") from error

    def _found(self) -> dict[str, str] | None:
        """Read the facts of an earlier run; None if there is no run to continue."""
        try:
            found = json.loads(_read(self.folder / _FACTS))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or not _holds_rows(self.folder):
            return None
        return found

    def _refuse_changes(self, found: Mapping[str, str]) -> None:
        names = sorted(found.keys() | self.facts.keys())
        changed = [name for name in names if found.get(name) != self.facts.get(name)]
        if changed:
            named = "; ".join(
                f"{name} was {found.get(name, 'none')} and is now {self.facts.get(name, 'none')}"
                for name in changed
            )
            raise UsageError(
                f"--resume cannot continue {self._target}: {named}; restore that, or use "
                "--overwrite instead to start again"
            )


class Parts:
    """Rows of tiles on disk; every process that can reach the folder may add to them."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open one kind of rows in a job's folder."""
        self._folder, self._name = folder, name

    def done(self, row: int, shape: tuple[int, int]) -> bool:
        """Return whether a complete row of the right shape exists; other files are removed."""
        head = _head(shape)
        size = len(head) + 4 * shape[0] * shape[1]
        for path in self._paths(row):
            contents = _contents(path, size)
            checksum = f"{zlib.crc32(contents):08x}"
            if contents.startswith(head) and checksum == path.stem.rpartition("-")[2]:
                return True
            path.unlink()
        return False

    def save(self, row: int, fine: Fine) -> None:
        """Store a row, completely or not at all.

        Raises:
            GroklstError: If a file cannot be written.
        """
        values = np.ascontiguousarray(fine)
        contents = _head(values.shape, values.dtype), values.reshape(-1).view(np.uint8).data
        checksum = zlib.crc32(contents[1], zlib.crc32(contents[0]))
        try:
            _write(self._folder / f"{self._name}-{row:06d}-{checksum:08x}.npy", contents)
        except OSError as error:
            raise GroklstError(f"a finished row cannot be stored: {error}") from error

    def load(self, row: int) -> Fine:
        """Read a stored row.

        Raises:
            GroklstError: If it does not exist or cannot be read.
        """
        try:
            (path, *_) = self._paths(row)
            with open_regular(path) as opened:
                values: Fine = np.load(opened, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise GroklstError(f"finished row {row} cannot be read again: {error}") from error
        return values

    def _paths(self, row: int) -> list[Path]:
        return sorted(self._folder.glob(f"{self._name}-{row:06d}-*.npy"))


def _holds_rows(folder: Path) -> bool:
    return any(folder.glob("*.npy"))


def _read(path: Path) -> bytes:
    with open_regular(path) as opened:
        return opened.read()


def _contents(path: Path, size: int) -> bytes:
    """Read a file of this size; return nothing if it is not a file or has another size."""
    try:
        with open_regular(path) as opened:
            return opened.read() if os.fstat(opened.fileno()).st_size == size else b""
    except OSError:
        return b""


def _head(shape: tuple[int, ...], dtype: "np.dtype[Any]" = _STORED) -> bytes:
    """Return the first bytes of the file of a row of some shape, in NumPy's format 1.0."""
    held = io.BytesIO()
    kind = np.lib.format.dtype_to_descr(dtype)
    told = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(held, told)
    return held.getvalue()


def _write(path: Path, contents: Iterable[bytes | memoryview]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        _write_new(temporary, contents)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_new(path: Path, contents: Iterable[bytes | memoryview]) -> None:
    """Write a new file; a file that a killed run left is replaced."""
    path.unlink(missing_ok=True)
    with open_private(path) as opened:
        opened.writelines(contents)
