"""Downscale several scenes at a time, each in its own process, so that failures do not spread.

A lane is a process that downscales one scene after another. Lanes share the threads: many small
scenes are computed on one thread each, without waiting for others.
"""

import os
import pickle
import signal
import traceback
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from threading import Lock
from types import FrameType
from typing import Any, Final

from groklst_cli.errors import DeviceError, GroklstError, lacks_memory
from groklst_cli.geo.kept_open import keeping_open
from groklst_cli.pipeline.downscale.failure import in_one_line
from groklst_cli.pipeline.downscale.many_scenes import (
    SceneOutcome,
    attempt,
    downscale_many,
    refuse_collisions,
)
from groklst_cli.pipeline.downscale.memory import lanes_that_fit
from groklst_cli.pipeline.downscale.processes import context, usual_threads
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.choice import header_of
from groklst_cli.pipeline.predict.listeners import Note, Progress, silent, unwatched

_AHEAD: Final = 1000
"""Scenes that may finish before one that was started earlier."""

_GRACE: Final = 20.0
"""Seconds that a process gets to stop."""


def lanes_for(requests: Collection[Request]) -> int:
    """Return how many scenes to downscale at a time: one per thread, if memory allows.

    The answer is one if other processes share the work of each scene, or a network needs a GPU.
    """
    if len(requests) < 2:
        return 1
    first = next(iter(requests))
    most = min(len(requests), first.jobs or usual_threads())
    if most == 1 or first.shares_work or _needs_a_gpu(requests):
        return 1
    return lanes_that_fit(requests, most)


def downscale_scenes(
    requests: Collection[Request],
    lanes: int,
    *,
    note: Note = silent,
    progress: Progress = unwatched,
) -> Iterator[SceneOutcome]:
    """Run requests, several at a time; each result has the same bits as if run alone.

    Args:
        requests: What to do; they agree about the number of threads.
        lanes: Number of lanes.
        note: Called with messages, each starting with the name of its scene.
        progress: Called with the number of finished scenes, or with a single lane, the tiles of
            each.

    Yields:
        The outcome of each, in the order of the requests. When interrupted, also the scenes that
        finished out of order, before the interruption is raised. A scene whose file gets its name
        in that moment may be missing.

    Raises:
        UsageError: If two of them would write the same file, or one would write an input of
            another; nothing has been done then.
    """
    if lanes == 1:
        yield from downscale_many(requests, note=note, progress=progress)
        return
    refuse_collisions(requests)
    jobs = next(iter(requests)).jobs or usual_threads()
    own = max(1, jobs // lanes)
    note(f"{lanes} scenes at a time, on {own} thread{'s' if own > 1 else ''} each")
    crew: list[_Lane] = []
    over: dict[int, SceneOutcome] = {}
    try:
        for _ in range(lanes):
            crew.append(_Lane(jobs, own))
        yield from _in_order(requests, crew, over, note, progress)
    except GeneratorExit:
        raise
    except BaseException:
        for lane in crew:
            lane.stop()
        for lane in crew:
            over.update(lane.last_words())
        for number in sorted(over):
            yield over[number]
        raise
    finally:
        for lane in crew:
            lane.stop()
        for lane in crew:
            lane.leave()


class _Lane:
    """A process that downscales one scene after another."""

    def __init__(self, jobs: int, own: int) -> None:
        """Start it, with the threads of a scene that runs alone, and its own share."""
        self._threads = jobs, own
        self.scene: tuple[int, Request] | None = None
        self._start()

    def _start(self) -> None:
        making: Any = context()
        self.connection, theirs = making.Pipe()
        self._process = making.Process(
            target=_work, args=(theirs, *self._threads), daemon=True, name="groklst-lane"
        )
        self._process.start()
        theirs.close()

    def give(self, number: int, request: Request) -> None:
        """Send it a scene."""
        self.scene = number, request
        try:
            self.connection.send(request)
        except OSError:  # it died while idle
            self._start_anew()
            self.connection.send(request)

    def hear(self) -> SceneOutcome | str:
        """Receive its next message: a note, or the outcome of its scene."""
        assert self.scene is not None
        try:
            said: SceneOutcome | str = self.connection.recv()
        except (EOFError, OSError):
            said = SceneOutcome(self.scene[1], "failed", {}, self._loss())
            self._start_anew()
        return said

    def stop(self) -> None:
        """Tell it to stop immediately."""
        if self.scene is not None:
            self._process.terminate()

    def last_words(self) -> dict[int, SceneOutcome]:
        """Wait until it has stopped; return its scene if that was finished before."""
        finished: dict[int, SceneOutcome] = {}
        if self.scene is None:
            return finished
        number, request = self.scene
        with suppress(EOFError, OSError):
            while self.connection.poll(_GRACE):
                said = self.connection.recv()
                if not isinstance(said, str) and said.failure is None:
                    finished[number] = replace(said, request=request)
        return finished

    def leave(self) -> None:
        """Wait until it has ended; an idle process ends when its connection closes."""
        self.connection.close()
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start_anew(self) -> None:
        self.leave()
        self._start()

    def _loss(self) -> GroklstError:
        self._process.join(_GRACE)
        code = self._process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return GroklstError(
            f"its process died ({how}); it may have lacked memory: use fewer --jobs"
        )


def _in_order(
    requests: Collection[Request],
    crew: list[_Lane],
    over: dict[int, SceneOutcome],
    note: Note,
    progress: Progress,
) -> Iterator[SceneOutcome]:
    """Keep the lanes busy, and yield outcomes in the order of the scenes.

    ``over`` holds outcomes that wait for an earlier scene.
    """
    coming = enumerate(requests)
    told = 0

    def give(lane: _Lane) -> None:
        lane.scene = None
        if (found := next(coming, None)) is not None:
            number, request = found
            note(f"{request.lst.path}: scene {number + 1} of {len(requests)}")
            lane.give(number, request)

    for lane in crew:
        give(lane)
    while told < len(requests):
        busy = {lane.connection: lane for lane in crew if lane.scene is not None}
        for connection in wait(list(busy)):
            lane = busy[connection]
            assert lane.scene is not None
            number, request = lane.scene
            said = lane.hear()
            if isinstance(said, str):
                note(f"{request.lst.path}: {said}")
                continue
            over[number] = replace(said, request=request)
            lane.scene = None
            progress(told + len(over), len(requests))
        while told in over:
            yield over.pop(told)
            told += 1
        for lane in crew:
            if lane.scene is None and len(over) < _AHEAD:
                give(lane)


def _work(connection: "Connection[Any, Any]", jobs: int, own: int) -> None:
    """Downscale the scenes that are received, until there are no more or a stop is received."""
    import torch  # not needed by the main process

    signal.signal(signal.SIGTERM, _stopped)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stopped)
    torch.set_num_threads(jobs)
    told = Lock()

    def say(what: SceneOutcome | str) -> None:
        with told:  # notes come from several threads
            connection.send(what)

    with suppress(KeyboardInterrupt, EOFError, OSError), keeping_open():
        while True:
            request = connection.recv()
            say(_portable(attempt(request, own=own, note=say)))


