"""The operator's command in this process: what it prints, and its exit status."""

import contextlib
import io
from dataclasses import dataclass

from cli import main


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Ran:
    """`frr-adapter ARGUMENTS...`, with its output in pipes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main.main(list(arguments))
    return Ran(status, out.getvalue(), err.getvalue())
