"""The errors of groklst: one class per cause, each with its exit code."""

from typing import ClassVar, Final

_OUT_OF_MEMORY: Final = (
    "allocate memory",
    "cannot allocate",
    "start new thread",
    "failed to map segment",
    "out of memory",  # of CUDA's driver and of Apple's
    "ALLOC_FAILED",  # of cuBLAS, cuDNN and cuFFT
    "ALLOCATION_FAILED",  # of cuDNN from 9 on
)

SMALLER_TILES: Final = "use --batch 1, a smaller --tile or fewer --jobs"
SMALLER_SAMPLES: Final = (
    "start a new run in another --out with fewer or smaller samples per step: --set batch=…, "
    "--set crop=…"
)
"""What to type when memory ran out; a resumed training run cannot change its samples."""


class GroklstError(Exception):
    """The run failed; the base class of every error that groklst raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(GroklstError, ValueError):
    """An option or argument is not valid, alone or together with others."""

    exit_code = 2


class InputError(GroklstError, ValueError):
    """An input cannot be used: it is unreadable, empty, without CRS or unit, or elsewhere."""

    exit_code = 3


class OutputExistsError(GroklstError, FileExistsError):
    """The output already exists and must not be replaced."""

    exit_code = 4


class DeviceError(GroklstError, RuntimeError):
    """The requested device or the memory that is needed is not available."""

    exit_code = 5


def words_of(error: BaseException) -> str:
    """Return the message of an error on one line, or the name of its class if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error of Python, numpy, torch or the loader means that memory ran out."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        or any(words in str(error) for words in _OUT_OF_MEMORY)
    )


def out_of_memory(error: BaseException, way_out: str = SMALLER_TILES) -> DeviceError:
    """Return an error that says that memory ran out, and what to type next."""
    return DeviceError(f"memory ran out ({words_of(error)[:200]}); {way_out}")


class ChangedError(GroklstError):
    """An input changed while it was being read, so the result would be wrong."""


class OtherFileError(GroklstError):
    """A worker finds a different file at the path of an input than the run does."""


class SomeFailedError(GroklstError):
    """Some of many scenes failed; the others are done."""

    exit_code = 6


class ThresholdError(GroklstError):
    """A score fulfils a condition of ``--fail-if``."""

    exit_code = 7
