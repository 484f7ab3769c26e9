"""Everything that the pixels of a result depend on, by name, to detect changes later.

Every field of a request and of its sources is a fact, including fields that are added in future,
unless the option's description or a table here gives a reason why pixels do not depend on it.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final

import torch

from groklst_cli import __version__
from groklst_cli.geo.masks import MaskFile
from groklst_cli.geo.opening import BandSource
from groklst_cli.pipeline.downscale.inputs import Inputs
from groklst_cli.pipeline.downscale.request import Request
from groklst_cli.pipeline.predict.option import options_of
from groklst_cli.pipeline.predict.plan import Plan

_OPTIONS: Final = options_of(Request)

BESIDE_PIXELS: Final[Mapping[str, str]] = {
    "output": "the place of the pixels",
    "named": "who named that place",
    "provenance": "who asked for the pixels",
    "page": "the place of a page about the pixels",
    **{name: option.beside_pixels for name, option in _OPTIONS.items() if option.beside_pixels},
}
"""Fields of a request that pixels do not depend on, and the reasons."""

_TOLD_BY_OTHERS: Final = ("lst", "guides", "masks", "model")
"""Fields whose facts are the files' states and the method's tag."""


def facts_of(
    request: Request, plan: Plan, shifts: Mapping[str, tuple[float, float]], inputs: Inputs
) -> dict[str, str]:
    """Return everything that the pixels of a result depend on, by name."""
    guides = enumerate(request.guides, start=1)
    return {
        "the LST": _source(request.lst, inputs),
        **{f"guide {position}": _source(guide, inputs) for position, guide in guides},
        **_masks("mask", request.masks.lst, inputs),
        **_masks("guide mask", request.masks.guides, inputs),
        **inputs.facts(),
        "the method": plan.choice.tag,
        "the version": f"groklst {__version__}, torch {torch.__version__}, {platform.machine()}",
        "shifts of guides": str(dict(shifts)),
        "bands": str(plan.bands),
        "the target's grid": "the LST's own, refined" if plan.target is None else str(plan.target),
        **_options(request, plan),
    }


def _masks(what: str, masks: Sequence[MaskFile], inputs: Inputs) -> dict[str, str]:
    return {
        f"{what} {position}": f"{_source(mask.source, inputs)}, rule {mask.rule.text or 'none'}"
        for position, mask in enumerate(masks, start=1)
    }


def _options(request: Request, plan: Plan) -> dict[str, str]:
    """Return every option that matters, with the value from the plan if it was left open."""
    settled: dict[str, Any] = {
        "scale": plan.scale,
        "tile": plan.tile,
        "overlap": plan.overlap,
        "lst_units": plan.units,
        "resampling": dict(plan.resampling),
        "conserve": _kept(request, plan),
        "device": ", ".join(sorted({name.partition(":")[0] for name in request.devices})),
        "creation": dict(request.creation),
    }
    names = {field.name for field in fields(request)} - BESIDE_PIXELS.keys() - {*_TOLD_BY_OTHERS}
    return {
        _OPTIONS[name].flag if name in _OPTIONS else name: str(
            settled.get(name, getattr(request, name))
        )
        for name in sorted(names)
    }


def _kept(request: Request, plan: Plan) -> str:
    if plan.conservation is None:
        return "none"
    if request.conserve == "auto":
        return "what is believed"
    return "radiance" if plan.conservation.radiance else "kelvin"


def _source(source: BandSource, inputs: Inputs) -> str:
    """Describe a file and how to read it."""
    said = [
        f"{field.name} {value}"
        for field in fields(source)
        if field.name != "path" and (value := getattr(source, field.name)) != _default(field)
    ]
    return ", ".join([inputs.describe(source.path), *said])


def _default(field: Any) -> Any:
    return field.default_factory() if field.default is MISSING else field.default
