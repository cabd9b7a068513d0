"""What the command prints tables on: rich's console, but for characters in the texts that a terminal would obey. Used by `output`.

It must never change what rich itself writes to the terminal, such as colours and the movements of a bar.
"""

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from cli.view import output


class Paper(Console):
    """A console for texts of others."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes through here, piece by piece; the style of a piece is not in its text yet."""
        return _legible(super().render(renderable, options))


def _legible(segments: Iterable[Segment]) -> Iterator[Segment]:
    for each in segments:
        if each.control or each.text.isprintable():
            yield each
        else:
            yield Segment(output.legible(each.text), each.style)
