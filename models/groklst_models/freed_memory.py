"""Control when freed memory returns to the system."""

import ctypes
import platform
from functools import cache
from typing import Final

_M_TRIM_THRESHOLD: Final = -1  # of glibc's malloc.h
_M_MMAP_MAX: Final = -4


@cache
def keep_freed_memory() -> None:
    """Make the process keep freed memory until it ends.

    A network frees and allocates the same large maps repeatedly; if each comes from the system
    again, up to a quarter of the time is spent clearing pages. In return the peak is higher: 2.0 to
    2.5 GiB for 1.3 on one 512² tile of MoCoLSK-Net. Has no effect without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)  # older versions of glibc refuse a high M_MMAP_THRESHOLD
    libc.mallopt(_M_TRIM_THRESHOLD, -1)


def return_freed_memory() -> None:
    """Return freed memory to the system now.

    It is called between scenes, and between predicting and writing, so that the needs of different
    steps do not add up. Has no effect without glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
