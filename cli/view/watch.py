"""What `watch` shows: the installation at a glance, redrawn in place, with the last changes below; or the changes alone, as lines."""

import collections
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.text import Text

from cli.core import changes
from cli.documents import status as documents
from cli.view import sheet, status

_SHOWN = 8


def line(at: str, change: changes.Change) -> Text:
    """One change and its time."""
    made = Text.assemble((at, "dim"), " ", sheet.mark(change.tone, change.text))
    made.no_wrap, made.overflow = True, "ellipsis"
    return made


class Lines:
    """For a pipe: one line for each change, and nothing else."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""

    def show(self, document: documents.StatusDocument, found: Iterable[changes.Change]) -> None:
        """Writes the changes at once: whoever reads may wait for them."""
        for each in found:
            self._console.print(line(document.taken_at, each), soft_wrap=True)
        self._console.file.flush()


class Screen:
    """For a terminal: the whole picture, as long as it is watched; the terminal is afterwards as it was."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._last: collections.deque[Text] = collections.deque(maxlen=_SHOWN)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, document: documents.StatusDocument, found: Iterable[changes.Change]) -> None:
        """Draws it anew."""
        self._last.extend(line(document.taken_at[11:19], each) for each in found)
        below = Group(sheet.heading("last changes", "Ctrl-C ends"), *(self._last or [Text("none yet", "dim")]))
        layout = Layout()
        layout.split_column(
            Layout(Group(*status.parts(document)), name="picture"), Layout(below, name="changes", size=_SHOWN + 2)
        )
        self._live.update(layout, refresh=True)
