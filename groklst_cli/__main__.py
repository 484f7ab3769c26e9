"""``python -m groklst_cli`` and the ``groklst`` command."""

import io
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from groklst_cli.app import run

if TYPE_CHECKING:
    from types import TracebackType

_PRIMITIVES: Final = "128"
"""Compiled convolutions that oneDNN keeps; it would keep 1 024, which other scenes have no use for.

A tile of MoCoLSK-Net takes 65, the most of the networks that were counted.
"""


def main() -> None:
    """Run the command line."""
    from groklst_cli.geo.drivers import leave_out_drivers

    leave_out_drivers()
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _PRIMITIVES)
    sys.unraisablehook = _unraisable
    sys.excepthook = _uncaught
    _silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe on Windows has no sign for ×, and a path may be no text: written out, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run()
    if code in (130, 143):
        # Stopped in the middle: a thread of native code that still runs would abort the exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _silence_libraries() -> None:
    """Leave stderr to our own lines: what a library warns of is not for whom the command serves.

    Python's own switches show it all the same: ``python -W default -m groklst_cli``.
    """
    os.environ.setdefault("CPL_LOG", os.devnull)  # GDAL's threads, which rasterio does not hear
    logging.lastResort = None  # rasterio repeats there what it then raises
    if "--debug" not in sys.argv:
        _keep_stderr()
    if not sys.warnoptions:
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of the processes that are started
        warnings.simplefilter("ignore")


def _keep_stderr() -> None:
    """Give our lines a stderr of their own, and what libtiff and others print by themselves none.

    They write into the process's second stream whatever Python does, on a full disk for one.
    """
    before = sys.stderr
    try:
        ours = os.dup(2)
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
    except OSError:  # there is none
        return
    sys.stderr = open(  # noqa: SIM115
        ours, "w", buffering=1, encoding=before.encoding, errors=before.errors
    )


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: "TracebackType | None"
) -> None:
    """Print a traceback as Python does, without what a terminal would obey."""
    from groklst_cli.shown_text import traced

    sys.stderr.write(traced(error))


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Pass over what rasterio cannot log: GDAL quotes a damaged file in bytes that are no text."""
    if not isinstance(found.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(found)


if __name__ == "__main__":
    main()
