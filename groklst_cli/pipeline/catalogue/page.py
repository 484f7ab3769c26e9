"""The catalogue of methods as a Markdown page."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from groklst_models.accounting import (
    BENCHMARK_CHANNELS,
    count_operations,
    count_parameters,
    speeds,
)
from groklst_models.registry import REGISTRY, Entry
from groklst_models.toolkit import published_form

_SCALES: Final = (2, 4, 8)
_HEAD: Final = """\
| key | network | paper | parameters ×2 | ×4 | ×8 | 10⁹ operations | whole tile | time |
|---|---|---|---:|---:|---:|---:|---|---:|
"""


def catalogue_page() -> str:
    """Write the page; it takes seconds, because the costs of every network are computed."""
    shelves: dict[str, list[Entry]] = {"guided": [], "single": [], "fitted": []}
    for entry in REGISTRY.values():
        shelves[entry.shelf].append(entry)
    page = (
        files("groklst_cli.pipeline.catalogue").joinpath("catalogue.md").read_text(encoding="utf-8")
    )
    return page.format(
        channels=BENCHMARK_CHANNELS,
        conditions=speeds().conditions,
        guided=_HEAD + _lines(map(_network, shelves["guided"])),
        single=_HEAD + _lines(map(_network, shelves["single"])),
        published=_lines(map(_published, shelves["guided"] + shelves["single"])),
        fitted=_lines(map(_fitted, shelves["fitted"])),
    )


def _network(entry: Entry) -> str:
    ratio = speeds().ratio.get(entry.name)
    cells = [
        f"`{entry.name}`",
        entry.title,
        entry.paper,
        *(f"{count_parameters(entry.name, scale):,}" for scale in _SCALES),
        _three_digits(count_operations(entry.name, _SCALES[-1]) / 1e9),
        "yes" if entry.load().sees_whole_tile else "no",
        "not measured" if ratio is None else _three_digits(ratio),
    ]
    return f"| {' | '.join(cells)} |"


def _published(entry: Entry) -> str:
    form = published_form(entry.name, scale=_SCALES[-1], guide_channels=BENCHMARK_CHANNELS)
    told = form.differs and f"`--accept-differences`: {form.differs}"
    return f"| `{entry.name}` | {form.code} | {told or form.note} |"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _fitted(entry: Entry) -> str:
    method = entry.load()
    guidance = (
        "needs it" if method.needs_guide else "uses it" if method.uses_guide else "ignores it"
    )
    where = "any" if entry.any_device else "CPU"
    return f"| `{entry.name}` | {entry.title} | {entry.paper} | {guidance} | {where} |"


def _lines(rows: Iterable[str]) -> str:
    return "\n".join(rows)
