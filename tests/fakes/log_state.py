"""What a test does to logging ends with it: structlog, the root logger and our level are as before."""

import contextlib
import logging
from collections.abc import Iterator

import structlog

from frr_adapter.boundary import logs


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Inside, levels and streams may be changed at will."""
    root, lines = logging.getLogger(), logs._lines
    before = (root.handlers, root.level, lines.level, lines.out, list(lines.hooks))
    try:
        yield
    finally:
        root.handlers, root.level, lines.level, lines.out, lines.hooks = before
        structlog.reset_defaults()
