"""Scenes side by side, each in a process of its own, so that none can spoil another.

A lane is a process that makes one scene after another. Threads are shared among lanes: many small
scenes are computed on one thread each, which no other has to wait for.
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
"""Scenes that may be over before one that was begun earlier is."""

_GRACE: Final = 20.0
"""Seconds in which a process that is told to stop has to leave."""


def lanes_for(requests: Collection[Request]) -> int:
    """Tell how many scenes to make at a time: as many as there are threads, if memory allows.

    One at a time where other processes share the work of each, or a network needs a GPU.
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
    """Carry out requests, several at a time; each map has the bits that it would have alone.

    Args:
        requests: What to do; they agree about the number of threads.
        lanes: How many at a time.
        note: Told, for people, what is worth knowing, each line led by its scene's name.
        progress: Told how many scenes are over; of a single lane, how far each scene is.

    Yields:
        What became of each, in the order of the requests; when interrupted, the scenes that were
        finished out of turn as well, before the interruption is raised. One whose file takes its
        place in that very moment may be missing.

    Raises:
        UsageError: If two of them would write one file, or one would write what another reads;
            nothing has been done then.
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
    """A process that makes one scene after another."""

    def __init__(self, jobs: int, own: int) -> None:
        """Start it, with the threads that a scene alone has, and those that are its own."""
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
        """Have it make a scene."""
        self.scene = number, request
        try:
            self.connection.send(request)
        except OSError:  # it died while it had nothing to do
            self._start_anew()
            self.connection.send(request)

    def hear(self) -> SceneOutcome | str:
        """Take what it says next: a note, or what became of its scene."""
        assert self.scene is not None
        try:
            said: SceneOutcome | str = self.connection.recv()
        except (EOFError, OSError):
            said = SceneOutcome(self.scene[1], "failed", {}, self._loss())
            self._start_anew()
        return said

    def stop(self) -> None:
        """Tell it to stop, wherever it is."""
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
        """Wait until it has left; one that has nothing to do leaves when nobody can speak to it."""
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
    """Keep the lanes busy, and bring what becomes of scenes in the scenes' order.

    ``over`` holds what is over but not yet brought, since a scene before it is not over.
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
    """Make the scenes that come in, until there are no more, or somebody says stop."""
    import torch  # which the process that hands the scenes out has no use for

    signal.signal(signal.SIGTERM, _stopped)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stopped)
    torch.set_num_threads(jobs)
    told = Lock()

    def say(what: SceneOutcome | str) -> None:
        with told:  # notes come from several threads
            connection.send(what)

    with suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            request = connection.recv()
            say(_portable(attempt(request, own=own, note=say)))


def _stopped(number: int, frame: FrameType | None) -> None:
    """Stop once: a second signal must not disturb how the first is heeded."""
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _portable(outcome: SceneOutcome) -> SceneOutcome:
    """Let a failure be told elsewhere as it would be here, and where it happened with it."""
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
    """Tell whether a method is to run where scenes would share a device."""
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
    except GroklstError:  # which is told in the scene's turn
        return False
