"""Recipes that networks' papers state for themselves, where they are not the benchmark's."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from groklst_cli.errors import UsageError

PAPER: Final = "paper"
"""What such a recipe is called."""


@dataclass(frozen=True)
class PaperRecipe:
    """How a paper trained its network.

    Attributes:
        paper: First author, venue and year.
        patch: Side of a patch, coarse pixels; 0 for whole ones.
        options: Other values that differ from the published recipe.
        beyond: What the options cannot say, or the paper does not; empty if there is nothing.
    """

    paper: str
    patch: int
    options: Mapping[str, Any]
    beyond: str


@cache
def paper_recipes() -> Mapping[str, PaperRecipe]:
    """Read the recipes, by the network's key."""
    text = files("groklst_cli.pipeline.train").joinpath("paper_recipes.toml").read_text("utf-8")
    return MappingProxyType(
        {
            key: PaperRecipe(
                facts["paper"], facts.get("patch", 0), facts["options"], facts.get("beyond", "")
            )
            for key, facts in tomllib.loads(text).items()
        }
    )


def paper_values(network: str, scale: int) -> dict[str, Any]:
    """Return the options' values of a paper's recipe.

    Args:
        network: The network's key.
        scale: Fine pixels along a coarse pixel.

    Raises:
        UsageError: If the network has no recipe of its own here.
    """
    recipes = paper_recipes()
    if network not in recipes:
        raise UsageError(
            f"--recipe {PAPER} is known only for {', '.join(sorted(recipes))}, not for {network}; "
            "use --recipe published, which the benchmark used for all networks"
        )
    recipe = recipes[network]
    return {**recipe.options, "crop": recipe.patch * scale}
