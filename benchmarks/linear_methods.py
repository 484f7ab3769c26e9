"""How fast the linear methods are on a large scene, and how much of that is reading and writing.

``python benchmarks/linear_methods.py [--side 4096] [--repeats 3]`` makes one scene with six guide
bands, downscales it with each method in a process of its own, and prints the fastest run's speed
with and without imports, and the shares of processor time that reading guides, writing rows and
making the cloud-optimised file take.
"""

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from made_scenes import command, make_scene

METHODS = ("ridge", "tsharp", "bicubic")


@dataclass(frozen=True)
class Run:
    """Seconds of one run; ``parts`` and ``processor`` are of all cores together."""

    whole: float
    without_imports: float
    processor: float
    parts: dict[str, float]

    def describe(self, method: str, side: int) -> str:
        """Say it in a line."""
        megapixels = side**2 / 1e6
        shares = ", ".join(f"{n} {s / self.processor:.0%}" for n, s in self.parts.items())
        return (
            f"{method}, {side}²: {self.whole:.1f} s, {megapixels / self.whole:.1f} Mpx/s; "
            f"{self.without_imports:.1f} s, {megapixels / self.without_imports:.1f} Mpx/s without "
            f"imports; of {self.processor:.1f} processor-seconds {shares}"
        )


def clocked(owner: type, name: str, clock: Callable[[], float], parts: dict[str, float], key: str):
    """Have a method add up its seconds."""
    method = getattr(owner, name)
    parts[key] = 0.0

    @functools.wraps(method)
    def timed(*given: Any, **named: Any) -> Any:
        began = clock()
        try:
            return method(*given, **named)
        finally:
            parts[key] += clock() - began

    setattr(owner, name, timed)


def run_here(arguments: list[str]) -> None:
    """Run the command in this process and print where the time went, as JSON."""
    from groklst_cli.app import app
    from groklst_cli.geo.align import GuideSource
    from groklst_cli.geo.writer import ResultFile

    parts: dict[str, float] = {}
    clocked(GuideSource, "read_into", time.thread_time, parts, "reading guides")
    clocked(ResultFile, "write", time.thread_time, parts, "writing rows")
    clocked(ResultFile, "finish", time.process_time, parts, "COG")  # nothing else runs then
    app(arguments, standalone_mode=False)
    print(json.dumps({"parts": parts, "processor": time.process_time()}))


def measure(arguments: list[str]) -> Run:
    """Run the command in a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--run", *arguments], capture_output=True, text=True, check=True
    )
    whole = time.perf_counter() - began
    *result, times = done.stdout.splitlines()
    return Run(whole, json.loads("\n".join(result))["seconds"], **json.loads(times))


def main() -> None:
    """Make the scene, run each method, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_scene(Path(name), options.side, options.side)
        for method in options.methods:
            arguments = command(Path(name), method, "--overwrite", "--json")[3:]
            runs = [measure(arguments) for _ in range(options.repeats)]
            print(min(runs, key=lambda run: run.whole).describe(method, options.side), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_here(sys.argv[2:])
    else:
        main()
