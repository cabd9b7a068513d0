"""A bar on standard error while nodes are asked, where somebody watches; it goes when they have answered. Called by the commands."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from cli.view import output


@contextlib.contextmanager
def asking() -> Iterator[Callable[[int, int], None] | None]:
    """Give what comes out as `progress` to `sources.gather`."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    bar = Progress(
        "asking nodes", BarColumn(), MofNCompleteColumn(), console=output.console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("nodes", total=None)
        yield lambda done, number: bar.update(task, completed=done, total=number)
