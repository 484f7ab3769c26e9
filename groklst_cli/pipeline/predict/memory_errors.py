"""What happens when memory runs out, on whatever device."""

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
    """Turn complaints of too little memory, whosever they are, into ours, with a way out.

    Raises:
        DeviceError: If memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError, GroklstError) as error:  # ours may repeat what GDAL said
        if isinstance(error, DeviceError) or not lacks_memory(error):
            raise
        raise out_of_memory(error, way_out) from error
