"""The one description of an option, from which flags, help and facts are made.

The command's flag, the key of a list of scenes, the argument of the Python interface, the facts of
a run and the words of the shell's completion all come from the field of ``Settings`` or ``Running``
that holds the option's value.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

from groklst_cli.errors import UsageError

_KEY: Final = "option"


@dataclass(frozen=True)
class Option:
    """How an option is typed, and where it is used.

    Attributes:
        help: Its help text.
        flags: Its flags on the command line; empty if the command has its own.
        metavar: The placeholder of the value in the help; None for the type's name.
        kind: Type of the value: text, a number, a path, several of them, or a switch (``bool``).
        read: Converts typed text into the value; for options of other kinds, text in a list.
        low: The smallest allowed number.
        high: The largest allowed number.
        shown: The default as it is typed; None for the field's own.
        words: Values that the shell offers; ``methods`` for those of the registry.
        listed: Whether the scenes of a list may differ in it.
        in_python: Whether the Python interface accepts it.
        beside_pixels: Why pixels do not depend on it; empty if they do.
    """

    help: str
    flags: tuple[str, ...]
    metavar: str | None
    kind: Any
    read: Callable[[str], Any] | None
    low: float | None
    high: float | None
    shown: Any
    words: Sequence[str]
    listed: bool
    in_python: bool
    beside_pixels: str

    @property
    def flag(self) -> str:
        """The long flag, for messages and facts."""
        return next(flag for flag in self.flags if flag.startswith("--"))

    def of_text(self, name: str, text: str) -> Any:
        """Read a value from the text of a list.

        Raises:
            UsageError: If it is not valid.
        """
        if self.read is not None:
            return self.read(text)
        try:
            number = self.kind(text.replace("_", "no digit"))  # Python allows it between digits
        except ValueError:
            what = "a whole number" if self.kind is int else "a number"
            raise UsageError(f"{name} {text} is not {what}") from None
        return self._in_range(name, number)

    def _in_range(self, name: str, number: float) -> float:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not (low <= number <= high or math.isnan(number)):
            raise UsageError(f"{name} {number} must be between {low:g} and {high:g}")
        return number


def option(
    default: Any,
    help: str,
    *flags: str,
    metavar: str | None = None,
    kind: Any = str,
    read: Callable[[str], Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    shown: Any = None,
    words: Sequence[str] = (),
    listed: bool = False,
    in_python: bool = False,
    beside_pixels: str = "",
) -> Any:
    """Declare a field that is an option; see ``Option`` for the arguments."""
    made = Option(
        help,
        flags,
        metavar,
        kind,
        read,
        low,
        high,
        shown,
        words,
        listed,
        in_python,
        beside_pixels,
    )
    described = {_KEY: made}
    if callable(default):
        return field(default_factory=default, metadata=described)
    return field(default=default, metadata=described)


def options_of(*owners: type) -> dict[str, Option]:
    """Return the options of some dataclasses by the names of their fields, in order."""
    return {f.name: f.metadata[_KEY] for f in _described(owners)}


def defaults_of(*owners: type) -> dict[str, Any]:
    """Return the default of every option."""
    return {
        f.name: f.default_factory() if callable(f.default_factory) else f.default
        for f in _described(owners)
    }


def _described(owners: Iterable[type]) -> list[Field[Any]]:
    return [f for owner in owners for f in fields(owner) if _KEY in f.metadata]
