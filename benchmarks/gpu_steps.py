"""The GPU benchmark's steps, in order, each with its time limit and the packages that it needs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gpu_setting import ROOT, Setting

Row = dict[str, Any]

_RASTERS = ("rasterio", "pyproj", "affine", "filelock")
_TRAINING = (*_RASTERS, "lightning_fabric", "h5py")


@dataclass(frozen=True)
class Step:
    """A part of the benchmark.

    Attributes:
        name: As ``--only`` takes it.
        where: ``module:function`` that yields its rows; imported when the step begins, so that a
            package that is not there keeps no other step from running.
        usual: Seconds that it takes on an H100; it is not begun with fewer left.
        limit: Seconds after which it is ended.
        needs: Packages beside torch, numpy, scipy and scikit-learn.
        goes_on: Whether it leaves out what it has found before it was cut short.
    """

    name: str
    where: str
    usual: float
    limit: float
    needs: tuple[str, ...] = ()
    goes_on: bool = False

    def rows(self, setting: Setting) -> Iterator[Row]:
        """Find the rows."""
        module, _, name = self.where.partition(":")
        found: Iterator[Row] = getattr(import_module(module), name)(setting)
        return found

    def missing(self) -> str:
        """Name the first package that cannot be imported, and why; nothing if all can."""
        for name in self.needs:
            try:
                import_module(name)
            except (ImportError, OSError) as error:
                return f"{name} cannot be imported ({' '.join(str(error).split())[:100]})"
        return ""


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
    Step("doctor", "gpu_steps:doctor", 10, 60, ("typer", "rich", *_RASTERS)),
    Step("tests", "gpu_steps:gpu_tests", 75, 150, ("pytest", *_TRAINING)),
    Step("forward", "gpu_forward:forward", 60, 90, goes_on=True),
    Step("end_to_end", "gpu_scenes:end_to_end", 60, 120, _RASTERS),
    Step("fitted", "gpu_fitted:fitted", 60, 90, goes_on=True),
    Step("same_bits", "gpu_scenes:same_bits", 40, 75, _RASTERS),
    Step("training", "gpu_training:training", 50, 90, _TRAINING, goes_on=True),
    Step("networks", "gpu_networks:networks", 75, 120, goes_on=True),
    Step("compiled", "gpu_forward:compiled", 80, 120, goes_on=True),
    Step("resumed", "gpu_training:resumed", 30, 60, _TRAINING),
    Step("out_of_memory", "gpu_scenes:out_of_memory", 20, 45, _RASTERS),
    Step("profile", "gpu_profile:profile", 20, 40),
)
STEPS = {step.name: step for step in _STEPS}
"""By name, in the order of what one would like to know first."""
