"""Predict rows of tiles on several processes or machines with Dask.

Each worker opens the files itself, predicts whole rows of tiles, and writes them into the job's
folder, from where they are read in order. If a worker is lost, only its current rows are lost, and
they run again elsewhere.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from socket import gethostname
from typing import Any, Final

from groklst_cli.errors import DeviceError, GroklstError, OtherFileError, UsageError, words_of
from groklst_cli.geo.environment import gdal_environment
from groklst_cli.pipeline.downscale.contents import Contents
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.job import Parts
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.layout import Strip
from groklst_cli.pipeline.predict.opening import open_scene
from groklst_cli.pipeline.predict.ready import Ready, Work, move_guides
from groklst_cli.pipeline.predict.tile_rows import Fine
from groklst_models.freed_memory import keep_freed_memory

_PATIENCE: Final = 60.0
"""Seconds to wait for a scheduler, for its first worker, and for a new worker when all are gone."""

_ANSWER: Final = 10.0
"""Seconds to wait for a scheduler to accept a connection; it may just be starting."""

_LOOK: Final = 1.0
"""Seconds between two checks of the workers."""


@dataclass(frozen=True, eq=False)
class Task:
    """All that a worker needs to know.

    Attributes:
        request: The request; the worker opens its files.
        work: What to predict.
        contents: The contents of the files where the run was started.
    """

    request: Request
    work: Work
    contents: Mapping[Path, Contents]


class Cluster:
    """Workers that predict rows of tiles."""

    def __init__(self, client: Any) -> None:
        """Use a scheduler through a ``distributed.Client``."""
        self._client = client

    def predict(
        self,
        task: Task,
        name: str,
        folder: Path,
        strip: Strip,
        groups: Sequence[range],
        on_tiles: Callable[[int], None],
    ) -> Iterator[tuple[int, Fine]]:
        """Predict rows of tiles on the workers.

        Args:
            task: What to predict.
            name: Of the rows: ``lst``, or ``deviation`` for the spread of a network's answers.
            folder: The folder of the job; every worker must reach it under this path.
            strip: What the rows are for.
            groups: Which rows.
            on_tiles: Called with the number of tiles that were finished.

        Yields:
            Each row's number and fine pixels, in order.

        Raises:
            GroklstError: If a row fails, or its workers die repeatedly.
        """
        from distributed import KilledWorker

        # A separate task, so that the scheduler can run it again if its worker is lost.
        shared = self._client.submit(_hold, task, key=f"groklst-task-{id(task)}", pure=False)
        futures = [
            self._client.submit(
                predict_group, shared, name, str(folder), strip, group, pure=False, priority=-first
            )
            for first, group in enumerate(groups)
        ]
        parts = Parts(folder, name)
        try:
            for group, future in zip(groups, futures, strict=True):
                on_tiles(self._result(future))
                for row in group:
                    yield row, parts.load(row)
        except KilledWorker as error:
            raise GroklstError(
                f"workers died several times over the same rows ({error}); they may lack memory: "
                "use fewer workers or a smaller --tile, and add --resume"
            ) from error
        except CancelledError as error:
            raise DeviceError(
                f"the connection to the scheduler was lost ({words_of(error)[:200]}); finished "
                "rows are kept: start it again, and add --resume"
            ) from error
        finally:
            self._client.cancel([shared, *futures])

    def _result(self, future: Any) -> int:
        """Wait for a group of rows, but only for a while if no worker is left.

        Raises:
            DeviceError: If there is no worker and none connects.
        """
        alone_since: float | None = None
        while not future.done():
            if self._client.scheduler_info().get("workers"):
                alone_since = None
            elif alone_since is None:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > _PATIENCE:
                raise DeviceError(
                    f"all workers are gone and none has connected for {_PATIENCE:g} s; finished "
                    "rows are kept: start workers again, and add --resume"
                )
            with suppress(TimeoutError):
                return int(future.result(timeout=_LOOK))
        return int(future.result())


@contextmanager
def open_cluster(request: Request, note: Callable[[str], None]) -> Iterator[Cluster | None]:
    """Start local workers, or connect to a scheduler, as requested; None for neither.

    Raises:
        UsageError: If Dask is not installed.
        DeviceError: If the scheduler cannot be reached.
    """
    if not request.shares_work:
        yield None
        return
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "several processes need Dask; type: pip install 'groklst[dask]'"
        ) from error
    for logger in ("distributed", "distributed.client"):  # errors become one line of groklst
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    if request.scheduler is not None:
        try:
            client = distributed.Client(request.scheduler, timeout=_ANSWER)
            client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise DeviceError(f"--scheduler {request.scheduler}: {error}") from error
        note(f"{len(client.scheduler_info()['workers'])} workers at {request.scheduler}")
        with client:
            yield Cluster(client)
        return
    with (
        distributed.LocalCluster(
            n_workers=request.processes,
            threads_per_worker=1,
            memory_limit=0,  # rows are stored on disk, not in Dask
            dashboard_address="localhost:0",
            silence_logs=logging.ERROR,
        ) as local,
        distributed.Client(local) as client,
    ):
        note(f"{request.processes} local workers")
        yield Cluster(client)


def predict_group(task: Task, name: str, folder: str, strip: Strip, group: range) -> int:
    """Predict a group of rows of tiles into the job's folder; return how many tiles they had."""
    with gdal_environment(online=task.request.online):
        inputs, ready = _opened(task)
        parts = Parts(Path(folder), name)
        shapes = {row: ready.layout.row_shape(row, strip, ready.plan.scale) for row in group}
        if all(parts.done(row, shape) for row, shape in shapes.items()):
            # by a worker that was lost before it could report it
            return len(group) * len(ready.layout.columns_of(strip))
        method = ready.method
        if name == "deviation":
            spread = ready.spread
            assert spread is not None
            method = spread.of(method)
        tiles = 0

        def count(done: int) -> None:
            nonlocal tiles
            tiles += done

        for row, fine in ready.tile_rows(strip, [group], method=method, on_tiles=count):
            inputs.check()
            parts.save(row, fine)
    return tiles


