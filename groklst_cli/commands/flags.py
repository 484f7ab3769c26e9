"""Flags of a command, made from the options of dataclasses."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from groklst_cli.commands import completion
from groklst_cli.pipeline.predict.option import Option, defaults_of, options_of

Command = Callable[..., None]


def takes_options(*owners: type) -> Callable[[Command], Command]:
    """Give a command a flag for every option of some dataclasses.

    The command itself takes their values, by the names of their fields, as ``chosen``; Typer sees
    the flags in that argument's place.
    """
    described = options_of(*owners)
    defaults = defaults_of(*owners)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            typed = {name: given.pop(name) for name in described}
            command(**given, chosen=_values(described, defaults, typed))

        own = inspect.signature(command, eval_str=True).parameters
        flags = [_flag(name, described[name], defaults[name]) for name in described]
        parameters = [
            made
            for name, parameter in own.items()
            for made in (flags if name == "chosen" else [parameter])
        ]
        hints = {made.name: made.annotation for made in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = hints
        return run

    return decorate


def flag_of(option: Option) -> Any:
    """Describe an option as Typer has it, for an ``Annotated`` type."""
    return typer.Option(
        *option.flags,
        metavar=option.metavar,
        help=option.help,
        min=option.low,
        max=option.high,
        autocompletion=completion.words(option.words) if option.words else None,
    )


def _flag(name: str, option: Option, default: Any) -> inspect.Parameter:
    """Describe an option as a parameter that Typer understands."""
    shown = option.shown if option.shown is not None else default
    if option.kind == list[str]:
        shown = None
    kind = option.kind if shown is not None else option.kind | None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=shown,
        annotation=Annotated[kind, flag_of(option)],
    )


def _values(
    described: Mapping[str, Option], defaults: Mapping[str, Any], typed: Mapping[str, Any]
) -> dict[str, Any]:
    """Turn what was typed into the options' values."""
    return {name: _value(option, defaults[name], typed[name]) for name, option in described.items()}


def _value(option: Option, default: Any, typed: Any) -> Any:
    if typed is None:
        return default
    if option.read is None or option.kind in (bool, int, float, Path):
        return typed
    if option.kind is str:
        return option.read(typed)
    if option.kind == list[str]:
        return dict(map(option.read, typed))
    return typed
