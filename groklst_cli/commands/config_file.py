"""Read and write the options of a command as TOML: ``--config`` and ``--print-config``.

The keys are the flags of the command. Values in the file replace defaults; flags on the command
line take precedence.
"""

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

import typer

from groklst_cli.errors import InputError, UsageError

_FILES: Final = "files"
_LSTS, _OUTPUT, _OUTPUT_FLAG = "lst", "output", "output_option"
_NOT_IN_FILES: Final = frozenset(("config", "print_config", "no_conserve", _FILES))
"""Options that only concern one call, or that another key sets."""

_NUMBERS: Final = (int, float)


@dataclass(frozen=True)
class Key:
    """A key of the file.

    Attributes:
        parameter: The command's, that it sets.
        kind: Type of the value: text, a path, a number, several of them, or a switch (``bool``).
        default: The default of the flag, as it is typed, or None.
        help: What it does, for people.
    """

    parameter: str
    kind: Any
    default: Any
    help: str


def keys_of(context: typer.Context, command: Callable[..., None]) -> dict[str, Key]:
    """Return the keys that a file may hold, in the order of the command's flags.

    Args:
        context: Of the command, whose flags Typer has made.
        command: Its signature says what they take.
    """
    lsts = "The coarse LST, or a scene folder; a list of them if out_dir is set."
    keys = {_LSTS: Key(_FILES, list[str], None, lsts)}
    signature = inspect.signature(command).parameters
    flags: Sequence[Any] = context.command.params
    for flag in flags:
        if flag.name not in signature or flag.name in _NOT_IN_FILES:
            continue
        long = next(word for word in flag.opts if word.startswith("--"))
        kind, *_ = get_args(signature[flag.name].annotation)
        key = long.removeprefix("--").replace("-", "_")
        keys[key] = Key(flag.name, _without_none(kind), flag.default, flag.help)
    return keys


def read_config(path: Path, keys: Mapping[str, Key]) -> dict[str, Any]:
    """Read the options in a file, as if they were typed.

    Returns:
        Values by the command's parameters.

    Raises:
        UsageError: If there is no such option, or its value is of another type.
        InputError: If the file cannot be read.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # too many digits, lists too deep
        raise InputError(
            f"{path} cannot be read as TOML: {error}; groklst downscale --print-config prints a "
            "valid file"
        ) from error
    found: dict[str, Any] = {}
    for written, value in said.items():
        name = written.replace("-", "_")
        if name not in keys:
            near = get_close_matches(name, keys, n=1, cutoff=0)[0]
            raise UsageError(
                f"{path}: there is no option {written!r}; the nearest is {near}; groklst "
                "downscale --print-config lists all options"
            )
        if keys[name].parameter in found:
            raise UsageError(f"{path}: {name} is set twice; set it once")
        found[keys[name].parameter] = _typed(path, name, keys[name].kind, value)
    return found


def to_toml(keys: Mapping[str, Key], values: Mapping[str, Any], *, unset: bool = True) -> str:
    """Write all options as a TOML file.

    Args:
        keys: Of the command.
        values: Values by the command's parameters.
        unset: Whether options that are not set are listed as comments.

    Raises:
        UsageError: If a file name is not valid text.
    """
    said = _in_one_place(values)
    lines = []
    for name, key in keys.items():
        value = said.get(key.parameter)
        if _is_set(value):
            lines.append(f"{name} = {_toml(value)}")
        elif unset:
            lines.append(f"# {name}: not set. {key.help}")
    return "\n".join(lines) + "\n"


def said_beside_defaults(keys: Mapping[str, Key], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return, by key, what differs from the defaults of the flags."""
    given = {
        name: (key, said[key.parameter]) for name, key in keys.items() if key.parameter in said
    }
    return {
        name: value
        for name, (key, value) in given.items()
        if _is_set(value) and not (_is_set(key.default) and _toml(value) == _toml(key.default))
    }


def _is_set(value: Any) -> bool:
    return value is not None and not (isinstance(value, list | tuple) and not value)


def _in_one_place(values: Mapping[str, Any]) -> dict[str, Any]:
    """Separate a single LST and its output, as the keys do."""
    files, output = list(values[_FILES] or ()), values[_OUTPUT_FLAG]
    if len(files) == 2 and output is None and values["out_dir"] is None:
        files, output = files[:1], files[1]
    return {**values, _FILES: files[0] if len(files) == 1 else files, _OUTPUT_FLAG: output}


def output_of(context: typer.Context) -> str | Path | None:
    """Return the output that an option names, unless it is from the file and another is typed.

    Raises:
        UsageError: If the file names several LSTs for one output.
    """
    files: Sequence[str] = context.params[_FILES] or ()
    output: str | Path | None = context.params[_OUTPUT_FLAG]
    if context.params["out_dir"] is not None:
        return output
    if len(files) > 1 and _is_of_file(context, _FILES):
        raise UsageError(
            f"lst names {len(files)} files; set out_dir to the folder for their results"
        )
    return None if len(files) == 2 and _is_of_file(context, _OUTPUT_FLAG) else output


def _is_of_file(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "DEFAULT_MAP"


def _without_none(kind: Any) -> Any:
    if not isinstance(kind, UnionType):
        return kind
    (only,) = (one for one in get_args(kind) if one is not type(None))
    return only


def _typed(path: Path, name: str, kind: Any, value: Any) -> Any:
    """Convert a value of the right type as Typer converts what is typed.

    Raises:
        UsageError: If its type is wrong.
    """
    is_number = type(value) in _NUMBERS
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and type(value) is int:
        return value
    if kind is float and is_number:
        return value
    if kind is str and (isinstance(value, str) or is_number):
        return str(value)
    if kind is Path and isinstance(value, str):
        return value
    if kind == list[str]:
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return texts
    elif (
        isinstance(value, list)
        and [type(n) in _NUMBERS for n in value] == [True] * _length(kind) != []
    ):
        return value
    raise UsageError(f"{path}: {name} is {_shown(value)}, expected {_wanted(name, kind)}")


def _length(kind: Any) -> int:
    """Count the numbers that are typed together; -1 if the kind is not a tuple."""
    return len(get_args(kind)) or -1


def _wanted(name: str, kind: Any) -> str:
    words: Mapping[Any, str] = {
        bool: f"true or false, as in {name} = true",
        int: f"a whole number, as in {name} = 8",
        float: f"a number, as in {name} = 0.5",
        str: f'a text, as in {name} = "auto"',
        Path: f'the name of a file, as in {name} = "file"',
        list[str]: f'a text or a list of texts, as in {name} = ["one", "two"]',
    }
    return words.get(kind) or f"a list of {_length(kind)} numbers"


def _shown(value: Any) -> str:
    try:
        return _toml(value)
    except TypeError:
        return "a table" if isinstance(value, Mapping) else str(value)


def _toml(value: Any) -> str:
    """Write a value.

    Raises:
        TypeError: If no option has its type.
        UsageError: If a text is not valid.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _NUMBERS):
        return repr(value)  # TOML has the same names for nan and inf
    if isinstance(value, str | Path):
        return _text(str(value))
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_toml, value))}]"
    raise TypeError


def _text(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise UsageError(
            f"{text} is not valid UTF-8, so it cannot be written in TOML; rename the file"
        )
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
