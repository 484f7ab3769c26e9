"""Run an iterator in a thread, a few items ahead of the consumer."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from groklst_cli.geo.environment import gdal_environment, is_online, threads_of_environment

T = TypeVar("T")


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[T], depth: int = 2) -> Iterator[Iterator[T]]:
    """Compute items in a thread while earlier ones are used; order is kept.

    Args:
        items: What to run; it runs in one thread only, under a GDAL environment like the caller's.
        depth: How many finished items may wait.

    Yields:
        The items. An error in the thread is raised where the item is taken. When the context
        ends, the thread has ended too.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    online, threads = is_online(), threads_of_environment()

    def work() -> None:
        error: BaseException | None = None
        try:
            with gdal_environment(online=online, threads=threads):
                for item in items:
                    if not _put(waiting, item, stop):
                        break
        except BaseException as caught:
            error = caught
        finally:
            if isinstance(items, Generator):
                items.close()  # ends its own threads before its files are closed
        _put(waiting, _End(error), stop)

    def take() -> Iterator[T]:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
        yield take()
    finally:
        stop.set()
        if thread.ident is not None:
            thread.join()


def _put(waiting: "queue.Queue[T | _End]", item: T | _End, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            waiting.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
