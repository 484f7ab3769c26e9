"""Where the processes come from that make scenes side by side.

On Linux they are forked from a server that has imported everything once and computed nothing: a
process is there at once, and shares the memory of what was imported. Elsewhere each starts anew.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Final

_IMPORTED: Final = ["groklst_cli.pipeline.downscale.lanes", "scipy.ndimage", "sklearn"]
_PATH: Final = "PYTHONPATH"


def context() -> BaseContext:
    """Return what makes processes on this machine."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    import_ahead()
    return multiprocessing.get_context("forkserver")


def import_ahead() -> None:
    """Have everything imported for later processes while this one still imports it for itself."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_IMPORTED)
        with _same_modules():
            forkserver.ensure_running()


@contextmanager
def _same_modules() -> Iterator[None]:
    """Let the server find modules where this process does, which it is not always told."""
    before = os.environ.get(_PATH)
    os.environ[_PATH] = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PATH]
        else:
            os.environ[_PATH] = before
