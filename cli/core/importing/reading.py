"""What is said about one object of a MetalLB setup, and the objects that take its place. Made by the readers beside it."""

import enum
from dataclasses import dataclass, field

from cli import values
from frr_adapter import refs
from frr_adapter.api import wire

V1BETA1 = f"{wire.GROUP}/v1beta1"
V1BETA2 = f"{wire.GROUP}/v1beta2"


class Outcome(enum.StrEnum):
    """What becomes of an object, or of a part of it; the later, the more there is to do."""

    SAME = "same"
    LEFT = "left alone"
    CONVERTED = "converted"
    DIFFERS = "differs"
    MISTAKE = "mistake"
    UNSUPPORTED = "not supported"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: of which object and field, what becomes of it, and in words what that means or what to do."""

    subject: str
    outcome: Outcome
    text: str = ""
    field: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Lines in the order of reading, and the objects that are written anew."""

    rows: tuple[Row, ...] = ()
    produced: tuple[values.Document, ...] = ()

    def __add__(self, other: "Reading") -> "Reading":
        return Reading((*self.rows, *other.rows), (*self.produced, *other.produced))


@dataclass(slots=True)
class Notes:
    """Collects what is said of one object while it is read."""

    subject: str
    origin: values.Origin | None = None
    rows: list[Row] = field(default_factory=list)
    produced: list[values.Document] = field(default_factory=list)

    def say(self, outcome: Outcome, text: str = "", path: str = "", *, shows_path: bool = True) -> None:
        """One line about the field at that path (empty: the object); `shows_path` is off where the text says it."""
        where = self.origin.at(path) if self.origin else ""
        self.rows.append(Row(self.subject, outcome, text, path if shows_path else "", where))

    def make(self, api_version: str, kind: str, namespace: str, name: str, spec: values.Json) -> None:
        """One object that takes its place."""
        metadata = {"name": name, "namespace": namespace}
        raw = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
        self.produced.append(values.Document(refs.ObjectRef(kind, namespace, name), raw, self.origin))

    def make_config_map(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """A ConfigMap that takes its place."""
        raw = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": data,
        }
        self.produced.append(values.Document(refs.ObjectRef("ConfigMap", namespace, name), raw, self.origin))

    @property
    def reading(self) -> Reading:
        """Everything said so far; an object of which nothing was said is the same."""
        rows = self.rows or [Row(self.subject, Outcome.SAME, "", "", self.origin.at("") if self.origin else "")]
        return Reading(tuple(rows), tuple(self.produced))


def of(document: values.Document) -> Notes:
    """An empty collection for that object."""
    return Notes(str(document.ref), document.origin)


def named(*parts: str) -> str:
    """A name for an object made of these parts: what Kubernetes allows, at most 63 characters."""
    text = "-".join(part for part in parts if part).lower()
    clean = "".join(
        character if character.isascii() and (character.isalnum() or character == ".") else "-" for character in text
    )
    return "-".join(filter(None, clean.split("-")))[:63].strip("-.") or "unnamed"


def mapping(found: object) -> values.Json:
    """The map; an empty one instead of anything else."""
    return found if isinstance(found, dict) else {}


def maps(found: object) -> list[values.Json]:
    """The maps of a list; what is something else is left out, as the definitions refuse it."""
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(found: object) -> list[str]:
    """The texts of a list."""
    return [str(each) for each in found] if isinstance(found, list) else []


def secret_for(notes: Notes, namespace: str, peer: str, path: str) -> values.Json:
    """The reference that takes the place of a password in clear text. Passwords are never read, so the Secret is left to people."""
    name = named(peer, "password")
    notes.say(
        Outcome.DIFFERS,
        f"passwords are not copied: kubectl -n {namespace} create secret generic {name} --type=kubernetes.io/basic-auth"
        " --from-literal=password=...",
        path,
    )
    return {"name": name}
