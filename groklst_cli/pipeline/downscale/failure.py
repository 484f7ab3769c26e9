"""What one of many scenes or images failed of, as it would have ended alone."""

from dataclasses import dataclass
from typing import Any

from groklst_cli.errors import GroklstError, lacks_memory, words_of


@dataclass(frozen=True)
class Failure:
    """Why one of many failed.

    Attributes:
        name: Its name.
        cause: What was raised.
    """

    name: str
    cause: Exception

    @property
    def code(self) -> int:
        """The exit code that it alone would have ended in."""
        return exit_code(self.cause)

    @property
    def line(self) -> str:
        """Why, in one line."""
        return in_one_line(self.cause)

    def to_json(self) -> dict[str, Any]:
        """Describe as plain data."""
        return {"image": self.name, "code": self.code, "error": self.line}


def exit_code(error: Exception) -> int:
    """Return the exit code that an error alone would have ended in."""
    if isinstance(error, GroklstError):
        return error.exit_code
    return 5 if lacks_memory(error) else 1


def in_one_line(error: Exception) -> str:
    """Say what an error says in one line, led by its kind where it is not one of ours."""
    line = words_of(error)
    if isinstance(error, GroklstError):
        return line
    if isinstance(error, MemoryError):
        return line if str(error) else "out of memory"
    return f"{type(error).__name__}: {line}" if str(error) else line
