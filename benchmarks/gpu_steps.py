"""The GPU benchmark's steps, in order, each with its time limit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpu_forward import compiled, forward
from gpu_networks import networks
from gpu_profile import profile
from gpu_scenes import end_to_end, out_of_memory, same_bits
from gpu_setting import ROOT, Setting
from gpu_training import resumed, training

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A part of the benchmark: what finds its rows, and the seconds that it may take."""

    name: str
    rows: Callable[[Setting], Iterator[Row]]
    limit: float


def doctor(setting: Setting) -> Iterator[Row]:
    """Let groklst look at the machine."""
    command = [sys.executable, "-m", "groklst_cli", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for finding in json.loads(done.stdout):
        yield {key: finding[key] for key in ("state", "about", "found")}


def gpu_tests(setting: Setting) -> Iterator[Row]:
    """Run the tests that need a GPU; other packages' plugins have no say in them."""
    where = [str(ROOT / "tests" / "models" / "test_mocolsk.py")] if setting.tiny else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", *where],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    for line in lines:
        if line.startswith(("FAILED", "ERROR", "E  ")):
            yield {"outcome": line}
    yield {"outcome": lines[-1] if lines else "", "exit code": done.returncode}


_STEPS = (
    Step("doctor", doctor, 90),
    Step("tests", gpu_tests, 120),
    Step("networks", networks, 120),
    Step("forward", forward, 75),
    Step("profile", profile, 40),
    Step("end_to_end", end_to_end, 120),
    Step("same_bits", same_bits, 75),
    Step("training", training, 90),
    Step("resumed", resumed, 60),
    Step("out_of_memory", out_of_memory, 45),
    Step("compiled", compiled, 100),
)
STEPS = {step.name: step for step in _STEPS}
"""By name. What the rest leans on comes first, what may take long for nothing last."""
