"""Keeps a daemon small. The programs' wiring calls `settle` once everything is listed.

Nothing depends on it; where the C library has no such function (musl) that part does not happen.
"""

import ctypes
import gc


def settle() -> None:
    """Collects garbage of the start, exempts what is left from later collections, and gives free memory back."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
