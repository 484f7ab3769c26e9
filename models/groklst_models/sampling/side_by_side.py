"""Work on several items at once, each on one thread.

Results have the same bits on any number of threads. No thread waits for another between two steps
of an item, which would cost minutes if another program uses a core.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from groklst_models.threads import one_thread

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Process as many items at once as torch has threads.

    Args:
        work: What to do with an item; runs in threads.
        items: Taken one after another in the caller's thread, a few ahead of the results.

    Yields:
        The results, in the order of the items.
    """
    lanes = torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(lanes) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > lanes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
