"""Damaged files by the thousand: every one has to be read, or refused by an error of ours.

``python benchmarks/fuzz.py [--seconds N] [--inputs N] [--seed S] [--reader NAME …]`` makes small
valid files, damages them, and reads them as the commands do, in a child process that may take
10 seconds and 2 GiB for an input. Any other exception, a crash of a library and a hang are
findings: their files are kept in ``--keep`` and the exit code is 1. Runs on Linux.
"""

import argparse
import multiprocessing
import random
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from fuzz_readers import READERS

from groklst_cli.errors import GroklstError
from groklst_cli.geo.environment import gdal_environment

LONGEST: Final = 10.0  # seconds an input
MEMORY: Final = 2 * 2**30  # bytes beyond what the libraries take
_FORK: Final = multiprocessing.get_context("fork")  # the libraries are loaded once


@dataclass(frozen=True)
class Told:
    """What a child says: of each input first that it is begun, then what became of it."""

    number: int
    path: Path
    what: str
    why: str = ""
    damaged: bytes = b""


def child(reader: str, seed: int, numbers: range, ends: float, tell: Connection) -> None:
    """Read damaged files one after another."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        targets = list(READERS[reader](Path(folder)))
        sound = [target.path.read_bytes() for target in targets]
        for target in targets:
            target.read()
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY,) * 2)
        for number in numbers:
            if time.monotonic() > ends:
                break
            draw = random.Random(f"{reader} {seed} {number}")
            place = draw.randrange(len(targets))
            target = targets[place]
            damaged = target.change(sound[place], draw)
            tell.send(Told(number, target.path, "begun", damaged=damaged))
            target.path.write_bytes(damaged)
            signal.setitimer(signal.ITIMER_REAL, LONGEST)  # unhandled, so it ends native code too
            what, why = "accepted", ""
            try:
                with gdal_environment():
                    target.read()
            except GroklstError:
                what = "refused"
            except Exception as error:
                what, why = "finding", _describe(error)
            signal.setitimer(signal.ITIMER_REAL, 0)
            tell.send(Told(number, target.path, what, why))
            target.path.write_bytes(sound[place])


def fuzz(reader: str, seed: int, inputs: int, seconds: float, keep: Path) -> Counter[str]:
    """Run children until all inputs are read or time is up; print what was found."""
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    ends, first, finished = time.monotonic() + seconds, 0, False
    while not finished and first < inputs and time.monotonic() < ends:
        listen, tell = _FORK.Pipe(duplex=False)
        running = _FORK.Process(target=child, args=(reader, seed, range(first, inputs), ends, tell))
        running.start()
        tell.close()
        begun = last = None
        try:
            while True:
                last = listen.recv()
                if last.what == "begun":
                    begun = last
                    continue
                counts[last.what] += 1
                if last.what == "finding":
                    _keep(keep, reader, begun, last.why, kinds)
        except EOFError:
            running.join()
        finished = running.exitcode == 0
        if begun is None or last is None:
            raise SystemExit(f"{reader} cannot begin: its sound files are refused")
        if not finished and last.what == "begun":  # it did not come back
            counts["finding"] += 1
            _keep(keep, reader, begun, f"ended by signal {-(running.exitcode or 0)}", kinds)
        first = begun.number + 1
    print(
        f"{reader:12} {sum(counts.values()):7} inputs {counts['refused']:7} refused "
        f"{counts['accepted']:7} accepted {counts['finding']:5} findings",
        flush=True,
    )
    return counts


def _describe(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [*frames[-1:], *(frame for frame in frames if "/groklst_" in frame.filename)][-1]
    where = f"{Path(ours.filename).name} line {ours.lineno}"
    return f"{type(error).__name__} by {where}: {' '.join(str(error).split())[:150]}"


def _keep(keep: Path, reader: str, begun: Told, why: str, kinds: Counter[str]) -> None:
    """Write an input out for a repeat, the first of each kind."""
    kind = why.split(": ")[0]
    kinds[kind] += 1
    if kinds[kind] > 1:
        return
    keep.mkdir(parents=True, exist_ok=True)
    kept = keep / f"{reader}-{begun.number}-{begun.path.name}"
    kept.write_bytes(begun.damaged)
    print(f"{reader} {begun.number} {begun.path}: {why} ({kept})", flush=True)


def main() -> None:
    """Fuzz the readers that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each reader")
    parser.add_argument("--inputs", type=int, default=10**9, help="for each reader, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", nargs="*", choices=READERS, default=list(READERS))
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    asked = parser.parse_args()
    found = [fuzz(r, asked.seed, asked.inputs, asked.seconds, asked.keep) for r in asked.reader]
    raise SystemExit(any(counts["finding"] for counts in found))


if __name__ == "__main__":
    main()
