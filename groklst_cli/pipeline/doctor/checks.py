"""Checks of an installation, and how to repair what is wrong.

A check is a function without arguments that returns its findings. Libraries are imported inside the
checks, so that a missing one is a finding and not an error.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from groklst_cli.geo.drivers import DRIVERS
from groklst_cli.pipeline.doctor.libraries import Finding, check_libraries, check_program, library

_NEEDED: Final = ("GTiff", "COG", "VRT", "MEM")
_LEAST_SPACE: Final = 2 * 2**30
DATA_FILES: Final[dict[str, str | None]] = {
    "GDAL_DATA": "gdalvrt.xsd",
    "PROJ_DATA": "proj.db",
    "PROJ_LIB": "proj.db",
    "GDAL_DRIVER_PATH": None,
}
"""Variables that name data folders of libraries, and a file that must exist there."""


def examine() -> list[Finding]:
    """Run all checks, in the order of their dependencies."""
    return [finding for check in CHECKS for finding in check()]


def check_gdal() -> Iterator[Finding]:
    """Check GDAL's drivers, and one point with both builds of PROJ."""
    rasterio = library("rasterio")
    if rasterio is None or library("pyproj") is None:
        return
    with rasterio.Env() as environment:
        drivers = environment.drivers()
    missing = [name for name in _NEEDED if name not in drivers]
    served = [name for name in DRIVERS if name in drivers]
    found = f"{rasterio.__gdal_version__} has {', '.join(served)}"
    mend = "pip install --force-reinstall rasterio"
    if missing:
        yield Finding("GDAL", "wrong", f"{found}; lacks {', '.join(missing)}", mend)
    else:
        yield Finding("GDAL", "ok", found)
    from groklst_cli.pipeline.doctor.trial import misplaced

    wrong = misplaced()
    mend = "unset PROJ_DATA PROJ_LIB GDAL_DATA, or pip install --force-reinstall rasterio pyproj"
    if wrong:
        yield Finding("PROJ", "wrong", wrong, mend)
    else:
        version = rasterio.__proj_version__
        yield Finding("PROJ", "ok", f"{version}: EPSG:32647 to EPSG:4326 is right")


def check_devices() -> Iterator[Finding]:
    """List the devices that networks can run on."""
    torch = library("torch")
    if torch is None:
        return
    from groklst_cli.pipeline.predict.devices import has_bf16

    threads = torch.get_num_threads()
    yield Finding("CPU", "ok", f"{threads} threads of {os.cpu_count()} processors")
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        fast = "bf16" if has_bf16(torch.device("cuda", number)) else "no bf16"
        found = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, {fast}"
        yield Finding(f"cuda:{number}", "ok", found)
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "available; computes in fp32 unless --precision says otherwise")
    if torch.cuda.device_count() == 0 and shutil.which("nvidia-smi"):
        reason = "is built without CUDA" if torch.version.cuda is None else "sees no GPU"
        mend = "install the CUDA build of torch that pytorch.org names, or update the driver"
        yield Finding("GPU", "warning", f"nvidia-smi is there, but torch {reason}", mend)


def check_variables() -> Iterator[Finding]:
    """Find environment variables that redirect or limit libraries."""
    for name, holds in DATA_FILES.items():
        value = os.environ.get(name)
        if value:
            there = holds is None or any(
                (Path(p) / holds).is_file() for p in value.split(os.pathsep)
            )
            what = "replaces the library's own data" if there else f"holds no {holds}"
            yield Finding(name, "warning", f"{value} {what}", _unset(name))
    threads, processors = os.environ.get("OMP_NUM_THREADS"), os.cpu_count() or 1
    if threads and (not threads.isdecimal() or int(threads) < processors):
        found = f"{threads} threads for {processors} processors"
        yield Finding("OMP_NUM_THREADS", "warning", found, _unset("OMP_NUM_THREADS"))
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield Finding(
            "CUDA_VISIBLE_DEVICES", "warning", "hides every GPU", _unset("CUDA_VISIBLE_DEVICES")
        )


def check_disk() -> Iterator[Finding]:
    """Report free disk space, here and in the folder for temporary files."""
    for about, folder in (("disk here", "."), ("disk temporary", tempfile.gettempdir())):
        free = shutil.disk_usage(folder).free
        found = f"{free / 2**30:.1f} GiB free in {Path(folder).resolve()}"
        if not os.access(folder, os.W_OK):
            yield Finding(
                about, "warning", f"{found}, not writable", "work in a folder that you can write to"
            )
        elif free < _LEAST_SPACE:
            yield Finding(
                about,
                "warning",
                found,
                "free some space, or set TMPDIR to a folder on a larger disk",
            )
        else:
            yield Finding(about, "ok", found)


def check_trial() -> Iterator[Finding]:
    """Downscale a tiny scene in a temporary folder, in a process of its own."""
    if any(library(name) is None for name in ("rasterio", "torch", "pyproj")):
        yield Finding("trial run", "wrong", "not possible: a library is missing", "see above")
        return
    from groklst_cli.pipeline.doctor.trial import try_downscale

    wrong, seconds = try_downscale()
    if wrong:
        mend = "repair what is named above, then run groklst doctor again"
        yield Finding("trial run", "wrong", wrong, mend)
    else:
        yield Finding(
            "trial run", "ok", f"a tiny scene was downscaled correctly in {seconds:.1f} s"
        )


CHECKS: Final[tuple[Callable[[], Iterator[Finding]], ...]] = (
    check_program,
    check_libraries,
    check_gdal,
    check_devices,
    check_variables,
    check_disk,
    check_trial,
)
"""All checks, in the order of the report."""


def _unset(name: str) -> str:
    return f"set {name}=" if sys.platform == "win32" else f"unset {name}"
