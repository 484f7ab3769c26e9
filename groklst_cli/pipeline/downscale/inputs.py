"""The input files of a run: as they were before they were opened, and whether they still are.

A run reads its inputs in many places over a long time. A file that is replaced, rewritten or cut
meanwhile would give a result that is partly of the old and partly of the new file.
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
    """What tells one state of a file from another.

    Attributes:
        size: Bytes.
        changed: When its contents were last written, nanoseconds since 1970.
        inode: Which file of its file system it is.
    """

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Look at a file; None if it does not exist there or lies on no local file system."""
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
    """Files that a run reads, each as it was found.

    Attributes:
        named: Those that the request names.
        beside: Those that GDAL reads with them: sources of a VRT, masks, overviews, metadata.
        coarse: The grid that the LST claims.
        bands: How many bands the guides claim.
    """

    named: Mapping[Path, FileState]
    beside: Mapping[Path, FileState]
    coarse: Grid
    bands: int

    @classmethod
    def of(cls, request: Request) -> Self:
        """Look at all files of a request; call before they are opened for the run.

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
        """Describe a file by size, time and contents; what is on no disk by its name alone.

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
        """Read what all files hold, for other machines to compare.

        Raises:
            InputError: If one can no longer be read.
        """
        return {path: Contents.of(path) for path in self.paths}

    def check(self) -> None:
        """Make sure that every file is as it was.

        Raises:
            ChangedError: If one is not.
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
        """Name the change of a file where that may be why a run failed.

        Raises:
            ChangedError: If the run failed and a file is not as it was.
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
    """Find the archive that a file lies in, where GDAL reads through one."""
    inner = Path(_ARCHIVES.sub("", path))
    return next((p for p in (inner, *inner.parents) if os.path.isfile(p)), inner)
