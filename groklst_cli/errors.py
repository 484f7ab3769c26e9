"""What can go wrong, one class a cause, each with the exit code it ends in."""

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

SMALLER_TILES: Final = "take --batch 1, a smaller --tile or fewer --jobs"
SMALLER_SAMPLES: Final = (
    "train anew in another --out with fewer samples a step or smaller ones: "
    "--set batch=…, --set crop=…"
)
"""Ways out where memory ran out; a run that goes on keeps its samples."""


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


def words_of(error: BaseException) -> str:
    """Put what an error says on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def lacks_memory(error: BaseException) -> bool:
    """Tell whether an error of Python, numpy, torch or the loader means that memory ran out."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        or any(words in str(error) for words in _OUT_OF_MEMORY)
    )


def out_of_memory(error: BaseException, way_out: str = SMALLER_TILES) -> DeviceError:
    """Say that memory ran out, and what to type then."""
    return DeviceError(f"memory ran out ({words_of(error)[:200]}); {way_out}")


class ChangedError(GroklstError):
    """An input changed while it was read, so what was made of it is of no use."""


class OtherFileError(GroklstError):
    """A worker sees another file under an input's path than the run that it works for."""


class SomeFailedError(GroklstError):
    """Some scenes of many failed; the others are done."""

    exit_code = 6


class ThresholdError(GroklstError):
    """A score is what ``--fail-if`` says it must not be."""

    exit_code = 7
