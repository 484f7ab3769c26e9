"""``python -m groklst_cli`` and the ``groklst`` command."""

import io
import os
import sys
from typing import Final

from groklst_cli.app import run

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


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """Pass over what rasterio cannot log: GDAL quotes a damaged file in bytes that are no text."""
    if not isinstance(found.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(found)


if __name__ == "__main__":
    main()
