"""Where a training run's options come from: recipes, TOML files, flags and ``--set``."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from groklst_cli.errors import InputError, UsageError
from groklst_cli.geo.private import refuse_shared
from groklst_cli.pipeline.train.first_weights import FirstWeights
from groklst_cli.pipeline.train.options import TrainOptions, flag
from groklst_cli.pipeline.train.paper_recipes import PAPER, paper_values

OPTIONS: Final = "options.toml"
"""The file in a run's folder that holds its options."""

RECIPES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "published": {},
        "local": {
            "crop": 128,
            "augment": True,
            "gain_jitter": 0.02,
            "lst_center": "tile",
            "trend": True,
            "conserve": True,
            "batch": 1,
            "steps": 1_000,
            "loss": "huber",
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "schedule": "cosine",
            "warmup": 50,
            "clip": 1.0,
            "ema": 0.99,
            "validate_every": 100,
            "save_every": 100,
            "picture_every": 500,
        },
    }
)
"""Values that differ from the published recipe; ``local`` is for few scenes and little time.

A third recipe, ``paper``, is another for each network.
"""


def assemble(
    values: Mapping[str, Any], sets: Sequence[str] = (), *, start: TrainOptions | None = None
) -> TrainOptions:
    """Put options together: a recipe, what first weights settle, values, then ``--set`` texts.

    Args:
        values: By option, as a TOML file holds them.
        sets: Texts ``key=value``, the value in TOML or a bare word.
        start: What to start from instead of a recipe.

    Raises:
        UsageError: If an option is unknown, has a value of the wrong type or does not fit the
            weights that the run is to start from.
        InputError: If these cannot be read.
    """
    given = dict(values)
    arguments = dict(given.pop("arguments", {}))
    for text in sets:
        key, value = parse_set(text)
        if key.startswith("arguments."):
            arguments[key.removeprefix("arguments.")] = value
        else:
            given[key] = value
    base = start if start is not None else TrainOptions()
    recipe = given.get("recipe", base.recipe)
    if recipe not in (*RECIPES, PAPER):
        raise UsageError(f"--recipe {recipe} is not one of {', '.join((*RECIPES, PAPER))}")
    asked = {key: _convert(key, value) for key, value in given.items()}
    first = FirstWeights.find(asked["init"]) if asked.get("init") and start is None else None
    settled = first.settled() if first is not None else {}
    begun = {} if start is not None else _values_of(recipe, replace(base, **{**settled, **asked}))
    if first is not None:
        begun |= {**settled, **first.usual()}
    if arguments:
        asked["arguments"] = {**base.arguments, **begun.get("arguments", {}), **arguments}
    chosen = replace(base, **{**begun, **asked})
    if first is not None:
        first.check(chosen)
    return chosen


def _values_of(recipe: str, asked: TrainOptions) -> dict[str, Any]:
    """Look up what a recipe says of a network at a scale."""
    values = paper_values(asked.network, asked.scale) if recipe == PAPER else RECIPES[recipe]
    return {key: _convert(key, value) for key, value in values.items()}


def collect(
    config: Path | None, flags: Mapping[str, Any], sets: Sequence[str], *, resume: bool = False
) -> TrainOptions:
    """Put a run's options together: recipe, file, flags, ``--set``; each goes before the last.

    Args:
        config: A TOML file.
        flags: Options that have a flag of their own.
        sets: Texts ``key=value``.
        resume: Whether to start from the options that the run's folder holds.

    Raises:
        UsageError: If an option is unknown or impossible.
        InputError: If a file cannot be read.
    """
    named = read_config(config) if config is not None else {}
    start = None
    if resume:
        folder = Path({**named, **flags}.get("out", TrainOptions().out))
        if folder.is_dir():
            refuse_shared(
                folder, advice="copy the run to a folder of your own, and resume it there"
            )
        start = assemble(read_config(folder / OPTIONS), start=TrainOptions())
    chosen = assemble({**named, **flags}, sets, start=start)
    if config is not None and not resume:
        from groklst_cli.geo.targets import spare  # which waits for rasterio

        spare([Path(chosen.out) / OPTIONS], [config])
    return chosen


def read_config(path: Path) -> dict[str, Any]:
    """Read a TOML file of options.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # too many digits, lists too deep
        raise InputError(
            f"{path} cannot be read as TOML: {error}; groklst train --print-config prints a valid "
            "file"
        ) from error


def parse_set(text: str) -> tuple[str, Any]:
    """Read ``key=value``; the value is TOML, or a bare word that is taken as text.

    Raises:
        UsageError: If it is not of that form.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UsageError(f"--set {text} is not key=value, as in --set batch=8")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value


def _convert(key: str, value: Any) -> Any:
    """Take a value of a fitting type.

    Raises:
        UsageError: If there is no such option, or its type is another.
    """
    hints = get_type_hints(TrainOptions)
    if key not in hints:
        raise UsageError(f"there is no option {key!r}; options are {', '.join(hints)}")
    wanted = hints[key]
    choices = get_args(wanted) if get_origin(wanted) is Literal else ()
    if choices:
        if value in choices:
            return value
        raise UsageError(f"{flag(key)} is {value!r}, expected one of {', '.join(choices)}")
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(wanted) is tuple:
        several = _several(value, get_args(wanted)[0])
        if several is not None:
            return several
    elif get_origin(wanted) is not None:
        if isinstance(value, Mapping):
            return dict(value)
    elif type(value) is wanted:
        return value
    raise UsageError(f"{flag(key)} is {value!r}, expected {getattr(wanted, '__name__', wanted)}")


def _several(value: Any, kind: type[Any]) -> tuple[Any, ...] | None:
    """Take a list, or a text with commas, of values of one type; None if it is none."""
    parts = [part for part in value.split(",") if part] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return None
    if kind is int and isinstance(value, str):
        parts = [int(part) if part.isdecimal() else part for part in parts]
    return tuple(parts) if all(type(part) is kind for part in parts) else None
