"""Whether an earlier run has made what is asked for: ``--resume`` and ``--skip-existing``."""

from pathlib import Path

import rasterio
from rasterio.errors import RasterioError

from groklst_cli.errors import OutputExistsError
from groklst_cli.geo.pixel_hash import JOB_TAG, STATUS_TAG, find_flaw
from groklst_cli.geo.writer import check_target
from groklst_cli.pipeline.job import Job
from groklst_cli.pipeline.request import Request


def is_finished(request: Request, job: Job) -> bool:
    """Tell whether this very request was carried out before, so that nothing is left to do.

    Raises:
        OutputExistsError: If something else stands in its place, and may not be replaced.
    """
    if request.skip_existing:
        return _holds(request, job)
    if not request.resume:
        return False
    for path in (request.output, request.uncertainty):
        if path is not None and path.exists() and not _is_ours(path, job):
            check_target(path, overwrite=request.overwrite)
            return False
    return all(path.exists() for path in request.targets) and not job.folder.exists()


def _is_ours(path: Path, job: Job) -> bool:
    try:
        with rasterio.open(path) as found:
            tags = found.tags()
    except RasterioError:
        return False
    return tags.get(STATUS_TAG) == "complete" and bool(tags.get(JOB_TAG) == job.digest)


def _holds(request: Request, job: Job) -> bool:
    """Check all that an earlier run has left, down to the pixels."""
    goes_on = request.resume and job.folder.exists()
    existing = [path for path in request.targets if path.exists()]
    for path in existing:
        flaw = None if path == request.picture else find_flaw(path, job.digest)
        if flaw is not None and not request.overwrite:
            raise OutputExistsError(f"{path} exists, but {flaw}; add --overwrite to make it again")
        if flaw is not None:
            return False
    missing = [path for path in request.targets if path not in existing]
    if missing and existing and not (goes_on or request.overwrite):
        raise OutputExistsError(
            f"{existing[0]} exists, but {missing[0]} does not; add --overwrite to make both again"
        )
    return not missing and not goes_on
