"""What can go wrong in the lab, said in one line to the person who started it. Every lab module may raise it."""

from frr_adapter.errors import FrrAdapterError


class LabError(FrrAdapterError):
    """The lab cannot go on; the text is one line and ends with what to do."""
