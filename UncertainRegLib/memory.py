"""How the C library handles large arrays and tensors."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let glibc reuse freed memory instead of returning it to the system, for this process.

    Every layer of a network at 160 x 192 x 224 frees and allocates hundreds of megabytes; fetching
    them anew from the system each time costs up to half of a pass, and a twentieth of a run by
    demons. Does nothing outside Linux.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, 1 << 30)
            mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def release_freed_memory() -> None:
    """Give the holes between live tensors back to the system.

    Without it a network of many large and differing layers spreads over ever more of the heap:
    uniGradICON took a quarter more memory after nine samples than after three.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
