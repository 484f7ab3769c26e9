"""Start the processes that downscale scenes at the same time.

On Linux they are forked from a server that has imported everything and computed nothing: a process
starts immediately, and shares the memory of the imports. Elsewhere each process starts from
scratch.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, Final

_IMPORTED: Final = ["groklst_cli.pipeline.downscale.lanes", "groklst_cli.pipeline.downscale.making"]
_PATH: Final = "PYTHONPATH"


def context() -> BaseContext:
    """Return what makes processes on this machine."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    import_ahead()
    return multiprocessing.get_context("forkserver")


def import_ahead() -> None:
    """Import everything for later processes, while this process imports it for itself."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        forkserver.set_forkserver_preload(_IMPORTED)
        with _same_modules():
            forkserver.ensure_running()


def usual_threads() -> int:
    """Return the default number of torch's threads.

    If this process has not imported torch, the server is asked, because importing it here would
    take long.
    """
    if sys.platform != "linux" or "torch" in sys.modules:
        return _threads_here()
    return _threads_of_the_server()


@cache
def _threads_of_the_server() -> int:
    making: Any = context()
    ours, theirs = making.Pipe(duplex=False)
    asked = making.Process(target=_tell_threads, args=(theirs,), daemon=True)
    asked.start()
    theirs.close()
    try:
        found = int(ours.recv())
    except EOFError:  # it was stopped, or could not start
        found = _threads_here()
    asked.join()
    return found


def _tell_threads(connection: "Connection[Any, Any]") -> None:
    connection.send(_threads_here())


def _threads_here() -> int:
    import torch

    return torch.get_num_threads()


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
