"""Status objects that speakers write, as they find them in the API again: to see whether what they say is still said."""

from dataclasses import dataclass

from frr_adapter import refs


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One ServiceBGPStatus or ServiceL2Status, as `ref` says.

    `service` (`namespace/name`) and `node` are what its labels say, by which it is found; `about` is what its status says:
    node, namespace and name of the service, each empty when unset and unchangeable when set. `said` are the names of its
    peers or interfaces, as they stand there. `owners` are UIDs.
    """

    ref: refs.ObjectRef
    service: str
    node: str
    about: tuple[str, str, str] = ("", "", "")
    said: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
