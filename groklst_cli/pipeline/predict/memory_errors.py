"""Handle lack of memory on all devices."""

from collections.abc import Iterator
from contextlib import contextmanager

from groklst_cli.errors import (
    SMALLER_TILES,
    DeviceError,
    GroklstError,
    lacks_memory,
    out_of_memory,
)


@contextmanager
def memory_errors(way_out: str = SMALLER_TILES) -> Iterator[None]:
    """Convert all errors about memory into one of groklst that says what to do.

    Raises:
        DeviceError: If memory ran out.
    """
    try:
        yield
    except (
        RuntimeError,
        MemoryError,
        GroklstError,
    ) as error:  # groklst's error may repeat GDAL's message
        if isinstance(error, DeviceError) or not lacks_memory(error):
            raise
        raise out_of_memory(error, way_out) from error
