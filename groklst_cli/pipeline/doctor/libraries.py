"""The findings of the doctor, and its checks of groklst and the libraries that it needs."""

import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final, Literal

from groklst_cli import __version__
from groklst_cli.errors import words_of

_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*>=\s*([\d.]+)(?:.*extra == .(\w+))?")
_LACKING: Final = re.compile(r"(\S+\.so[.\d]*): cannot open")
_MODULES: Final = {
    "scikit-learn": "sklearn",
    "lightning-fabric": "lightning_fabric",
    "xgboost-cpu": "xgboost",
}
_BUILDS: Final = {"xgboost-cpu": "xgboost", "xgboost": "xgboost-cpu"}  # without and with CUDA
_EXTRAS: Final = ("boosting", "dask", "tensorboard")  # others are for developers of groklst
_OPTIONAL: Final = {
    "catboost": "the method catboost",
    "dask": "--workers and --scheduler",
    "lightgbm": "the method lightgbm",
    "tensorboard": "train's event files",
    "xgboost": "the method xgboost",
}

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        about: What was checked, a word or two.
        state: ``ok``, ``warning``, or ``wrong`` if groklst cannot work.
        found: What was found.
        mend: What to type or do to repair it, if anything.
    """

    about: str
    state: State
    found: str
    mend: str = ""


def check_program() -> Iterator[Finding]:
    """Report which groklst and which Python run."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("groklst", "ok", f"{__version__} on Python {python} ({sys.platform})")
    own, first = Path(sysconfig.get_path("scripts")), shutil.which("groklst")
    if first is None:
        mend = f"add {own} to PATH, or type {sys.executable} -m groklst_cli"
        yield Finding("PATH", "warning", "no folder on PATH has groklst", mend)
    elif Path(first).parent.resolve() != own.resolve():
        mend = f"put {own} first on PATH, or activate its environment"
        yield Finding("PATH", "warning", f"groklst is {first}, a different installation", mend)
    else:
        yield Finding("PATH", "ok", f"groklst is {first}")


def check_libraries() -> Iterator[Finding]:
    """Import every library that groklst needs, and compare its version with the lowest allowed."""
    try:
        lines = metadata.requires("groklst") or []
    except metadata.PackageNotFoundError:
        yield Finding("libraries", "warning", "groklst is not installed", "pip install .")
        return
    good, looked_at = [], set()
    for named, least, extra in (m.groups() for m in map(_REQUIREMENT.match, lines) if m):
        name = named if _version(named) else _BUILDS.get(named, named)
        if extra not in (None, *_EXTRAS) or _module_of(name) in looked_at:
            continue
        looked_at.add(_module_of(name))
        problem = _problem_of(name, least, extra)
        if problem is None:
            good.append(f"{name} {_version(name)}")
        else:
            yield problem
    yield Finding("libraries", "ok", ", ".join(good))


def _problem_of(name: str, least: str, extra: str | None) -> Finding | None:
    found, module = _version(name), _module_of(name)
    state: State = "wrong" if extra is None else "warning"
    if found is None and extra is not None:
        hint = f"pip install 'groklst[{extra}]'"
        return Finding(module, "ok", f"not installed; only {_OPTIONAL[module]} needs it", hint)
    if found is None:
        return Finding(name, "wrong", "not installed", f"pip install '{name}>={least}'")
    if _numbers(found) < _numbers(least):
        mend = f"pip install --upgrade '{name}>={least}'"
        return Finding(name, state, f"{found} is older than {least}", mend)
    try:
        import_module(module)
    except (ImportError, OSError, ValueError) as error:  # ValueError: built for another numpy
        mend = f"pip install --force-reinstall '{name}>={least}'"
        if lacking := _LACKING.search(str(error)):
            mend += (
                f"; if that does not help, install the system package that contains {lacking[1]}"
            )
        return Finding(name, state, f"{found} cannot be imported: {words_of(error)}", mend)
    return None


def _module_of(name: str) -> str:
    return _MODULES.get(name, name)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release numbers that a version starts with, as ``(2, 13)`` for ``2.13.0+cpu``."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def library(name: str) -> Any:
    """Import a library, or return None; `check_libraries` says why it failed."""
    try:
        return import_module(name)
    except (ImportError, OSError, ValueError):
        return None
