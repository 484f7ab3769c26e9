"""Check the outputs of ``evaluate``, which must not overwrite its inputs."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.environment import looks_like_vrt
from groklst_cli.geo.opening import files_of, open_raster
from groklst_cli.geo.targets import check_target, same_file
from groklst_cli.pipeline.downscale.inputs import on_disk
from groklst_cli.pipeline.evaluate.evaluation import EvaluationRequest

PAGE: Final = "index.html"
"""A report's page, in its folder."""

_TABLE = ".csv"
"""Tables in a data folder are not inputs of ``evaluate``."""


def check_evaluation_targets(
    request: EvaluationRequest, csv: Path | None, page: Path | None, *, overwrite: bool
) -> None:
    """Refuse outputs that cannot or must not be written, before anything is scored.

    Args:
        request: What is read.
        csv: The table to write, if any.
        page: The report's page, if any; its folder may be missing.
        overwrite: Whether existing files may be replaced.

    Raises:
        OutputExistsError: If one exists and may not be replaced.
        UsageError: If one cannot be a file, is an input, or both are the same.
    """
    targets = [path for path in (csv, page) if path is not None]
    if len(targets) == 2 and same_file(*targets):
        raise UsageError(f"{csv} is named for two outputs; give each its own name")
    existing = {_identity(path): path for path in targets if path.exists()}
    for path in _read_by(request) if existing else ():
        with suppress(OSError):
            if target := existing.get(_identity(path)):
                raise UsageError(
                    f"{target} is an input too ({path}), which must not be changed; name another "
                    "file"
                )
    if csv is not None:
        check_target(csv, overwrite=overwrite)
    if page is not None and page.parent.is_dir():
        check_target(page, overwrite=overwrite)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _read_by(request: EvaluationRequest) -> Iterator[Path]:
    """List the files that an evaluation reads, those that GDAL reads with them too."""
    sources = (request.prediction, request.reference, request.lst)
    for source in filter(None, sources):
        yield from _with_sources(source.path)
    named = [request.protocol, *(contender.model for contender in request.contenders)]
    yield from (Path(text) for text in named if text is not None)
    for path in _below(request.data) if request.data is not None else ():
        if looks_like_vrt(str(path)):
            yield from _with_sources(str(path))
        if path.suffix.lower() != _TABLE:
            yield path


def _with_sources(path: str) -> list[Path]:
    files = [on_disk(path)]
    with suppress(InputError, UsageError), open_raster(path) as opened:  # reported when it is read
        files += map(on_disk, files_of(opened))
    return files


def _below(folder: Path) -> Iterator[Path]:
    """Walk through a folder, following each link once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        seen.add(_identity(Path(place)))
        folders[:] = [name for name in folders if _identity(Path(place, name)) not in seen]
        yield from (Path(place, name) for name in files)
