"""A process that imports groklst once and forks a child for each command line it is told to run.

So hundreds of processes can be killed, starved and filled without waiting for imports. A child may
be given limits, and a fault: an action that strikes before or after the n-th call of a function.
"""

import contextlib
import importlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

_LONGEST = 60  # seconds, then SIGALRM ends a child that hangs

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fault:
    """What strikes, and when.

    Attributes:
        function: Whose call, as ``module:name`` or ``module:Class.name``.
        when: ``before`` or ``after`` the call.
        call: Which one, from 1.
        action: A name in ``ACTIONS``.
        path: What the action is about.
    """

    function: str
    when: str = "before"
    call: int = 1
    action: str = "kill"
    path: str = ""


@dataclass(frozen=True)
class Ended:
    """How a child ended."""

    code: int
    out: str
    err: str


@dataclass
class Children:
    """The process that forks; used as a context manager."""

    process: Any = field(default=None)

    def __enter__(self) -> Self:
        path = os.pathsep.join([str(ROOT), str(ROOT / "models")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.children"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        )
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def run(self, *argv: object, fault: Fault | None = None, **limits: int) -> Ended:
        """Run a command line.

        Args:
            argv: After ``groklst``.
            fault: What strikes.
            limits: Of ``resource``, as ``FSIZE=4096``; ``AS`` counts from what is in use.
        """
        order = {
            "argv": [str(a) for a in argv],
            "fault": vars(fault) if fault else None,
            "limits": limits,
        }
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


def kill(path: Path) -> None:
    os._exit(137)


def terminate(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def starve(path: Path) -> None:
    raise MemoryError("Unable to allocate 3. TiB for an array")


def starve_torch(path: Path) -> None:
    import torch

    torch.empty(2**60, dtype=torch.uint8)


def starve_cuda(path: Path) -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB")


def append(path: Path) -> None:
    with open(path, "ab") as opened:
        opened.write(b"\0")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Write the same number of other bytes."""
    path.write_bytes(path.read_bytes()[::-1])


def replace(path: Path) -> None:
    """Put an equal file, as old, in its place."""
    found, other = path.stat(), path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(other, path)


def remove(path: Path) -> None:
    path.unlink()


ACTIONS = {
    action.__name__: action
    for action in (
        *(kill, terminate, starve, starve_torch, starve_cuda),
        *(append, truncate, rewrite, replace, remove),
    )
}


def plant(fault: Fault) -> None:
    """Put an action before or after a function's n-th call."""
    module, _, name = fault.function.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, name = name.split(".")
    for inner in classes:
        owner = getattr(owner, inner)
    function, calls = getattr(owner, name), 0

    def struck(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        strikes = calls == fault.call
        if strikes and fault.when == "before":
            ACTIONS[fault.action](Path(fault.path))
        result = function(*arguments, **options)
        if strikes and fault.when == "after":
            ACTIONS[fault.action](Path(fault.path))
        return result

    setattr(owner, name, struck)


def limit(name: str, value: int) -> None:
    if name == "AS":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        value += pages * resource.getpagesize()
    resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def become(order: dict[str, Any]) -> None:
    """Be the child; never returns."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.alarm(_LONGEST)
        if order["fault"]:
            plant(Fault(**order["fault"]))
        for name, value in order["limits"].items():
            limit(name, value)
        sys.argv = ["groklst", *order["argv"]]
        from groklst_cli.__main__ import main

        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


IMPORTED = (
    "groklst_cli.commands.many_scenes",
    "groklst_cli.pipeline.downscale.making",
    "groklst_models.fitted.best",
    "groklst_models.fitted.ridge",
    "pyproj",
    "scipy.ndimage",
)


def serve() -> None:
    """Fork a child for each line of stdin and answer with its exit code."""
    sys.argv = ["groklst", "downscale", "absent.tif", "-q"]
    with contextlib.redirect_stderr(io.StringIO()):
        importlib.import_module("groklst_cli.app").run()
    for name in IMPORTED:  # as a run does once nothing more can be refused
        importlib.import_module(name)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for line in sys.stdin:
        pipes = [os.pipe(), os.pipe()]
        child = os.fork()
        if child == 0:
            for number, (_, end) in enumerate(pipes, start=1):
                os.dup2(end, number)
            become(json.loads(line))
        told = []
        for reader, end in pipes:
            os.close(end)
            with open(reader, encoding="utf-8") as opened:
                told.append(opened.read())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"code": code, "out": told[0], "err": told[1]}), flush=True)


if __name__ == "__main__":
    serve()
