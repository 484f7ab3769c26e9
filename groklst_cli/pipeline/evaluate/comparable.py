"""When published scores are comparable with ours.

They are if everything else is the same: the whole test split at the same scale, and the same
method. If something differs, a clause says what.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from groklst_cli.data.groklst_dataset import BANDS, GrokLST
from groklst_cli.data.patches import PatchSource
from groklst_cli.errors import InputError
from groklst_cli.pipeline.evaluate.contenders import Contender
from groklst_cli.pipeline.evaluate.published import (
    Beside,
    Published,
    PublishedMethod,
    published_methods,
)
from groklst_cli.pipeline.predict.choice import header_of
from groklst_models.checkpoint import Header
from groklst_models.registry import find

TILES: Final = 641
"""Number of tiles of the published dataset, all splits together."""
TEST_TILES: Final = range(191, 195)
"""Number of test tiles: three tenths, for both ways of rounding."""
SIDE: Final = 512
"""Of a tile, fine pixels."""

_SPLIT: Final = "test"
_TRAINING_ONLY: Final = frozenset(("drop_path",))
"""Arguments that only affect training, not what a trained network computes."""
_OF_ONE_DRAW: Final = frozenset(("pgdm",))
"""Networks with random answers, whose published figures are of one sample each."""


def published_beside(patches: PatchSource, contenders: Sequence[Contender]) -> Beside:
    """Find the published figures that are comparable with those of some methods.

    Args:
        patches: The patches that methods are scored on.
        contenders: The methods.

    Raises:
        GroklstError: If a checkpoint cannot be read.
    """
    figures: dict[str, Published] = {}
    missing: list[str] = []
    if not isinstance(patches, GrokLST):
        return Beside()
    other = _other_data(patches)
    for contender in contenders:
        with contender.named():
            header = header_of(contender.model)
        row = published_methods().get(contender.model if header is None else header.network)
        if row is None:
            continue
        if other:
            return Beside(missing=[f"no published figures: {other}"])
        apart = "" if header is None else _other_network(header, contender, row)
        if patches.scale not in row.at:
            missing.append(f"{contender.label}: none are published for {row.name} ×{patches.scale}")
        elif apart:
            missing.append(f"{contender.label} is not {row.name} as published: {apart}")
        else:
            figures[contender.label] = row.at[patches.scale]
    return Beside(figures, missing)


def _other_data(patches: GrokLST) -> str:
    """Return how a dataset differs from the published one, or nothing."""
    if patches.split != _SPLIT:
        return f"they are for split {_SPLIT}, this is split {patches.split}"
    if patches.tiles != TILES or len(patches) not in TEST_TILES:
        return (
            f"they are for the whole dataset, {TILES} tiles of which three tenths are for the "
            f"test; here {len(patches)} of {patches.tiles} tiles are tested"
        )
    try:
        height, width = (size * patches.scale for size in patches.sides())
    except InputError:  # a tile that cannot be read fails in the run and is reported there
        return ""
    if (height, width) != (SIDE, SIDE):
        return f"they are for tiles of {SIDE} × {SIDE} pixels, these have {height} × {width}"
    return ""


def _other_network(header: Header, contender: Contender, row: PublishedMethod) -> str:
    """Return how a checkpoint differs from the published network, or nothing."""
    defaults = _defaults(header.network)
    scored, ours = {**defaults, **row.arguments}, {**defaults, **header.arguments}
    for name in ours.keys() - _TRAINING_ONLY:
        if _listed(ours[name]) != _listed(scored.get(name)):
            return f"{name} is {ours[name]!s:.60} here and {scored.get(name)} there"
    if contender.conserve == "kelvin" or (contender.conserve == "auto" and header.conserve):
        return "coarse means are conserved; append ':raw' to run it without conservation"
    if contender.samples > 1 and header.network in _OF_ONE_DRAW:
        return f"it is the mean of {contender.samples} samples here and of one there"
    bands = header.normalization.band_names
    if bands and (set(bands) != set(BANDS) or header.normalization.optional_bands):
        return f"it was trained for bands {', '.join(bands)}, not for all ten of the dataset"
    if header.normalization.trend:
        return "it refines a regression on the bands first"
    data = header.training.get("data")
    if isinstance(data, Mapping) and data.get("kind") != "GrokLST":
        return "it was trained on other data"
    return ""


def _defaults(network: str) -> dict[str, Any]:
    parameters = inspect.signature(find(network).load()).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _listed(value: Any) -> Any:
    """Convert tuples to lists, so that defaults compare with headers."""
    return list(value) if isinstance(value, tuple) else value
