"""Whether an earlier run has finished the same request: ``--resume`` and ``--skip-existing``."""

from pathlib import Path

from groklst_cli.errors import OutputExistsError
from groklst_cli.geo.companions import flaw_beside
from groklst_cli.geo.flaws import find_flaw, is_of
from groklst_cli.pipeline.downscale.job import Job
from groklst_cli.pipeline.downscale.request import Request


def is_finished(request: Request, job: Job) -> bool:
    """Return whether the same request was finished before, so that nothing is left to do.

    Raises:
        OutputExistsError: If the output is something else that must not be replaced.
    """
    if request.skip_existing:
        return _holds(request, job)
    if not request.resume:
        return False
    for path in (request.output, request.uncertainty):
        if path is None or not path.exists():
            continue
        flaw = flaw_beside(path) if is_of(path, job.digest_of(path)) else "is from another run"
        if flaw is not None:
            _refuse(path, flaw, request)
    return all(path.exists() for path in request.targets) and not job.folder.exists()


def _holds(request: Request, job: Job) -> bool:
    """Check everything that an earlier run has written, including the pixels."""
    goes_on = request.resume and job.folder.exists()
    existing = [path for path in request.targets if path.exists()]
    for path in existing:
        flaw = None if path == request.picture else find_flaw(path, job.digest_of(path))
        if flaw is not None:
            _refuse(path, flaw, request)
            return False
    missing = [path for path in request.targets if path not in existing]
    if missing and existing and not (goes_on or request.overwrite):
        raise OutputExistsError(
            f"{existing[0]} exists, but {missing[0]} does not; {_how(request)} to write both again"
        )
    return not missing and not goes_on


def _refuse(path: Path, flaw: str, request: Request) -> None:
    if not request.overwrite:
        raise OutputExistsError(f"{path} exists, but {flaw}; {_how(request)} to write it again")


def _how(request: Request) -> str:
    return "use --overwrite instead of --resume" if request.resume else "add --overwrite"
