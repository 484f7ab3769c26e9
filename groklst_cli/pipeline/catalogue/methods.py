"""List and describe methods without importing torch or rasterio."""

import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from groklst_cli.errors import InputError, UsageError
from groklst_models.errors import ModelsError
from groklst_models.fusion_file import holds_fusion
from groklst_models.header import read_header
from groklst_models.published.told import TOLD
from groklst_models.registry import EXTRA, REGISTRY, Entry, find

_INSIDE: Final = ("where", "presets", "package", "guidance", "weights", "any_device")
"""Fields of an entry that users do not need."""


def list_methods() -> list[dict[str, Any]]:
    """List every method of the registry."""
    return [_method(name) for name in REGISTRY]


def describe(name: str) -> dict[str, Any]:
    """Describe a method by its key, or a checkpoint by its path.

    Raises:
        UsageError: If it is neither.
        InputError: If the file is not a checkpoint.
    """
    if name in REGISTRY:
        return {**_method(name), **_published(name)}
    if not os.path.isfile(name):
        raise UsageError(
            f"{name} is neither a method ({', '.join(REGISTRY)}) nor a file; groklst models "
            "lists the methods"
        )
    return checkpoint(name)


def checkpoint(text: str) -> dict[str, Any]:
    """Describe a checkpoint; its weights are compared with the network, which imports torch."""
    if holds_fusion(Path(text)):
        from groklst_cli.pipeline.catalogue.checkpoints import describe_fusion

        return describe_fusion(Path(text))
    try:
        read_header(Path(text))
    except ModelsError as error:
        raise InputError(str(error)) from error
    from groklst_cli.pipeline.catalogue.checkpoints import describe_checkpoint

    return describe_checkpoint(Path(text))


def _method(name: str) -> dict[str, Any]:
    entry = find(name)
    facts = {key: value for key, value in asdict(entry).items() if key not in _INSIDE}
    needs = "weights" if entry.needs_weights else "the scene itself"
    if entry.weights is not None:
        needs += "; its weights are installed"
    if entry.package is not None:
        needs += f", {EXTRA}"
    return {
        **facts,
        "needs": needs,
        "ready": "yes" if _is_ready(entry) else "no",
        "devices": "any" if entry.any_device else "CPU",
    }


def _is_ready(entry: Entry) -> bool:
    """Return whether a method can run here without weights."""
    if entry.needs_weights and entry.weights is None:
        return False
    return entry.package is None or find_spec(entry.package) is not None


def _published(name: str) -> dict[str, str]:
    """Return whose weights of a network can be imported, with remarks."""
    if not find(name).needs_weights:
        return {}
    published = TOLD[name]
    told = {"import": f"weights of {published.code}"}
    if published.differs:
        told["only_with"] = f"--accept-differences: {published.differs}"
    if published.note:
        told["note"] = published.note
    return told
