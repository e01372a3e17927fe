"""Memory that a fold needed goes back to the system; glibc would keep it for a next one (malloc_trim(3))."""

import ctypes

_libc = ctypes.CDLL(None)


def trim() -> None:
    """Give free memory back, where the C library can; some milliseconds, without the interpreter's lock."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
