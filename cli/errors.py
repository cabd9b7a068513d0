"""How a command ends without an answer: one line on standard error and a stable exit status."""

import enum

from frr_adapter import errors


class Exit(enum.IntEnum):
    """Exit statuses of every command (docs/command.md)."""

    OK = 0
    FINDINGS = 1
    """The answer is there, and it is what --fail-on names, or the thing asked about does not work."""
    USAGE = 2
    """The command line is wrong."""
    NO_ANSWER = 3
    """A file, the cluster or a node could not be read, so there is no answer."""


class NoAnswerError(errors.FrrAdapterError):
    """The command cannot answer; the text is one line that says what could not be read and why."""
