"""What can go wrong, one class a cause, each with the exit code it ends in."""

from typing import ClassVar


class GroklstError(Exception):
    """The run failed; the root of every error that groklst raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(GroklstError, ValueError):
    """An option or argument does not make sense, alone or with the others."""

    exit_code = 2


class InputError(GroklstError, ValueError):
    """An input cannot be used: unreadable, without CRS, of unknown unit, apart, or empty."""

    exit_code = 3


class OutputExistsError(GroklstError, FileExistsError):
    """The output is there already and may not be replaced."""

    exit_code = 4


class DeviceError(GroklstError, RuntimeError):
    """The device or the memory that was asked for is not available."""

    exit_code = 5


class ThresholdError(GroklstError):
    """A score is what ``--fail-if`` says it must not be."""

    exit_code = 7
