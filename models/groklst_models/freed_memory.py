"""What becomes of memory that a process frees."""

import ctypes
import platform
from functools import cache
from typing import Final

_M_TRIM_THRESHOLD: Final = -1  # of glibc's malloc.h
_M_MMAP_MAX: Final = -4


@cache
def keep_freed_memory() -> None:
    """Have the process keep the memory it frees, until it ends.

    A network frees and wants again the same large maps all the time; where each comes from the
    system anew, up to a quarter of the time goes into clearing pages. In turn the peak is higher:
    2.0 to 2.5 GiB for 1.3 on one 512² tile of MoCoLSK-Net. Does nothing but under glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)  # older versions of glibc refuse a high M_MMAP_THRESHOLD
    libc.mallopt(_M_TRIM_THRESHOLD, -1)


def return_freed_memory() -> None:
    """Give memory that was freed back to the system at once, kept or not.

    Called between scenes, and between predicting and writing, it keeps what each needed more than
    the others from adding up. Does nothing but under glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
