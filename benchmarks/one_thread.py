"""Run groklst's commands on one thread, and count their processor time."""

import os
import resource
import subprocess
import sys


def groklst(*arguments: object) -> str:
    """Run a command on one thread and return what it prints on stdout."""
    command = [sys.executable, "-m", "groklst_cli", *map(str, arguments)]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def processor_time() -> float:
    """Return the processor time of all programs that were run so far, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
