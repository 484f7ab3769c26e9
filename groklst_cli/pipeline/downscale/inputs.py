"""Detect changes of the input files during a run.

A run reads its inputs in many places over a long time. If a file is replaced, rewritten or
truncated meanwhile, the result would be a mixture of the old and the new file.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from groklst_cli.errors import ChangedError
from groklst_cli.geo.grid import Grid
from groklst_cli.geo.opening import files_of, grid_of, open_raster
from groklst_cli.pipeline.downscale.contents import Contents
from groklst_cli.pipeline.downscale.request import Request

_ARCHIVES: Final = re.compile(r"^(/vsi(zip|tar|gzip|7z|rar)/)+")


@dataclass(frozen=True)
class FileState:
    """The state of a file, to compare with a later one.

    Attributes:
        size: Bytes.
        changed: When its contents were last written, nanoseconds since 1970.
        inode: Its number in the file system.
    """

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Read the state of a file; None if it does not exist or is not on a local file system."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)

    def __str__(self) -> str:
        changed = datetime.fromtimestamp(self.changed / 1e9, UTC)
        return f"{self.size} bytes changed {changed.isoformat(timespec='milliseconds')}"


@dataclass(frozen=True)
class Inputs:
    """Files that a run reads, each with its state at the start.

    Attributes:
        named: Files that the request names.
        beside: Files that GDAL reads with them: sources of a VRT, masks, overviews, metadata.
        coarse: The grid in the header of the LST.
        bands: Number of bands in the headers of the guides.
    """

    named: Mapping[Path, FileState]
    beside: Mapping[Path, FileState]
    coarse: Grid
    bands: int

    @classmethod
    def of(cls, request: Request) -> Self:
        """Record all files of a request; call it before they are opened for the run.

        Raises:
            InputError: If one of them cannot be opened.
        """
        named = _states([*request.rasters, request.model])
        bands = 0
        with open_raster(request.lst.path) as lst:
            coarse, files = grid_of(lst), files_of(lst)
        for guide in request.guides:
            with open_raster(guide.path) as opened:
                files += files_of(opened)
                bands += 1 if guide.band else opened.count
        for path in (*(mask.path for mask in request.masks.sources), request.like):
            if path is not None:
                with open_raster(path) as opened:
                    files += files_of(opened)
        beside = {path: state for path, state in _states(files).items() if path not in named}
        return cls(named, beside, coarse, bands)

    @property
    def paths(self) -> list[Path]:
        """All files on disk, in order."""
        return sorted(path for path in {**self.named, **self.beside} if path.is_file())

    def facts(self) -> dict[str, str]:
        """Describe the files that the request does not name, for ``--resume`` to compare."""
        return {
            f"file {number} beside the inputs": self.describe(str(path))
            for number, path in enumerate(sorted(self.beside), start=1)
        }

    def describe(self, path: str) -> str:
        """Describe a file by size, time and contents; a file that is not local, by its name alone.

        Raises:
            InputError: If it can no longer be read.
        """
        place = on_disk(path)
        state = self.named.get(place) or self.beside.get(place)
        if state is None:
            return path
        held = f" with hash {Contents.of(place).digest}" if place.is_file() else ""
        inner = "" if Path(path) == place else f" for {path}"
        return f"{place.name} of {state}{held}{inner}"

    def contents(self) -> dict[Path, Contents]:
        """Hash the contents of all files, for other machines to compare.

        Raises:
            InputError: If one can no longer be read.
        """
        return {path: Contents.of(path) for path in self.paths}

    def check(self) -> None:
        """Check that no file has changed.

        Raises:
            ChangedError: If one has.
        """
        for path, state in {**self.named, **self.beside}.items():
            found = FileState.of(path)
            if found != state:
                done = "changed" if found else "was removed"
                raise ChangedError(
                    f"{path} {done} while it was being read, so the result was discarded; run "
                    "again when the file is complete"
                )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """If a run fails and a file has changed, report the change as the reason.

        Raises:
            ChangedError: If the run failed and a file has changed.
        """
        try:
            yield
        except ChangedError:
            raise
        except Exception as error:
            try:
                self.check()
            except ChangedError as changed:
                raise changed from error
            raise


def _states(paths: Iterable[str]) -> dict[Path, FileState]:
    found = {path: FileState.of(path) for path in map(on_disk, paths)}
    return {path: state for path, state in found.items() if state is not None}


def on_disk(path: str) -> Path:
    """Find the archive that contains a file, if GDAL reads it from one."""
    inner = Path(_ARCHIVES.sub("", path))
    return next((p for p in (inner, *inner.parents) if os.path.isfile(p)), inner)
