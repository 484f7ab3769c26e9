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
"""Compiled convolutions that oneDNN keeps; its default of 1 024 only costs memory. A tile of
MoCoLSK-Net needs 65, the most of the networks that were counted.
"""


def main() -> None:
    """Run the command line."""
    from groklst_cli.geo.drivers import leave_out_drivers

    leave_out_drivers()
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _PRIMITIVES)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # Typer needs none
    sys.unraisablehook = _unraisable
    sys.excepthook = _uncaught
    _silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe on Windows has no sign for ×, and a path may not be valid text: both are escaped,
        # as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run()
    if code in (130, 143):
        # After an interruption, a thread of native code that still runs would abort the exit.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _silence_libraries() -> None:
    """Keep the warnings of libraries off stderr; they are not for users of the command.

    Python's switches still show them: ``python -W default -m groklst_cli``.
    """
    os.environ.setdefault(
        "CPL_LOG", os.devnull
    )  # GDAL's threads, whose messages rasterio does not receive
    logging.lastResort = None  # rasterio logs there what it then raises
    if "--debug" not in sys.argv:
        _keep_stderr()
    if not sys.warnoptions:
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of child processes
        warnings.simplefilter("ignore")


def _keep_stderr() -> None:
    """Give groklst's lines their own stderr, and discard what libtiff and other libraries print.

    They write to file descriptor 2 directly, for example when the disk is full.
    """
    before = sys.stderr
    try:
        ours = os.dup(2)
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
    except OSError:  # there is no stderr
        return
    sys.stderr = open(  # noqa: SIM115
        ours, "w", buffering=1, encoding=before.encoding, errors=before.errors
    )


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: "TracebackType | None"
) -> None:
    """Print a traceback as Python does, with control characters escaped."""
    from groklst_cli.shown_text import traced

    sys.stderr.write(traced(error))


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Drop messages that rasterio cannot log: GDAL quotes bytes that are not text."""
    if not isinstance(found.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(found)


if __name__ == "__main__":
    main()
