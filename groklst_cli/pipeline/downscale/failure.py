"""The failure of one of many scenes or images, as if it had run alone."""

from dataclasses import dataclass
from typing import Any

from groklst_cli.errors import GroklstError, lacks_memory, words_of


@dataclass(frozen=True)
class Failure:
    """The failure of one of many.

    Attributes:
        name: Its name.
        cause: What was raised.
    """

    name: str
    cause: Exception

    @property
    def code(self) -> int:
        """The exit code that it would have had alone."""
        return exit_code(self.cause)

    @property
    def line(self) -> str:
        """The reason on one line."""
        return in_one_line(self.cause)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {"image": self.name, "code": self.code, "error": self.line}


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    if isinstance(error, GroklstError):
        return error.exit_code
    return 5 if lacks_memory(error) else 1


def in_one_line(error: Exception) -> str:
    """Return an error's message on one line, preceded by its class if it is not from groklst."""
    line = words_of(error)
    if isinstance(error, GroklstError):
        return line
    if isinstance(error, MemoryError):
        return line if str(error) else "out of memory"
    return f"{type(error).__name__}: {line}" if str(error) else line
