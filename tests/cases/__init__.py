"""One file per case: the input, a line of dashes, the expected output. `read` gives them to the tests."""

from pathlib import Path

FOLDER = Path(__file__).parent
SEPARATOR = "----\n"


def read(kind: str) -> dict[str, tuple[str, str]]:
    """Every case of a kind: name -> (input, expected)."""
    found = {}
    for path in sorted((FOLDER / kind).glob("*.txt")):
        before, separator, after = path.read_text(encoding="utf-8").partition(SEPARATOR)
        assert separator, f"{path} has no line of dashes"
        found[path.stem] = (before, after)
    return found
