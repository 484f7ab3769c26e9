"""What a GPU makes of groklst: one command for a machine that is there for some minutes.

``python benchmarks/gpu.py [--out DIR] [--device cuda] [--minutes 8] [--only STEP …]`` takes step
after step, each in a process of its own with its own time limit, and keeps every row that a step
has found in ``DIR/gpu.json``; the same command goes on after an abort, and skips what is done. A
step is left out, with the reason in the file, where a package that it needs cannot be imported or
the minutes that are left would not do; one that fails leaves its last words there and keeps no
other from running. At the end it writes all rows as Markdown tables to ``DIR/gpu.md``.
``docs/gpu.md`` tells what to take along to a machine without network.

``--device cpu --tiny`` rehearses it: every step to its end, with networks and scenes so small that
the figures mean nothing.
"""

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

from gpu_record import Record
from gpu_setting import Setting, conditions
from gpu_steps import STEPS, Step
from gpu_table import markdown

PATIENCE = 10
"""How many times its limit a step of a rehearsal may take, on whatever machine that is."""
LEAST = 5.0
"""Seconds; no step of a rehearsal is begun with fewer left."""


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu_results"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--only", nargs="*", choices=STEPS, default=[])
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args()


def write_rows(step: Step, setting: Setting, rows: Path) -> None:
    """Carry out one step in this process and write each row as soon as it is found."""
    with open(rows, "a", encoding="utf-8") as file:
        for row in step.rows(setting):
            file.write(json.dumps(row) + "\n")
            file.flush()


def run_steps(steps: list[Step], ends: float, setting: Setting, record: Record) -> None:
    """Take every step that is not done yet and fits into the time that is left."""
    for step in steps:
        if record.is_done(step.name):
            continue
        reason = reason_to_skip(step, ends - time.monotonic(), setting)
        if reason:
            state = record.skip(step.name, reason)
        else:
            limit = min(ends - time.monotonic(), step.limit * (PATIENCE if setting.tiny else 1))
            known = record.rows_of(step.name) if step.goes_on else ()
            work = partial(write_rows, step, setting.knowing(known))
            state = record.run(step.name, work, limit, known)
        print(f"{step.name}: {state}", file=sys.stderr, flush=True)


def reason_to_skip(step: Step, left: float, setting: Setting) -> str:
    """Say why a step cannot be taken with so many seconds left; nothing if it can."""
    missing = step.missing()
    if missing:
        return f"{missing}; docs/gpu.md tells how wheels are carried"
    usual = LEAST if setting.tiny else step.usual
    if left < usual:
        return f"it takes about {usual:.0f} s, and {max(left, 0):.0f} s were left"
    return ""


def main() -> None:
    """Run, write, print."""
    began = time.monotonic()
    options = parse()
    setting = Setting(options.device, options.tiny)
    record = Record.open(options.out / "gpu.json", conditions(setting))
    steps = [STEPS[name] for name in options.only or STEPS]
    run_steps(steps, began + 60 * options.minutes, setting, record)
    text = markdown(record.content)
    (options.out / "gpu.md").write_text(text, encoding="utf-8")
    print(text)
    sys.exit(not all(record.is_done(step.name) for step in steps))


if __name__ == "__main__":
    main()
