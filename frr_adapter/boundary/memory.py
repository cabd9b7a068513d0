"""Keeps a daemon small. The programs' wiring calls `settle` once everything is listed.

Nothing depends on it; where the C library has no such function (musl) that part does not happen.
"""

import asyncio
import ctypes
import gc

_YOUNG_SECONDS = 10.0
_ALL_EVERY = 60
"""Of so many collections of young objects one looks at all."""


def settle() -> None:
    """Collects garbage of the start, exempts what is left from later collections, and gives free memory back."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def collect_by_clock(rounds: int = 0) -> None:
    """No collection from now on but a small one every ten seconds, and one of everything every ten minutes; needs an event loop.

    For a process that must answer within milliseconds: the collector's own times, in the middle of a burst of new objects, cost it
    several each.
    """
    gc.disable()
    gc.collect(2 if rounds and rounds % _ALL_EVERY == 0 else 0)
    asyncio.get_running_loop().call_later(_YOUNG_SECONDS, collect_by_clock, rounds + 1)
