"""How a run works and what it writes: one field per option."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from groklst_cli.errors import UsageError
from groklst_cli.pipeline.predict import reading
from groklst_cli.pipeline.predict.option import option
from groklst_cli.pipeline.predict.settings import check_range

_ADDRESS: Final = re.compile(
    r"inproc://\S+|((tcp|tls|ucx|ws|wss)://)?([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}/?"
)
_MOST_PROCESSES: Final = 256
_MOST_THREADS: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Running:
    """Outputs and how they are made; see each option's help for its meaning.

    Attributes:
        like: A raster whose grid the output is to have, or None.
        resolution: The output's pixel on the LST's own grid, CRS units, or None.
        uncertainty: A GeoTIFF for the standard deviation of the result, or None.
        creation: GDAL's COG creation options.
        dst_nodata: The output's nodata value.
        picture: A PNG to draw LST and results in, or None.
        jobs: Threads to compute and compress with; None for all processors.
        workers: Local processes to spread the work over; 0 for this one alone.
        scheduler: Address of a Dask scheduler whose workers are to do it.
        resume: Whether to continue an interrupted run.
        skip_existing: Whether outputs that hold what this request asks for are left as they are.
        overwrite: Whether existing files may be replaced.
        online: Whether GDAL may use the network.
    """

    like: str | None = option(
        None, "Write the result on the grid of this raster: its CRS, pixel and extent.", "--like",
        metavar="RASTER", read=str, listed=True,
        beside_pixels="the file's grid, which is a fact of its own",
    )  # fmt: skip
    resolution: float | None = option(
        None,
        "Write the result with pixels of this size, in units of the LST's CRS.",
        "--resolution",
        metavar="X", kind=float, listed=True,
        beside_pixels="the grid that it makes, which is a fact of its own",
    )  # fmt: skip
    uncertainty: Path | None = option(
        None,
        "Also write the standard deviation of each pixel, kelvin, to this file.",
        "--uncertainty",
        metavar="FILE", kind=Path, listed=True,
        beside_pixels="the place of another result, which has the same facts",
    )  # fmt: skip
    creation: Mapping[str, str] = option(
        dict, "A creation option of GDAL's COG driver.", "--co",
        metavar="KEY=VAL", kind=list[str], read=reading.creation_option,
    )  # fmt: skip
    dst_nodata: float = option(
        float("nan"), "The output's nodata value.", "--dst-nodata", kind=float, listed=True
    )
    picture: Path | None = option(
        None,
        "Also draw the LST, the result, the residual and the standard deviation.",
        "--picture",
        metavar="PNG", kind=Path, listed=True, beside_pixels="the place of a drawing of the result",
    )  # fmt: skip
    jobs: int | None = option(
        None, "Threads to use; all processors by default.", "--jobs", "-j",
        kind=int, low=1,
        beside_pixels="threads share tiles; a network's scene of fewer than four may differ in "
        "last bits",
    )  # fmt: skip
    workers: int = option(
        0, "Spread the work over N local processes.", "--workers",
        metavar="N", kind=int, low=0, beside_pixels="any number of processes makes the same bits",
    )  # fmt: skip
    scheduler: str | None = option(
        None, "Compute on the workers of this Dask scheduler.", "--scheduler",
        metavar="ADDRESS", read=str, beside_pixels="any number of machines makes the same bits",
    )  # fmt: skip
    resume: bool = option(
        False, "Resume an interrupted run, and keep its finished rows.", "--resume",
        kind=bool, beside_pixels="what may be resumed",
    )  # fmt: skip
    skip_existing: bool = option(
        False, "Skip scenes whose outputs are complete and up to date.", "--skip-existing",
        kind=bool, beside_pixels="what may be left as it is",
    )  # fmt: skip
    overwrite: bool = option(
        False, "Replace an existing output.", "--overwrite",
        kind=bool, beside_pixels="what may be replaced",
    )  # fmt: skip
    online: bool = option(
        False, "Whether inputs may be read from the network.", "--online/--offline",
        kind=bool, beside_pixels="what may be fetched; which file is read does not change",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse values that are never valid, without opening files.

        Raises:
            UsageError: If a value is not valid.
        """
        if self.like is not None and self.resolution is not None:
            raise UsageError(
                "--like and --resolution both set the grid of the result; leave one out"
            )
        if self.resolution is not None and not 0 < self.resolution < math.inf:
            raise UsageError(
                f"--resolution {self.resolution:g} is not a length; write a number above 0"
            )
        check_range("--jobs", self.jobs, 1, _MOST_THREADS)
        check_range("--workers", self.workers, 0, _MOST_PROCESSES)
        if self.scheduler is not None and not _ADDRESS.fullmatch(self.scheduler):
            raise UsageError(
                f"--scheduler {self.scheduler} is not an address; write it as tcp://HOST:PORT"
            )
        if self.workers and self.scheduler is not None:
            raise UsageError("--workers starts a cluster, --scheduler joins one; name one of them")
        if self.resume and self.overwrite:
            raise UsageError(
                "--resume continues an earlier run, --overwrite discards it; leave one out"
            )