def _stopped(number: int, frame: FrameType | None) -> None:
    """Stop once: a second signal must not disturb the handling of the first."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _portable(outcome: SceneOutcome) -> SceneOutcome:
    """Make a failure picklable, with its traceback, so that another process can report it."""
    error = outcome.failure
    if error is None:
        return outcome
    trace = "".join(traceback.format_exception(error))
    try:
        carried = pickle.loads(pickle.dumps(error))
        same = type(carried) is type(error) and in_one_line(carried) == in_one_line(error)
    except Exception:
        same = False
    if not same:
        kind = DeviceError if lacks_memory(error) else GroklstError
        error = kind(in_one_line(error))
    error.__cause__ = error.__context__ = None
    error.add_note(f"in process {os.getpid()}:\n{trace}")
    return SceneOutcome(outcome.request, outcome.status, outcome.facts, error)


def _needs_a_gpu(requests: Collection[Request]) -> bool:
    """Return whether a method runs on a device that scenes would have to share."""
    asked = {(request.model, request.device) for request in requests}
    return any(_is_elsewhere(model, device) for model, device in asked)


def _is_elsewhere(model: str, device: str) -> bool:
    try:
        fitted = header_of(model) is None
        if device == "cpu" or (fitted and device == "auto"):
            return False
        from groklst_cli.pipeline.predict.devices import find_device
        from groklst_cli.pipeline.predict.method import device_of_fitted

        if fitted:
            return device_of_fitted("best" if model == "auto" else model, device).type != "cpu"
        return find_device(device).type != "cpu"
    except GroklstError:  # reported when it is the scene's turn
        return False
