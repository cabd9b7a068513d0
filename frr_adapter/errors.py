"""Exceptions: a broken world, as opposed to a user's mistake (which is a `problems.Problem`). Everybody may raise them."""


class FrrAdapterError(Exception):
    """Root of every exception that this project raises on purpose."""


class SettingsError(FrrAdapterError):
    """A flag or environment variable cannot be used; the text is one line for the person who started the program."""


class KubernetesError(FrrAdapterError):
    """The Kubernetes API answered with a failure.

    `status` is the HTTP status code (0 when no answer came), `reason` the `reason` of the returned Status object.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class LeadershipError(FrrAdapterError):
    """Another replica leads, or may lead by now: this one has stopped and is to be started again."""


class ApplyError(FrrAdapterError):
    """FRR refused a configuration or could not be reached; what FRR ran before may still run."""


class DutyError(FrrAdapterError):
    """A task that has to run as long as the program has ended: the program ends too, to be started again whole."""


class FrameError(FrrAdapterError):
    """Bytes that are not the frame they claim to be."""


class LinkError(FrrAdapterError):
    """Layer 2 cannot be served on this node."""
