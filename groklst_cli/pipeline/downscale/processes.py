"""Where the processes come from that make scenes side by side.

On Linux they are forked from a server that has imported everything once and computed nothing: a
process is there at once, and shares the memory of what was imported. Elsewhere each starts anew.
"""

import multiprocessing
import sys
from multiprocessing.context import BaseContext
from typing import Final

_IMPORTED: Final = ["groklst_cli.pipeline.downscale.lanes", "scipy.ndimage", "sklearn"]


def context() -> BaseContext:
    """Return what makes processes on this machine."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(_IMPORTED)
    return forking


def import_ahead() -> None:
    """Have everything imported for later processes while this one still imports it for itself."""
    if sys.platform == "linux":
        context()
        from multiprocessing import forkserver

        forkserver.ensure_running()
