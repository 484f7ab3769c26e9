"""Published scores for the test split of the GrokLST dataset."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from groklst_cli.geo.metrics import plain

_SCALES: Final = {2: "x2", 4: "x4", 8: "x8"}


@dataclass(frozen=True)
class Published:
    """A method's published figures at one scale.

    Attributes:
        name: The method's, as the paper prints it.
        source: The paper, for people.
        scale: Fine pixels along a coarse pixel.
        figures: By the names of ``scoreboard.FIGURES``; figures that are not printed are missing.
        differs: How our method differs from the one that was scored; empty if it does not.
        doubt: Why the figures are doubtful; empty if they are not.
    """

    name: str
    source: str
    scale: int
    figures: Mapping[str, float]
    differs: str = ""
    doubt: str = ""

    @property
    def label(self) -> str:
        """The label of the figures in a table."""
        return f"{self.name}, published{' (doubtful)' if self.doubt else ''}"

    @property
    def remarks(self) -> list[str]:
        """Remarks for a comparison with our figures."""
        told = {"is doubtful": self.doubt, "differs": self.differs}
        return [f"{self.name} ×{self.scale} {what}: {why}" for what, why in told.items() if why]

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "scale": self.scale,
            **plain(dict(self.figures)),
            "differs": self.differs,
            "doubt": self.doubt,
        }


@dataclass(frozen=True)
class PublishedMethod:
    """A row of the table.

    Attributes:
        name: The method's, as the paper prints it.
        arguments: Arguments, in addition to defaults, with which our network is the one that was
            scored.
        recipe: The recipe of ``groklst train`` that trained it.
        training: Options that differ from that recipe, by scale.
        at: Its figures, by scale.
    """

    name: str
    arguments: Mapping[str, Any]
    recipe: str
    training: Mapping[int, Mapping[str, Any]]
    at: Mapping[int, Published]


@cache
def published_methods() -> Mapping[str, PublishedMethod]:
    """Read the table; rows are filed under our methods' keys."""
    text = files("groklst_cli.pipeline.evaluate").joinpath("published.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    return MappingProxyType(
        {key: _row(row, facts["sources"]) for key, row in facts["methods"].items()}
    )


def _row(row: Mapping[str, Any], sources: Mapping[str, str]) -> PublishedMethod:
    name, source, differs = row["name"], sources[row["source"]], row.get("differs", "")
    doubts, training = row.get("doubt", {}), row.get("training", {})
    at = {
        scale: Published(name, source, scale, row[key], differs, doubts.get(key, ""))
        for scale, key in _SCALES.items()
        if key in row
    }
    taken = {scale: training[key] for scale, key in _SCALES.items() if key in training}
    recipe = row.get("recipe", "published")
    return PublishedMethod(name, row.get("arguments", {}), recipe, taken, at)


@dataclass(frozen=True)
class Beside:
    """Published figures for an evaluation.

    Attributes:
        figures: By the contender's label.
        missing: Why others have none.
    """

    figures: Mapping[str, Published] = field(default_factory=lambda: MappingProxyType({}))
    missing: Sequence[str] = ()

    @property
    def remarks(self) -> list[str]:
        """Remarks about these figures, each a clause."""
        sources = [
            f"published: {one.source}; means over the tiles, as here"
            for one in self.figures.values()
        ]
        told = [remark for one in self.figures.values() for remark in one.remarks]
        return list(dict.fromkeys([*sources, *told, *self.missing]))

    def of_part(self, scored: int, tiles: int) -> "Beside":
        """Return the figures that remain comparable if only some tiles could be scored."""
        if scored == tiles or not self.figures:
            return self
        why = f"they are means over all tiles, but only {scored} of {tiles} were scored here"
        return Beside(missing=[f"no published figures: {why}"])

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        figures = {label: one.to_json() for label, one in self.figures.items()}
        return {"figures": figures, "remarks": self.remarks}
