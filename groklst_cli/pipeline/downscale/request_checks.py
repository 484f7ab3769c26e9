"""What a request to downscale must not ask, whatever its files hold."""

import math
import re
from typing import TYPE_CHECKING, Final

from groklst_cli.data.scenes import refuse_reference
from groklst_cli.errors import UsageError
from groklst_cli.geo.writer import OutputFormat

if TYPE_CHECKING:
    from groklst_cli.pipeline.downscale.request import Request

_DEVICE: Final = re.compile(r"auto|cpu|cuda(:\d{1,3})?|mps")
_ADDRESS: Final = re.compile(
    r"inproc://\S+|((tcp|tls|ucx|ws|wss)://)?([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}/?"
)
_MOST_PROCESSES: Final = 256
_MOST_THREADS: Final = 1024
_LONGEST: Final = 65536
"""Fine pixels along a tile, and tiles in a batch."""


def check_request(request: "Request") -> None:
    """Refuse values that make no sense, alone or together.

    Raises:
        UsageError: If there is one.
    """
    refuse_reference(request.guides)
    _check_range("--tile", request.tile, 1, _LONGEST)
    _check_range("--batch", None if request.batch == "auto" else request.batch, 1, _LONGEST)
    _check_range("--jobs", request.jobs, 1, _MOST_THREADS)
    _check_range("--workers", request.workers, 0, _MOST_PROCESSES)
    _check_devices(request.device)
    if request.scheduler is not None and not _ADDRESS.fullmatch(request.scheduler):
        raise UsageError(
            f"--scheduler {request.scheduler} is no address; write it as tcp://HOST:PORT"
        )
    if request.workers and request.scheduler is not None:
        raise UsageError("--workers starts a cluster, --scheduler joins one; name one of them")
    if request.bounds is not None:
        _check_bounds(*request.bounds)
    if request.resume and request.overwrite:
        raise UsageError(
            "--resume goes on with an earlier run, --overwrite throws it away; drop one"
        )
    OutputFormat(nodata=request.nodata, creation=request.creation)  # refuses what it cannot store


def _check_range(option: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"{option} {value} must lie between {low} and {high}")


def _check_devices(text: str) -> None:
    named = text.split(",")
    if not all(_DEVICE.fullmatch(name) for name in named):
        raise UsageError(
            f"--device {text or repr(text)} is none of auto, cpu, cuda, cuda:N, mps; "
            "name one, or several with commas between"
        )
    if len({name.partition(":")[0] for name in named}) > 1:
        raise UsageError(
            f"--device {text} names devices that round differently; take several of one kind"
        )


def _check_bounds(left: float, bottom: float, right: float, top: float) -> None:
    if not all(map(math.isfinite, (left, bottom, right, top))):
        raise UsageError(f"--bounds {left} {bottom} {right} {top} must be finite numbers")
    if not (left < right and bottom < top):
        raise UsageError("--bounds are LEFT BOTTOM RIGHT TOP, with LEFT < RIGHT, BOTTOM < TOP")