@lru_cache(maxsize=1)
def _opened(task: Task) -> tuple[Inputs, Ready]:
    """Open the files once in each worker process."""
    request, work = task.request, task.work
    place, threads = _place_of_worker()
    refuse_other_files(task)
    inputs = Inputs.of(request)
    refuse_more_files(task, inputs)
    scene = open_scene(
        request, request.lst, request.guides, masks=request.masks, masked=work.plan.masked
    )
    move_guides(scene, work.shifts)
    if work.fitted is None:
        keep_freed_memory()
    own = max(1, work.threads // request.processes) if request.processes else threads
    device = request.devices[place % len(request.devices)]
    return inputs, work.ready(scene, own=own, device=device)


def refuse_other_files(task: Task) -> None:
    """Check that this process reads the same files as the process that started the run.

    Modification times are ignored, because copies have their own.

    Raises:
        OtherFileError: If one is missing here or has other contents.
    """
    for path, contents in task.contents.items():
        if not path.is_file():
            raise _other_file(path, "it does not exist there")
        if (difference := Contents.of(path).differs_from(contents)) is not None:
            raise _other_file(path, difference)


def refuse_more_files(task: Task, inputs: Inputs) -> None:
    """Check that there are no companions next to the inputs here that the run does not have.

    Raises:
        OtherFileError: If there is one.
    """
    for path in inputs.paths:
        if path not in task.contents:
            raise _other_file(path, "it does not exist where the run was started")


def _other_file(path: Path, what: str) -> OtherFileError:
    return OtherFileError(
        f"the worker on {gethostname()} reads another {path} than this run: {what}; put the same "
        "files under the same paths on all workers, then add --resume"
    )


def _place_of_worker() -> tuple[int, int]:
    """Return the number of this worker in its cluster, and its threads."""
    from distributed import get_worker

    worker: Any = get_worker()
    name = str(worker.name)
    return int(name) if name.isdigit() else 0, int(worker.state.nthreads)


def _hold(task: Task) -> Task:
    return task
