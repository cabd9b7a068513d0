"""The wire of `exec` into a container: what comes over its WebSocket, taken apart. Only `kube` calls this.

Each message begins with the number of its channel (Kubernetes, `k8s.io/apimachinery/pkg/util/remotecommand`: subprotocols
`v5.channel.k8s.io` and `v4.channel.k8s.io`); the last one, on the channel for errors, is a `metav1.Status` that says how the
command ended. It must never run anything itself.
"""

from collections.abc import Iterable, Sequence
from urllib import parse

import msgspec

from frr_adapter import errors

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
LARGEST = 64 * 1024 * 1024
"""Bytes of an answer that are taken."""

_STDOUT, _STDERR, _ERROR = 1, 2, 3


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True):
    causes: tuple[_Cause, ...] | None = None


class _Status(msgspec.Struct, frozen=True):
    status: str = ""
    reason: str = ""
    message: str = ""
    details: _Details | None = None


def query(argv: Iterable[str], container: str) -> str:
    """The query of an exec without standard input and terminal."""
    words = [("command", word) for word in argv]
    return parse.urlencode([*words, ("container", container), ("stdout", "true"), ("stderr", "true")])


class Channels:
    """What was heard of one command."""

    def __init__(self) -> None:
        self._heard: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: [], _ERROR: []}
        self._size = 0

    def take(self, message: bytes) -> None:
        """One message. Raises errors.KubernetesError when it is more than anybody wants to have."""
        if message and message[0] in self._heard:
            self._size += len(message)
            if self._size > LARGEST:
                raise errors.KubernetesError(0, "TooLarge", f"the command says more than {LARGEST} bytes")
            self._heard[message[0]].append(message[1:])

    def result(self) -> bytes:
        """What the command wrote to its standard output, when it ended well.

        Raises errors.KubernetesError with the API's reason and, where the command said something to its standard error, that as its
        message; `ConnectionLost` when nobody said how it ended.
        """
        told = b"".join(self._heard[_ERROR])
        if not told:
            raise errors.KubernetesError(0, "ConnectionLost", "the connection ended before the command did")
        try:
            status = msgspec.json.decode(told, type=_Status)
        except msgspec.DecodeError as error:
            raise errors.KubernetesError(0, "Unknown", told[:200].decode(errors="replace")) from error
        if status.status == "Success":
            return b"".join(self._heard[_STDOUT])
        said = b"".join(self._heard[_STDERR]).decode(errors="replace").strip().splitlines()
        raise errors.KubernetesError(
            0, status.reason or "Failure", _last(said) or status.message or _causes(status) or "no reason is given"
        )


def _last(lines: Sequence[str]) -> str:
    return lines[-1].strip() if lines else ""


def _causes(status: _Status) -> str:
    causes = status.details.causes if status.details is not None else None
    return ", ".join(f"{each.reason} {each.message}" for each in causes or ())
