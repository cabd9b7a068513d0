"""Stand-ins for Secrets that could not be read: without them every peer with a `passwordSecret` would look broken.

Called by `sources`. Also takes two sources to the same knowledge about passwords, so that one which is unknown does not look changed.
"""

import base64
import dataclasses

from cli import values
from cli.boundary import redaction
from frr_adapter import refs

_TYPE = "kubernetes.io/basic-auth"
_DATA = {"password": base64.b64encode(redaction.UNKNOWN.encode()).decode()}


def completed(gathered: values.Gathered) -> values.Gathered:
    """The same with a Secret for each `passwordSecret` that names none, and a line that says so; where Secrets were read, as it is."""
    if "Secret" not in gathered.unread:
        return gathered
    known = {each.ref for each in gathered.documents}
    asking: dict[refs.ObjectRef, list[str]] = {}
    for each in gathered.documents:
        if (wanted := _password_secret(each)) and wanted not in known:
            asking.setdefault(wanted, []).append(each.ref.key)
    if not asking:
        return gathered
    documents = sorted((*gathered.documents, *map(_stand_in, asking)), key=lambda each: each.ref)
    gaps = (
        f"{ref} of BGPPeer {', '.join(peers)} is not known: taken as fitting" for ref, peers in sorted(asking.items())
    )
    return dataclasses.replace(gathered, documents=tuple(documents), gaps=(*gathered.gaps, *gaps))


def comparable(before: values.Gathered, after: values.Gathered) -> values.Gathered:
    """`after`, where a password that is not known before is not known either: taken as unchanged, and told."""
    known = {each.ref: each for each in before.documents}
    documents, doubtful = [], []
    for each in after.documents:
        same = known.get(each.ref)
        if same is None or same is each or redaction.knows(same.raw) or redaction.forget(each.raw) == each.raw:
            documents.append(each)
        else:
            documents.append(dataclasses.replace(each, raw=redaction.forget(each.raw)))
            doubtful.append(str(each.ref))
    if not doubtful:
        return after
    told = f"passwords before are not known, so they are taken as unchanged: {', '.join(doubtful)}"
    return dataclasses.replace(after, documents=tuple(documents), gaps=(*after.gaps, told))


def _password_secret(document: values.Document) -> refs.ObjectRef | None:
    if document.ref.kind != "BGPPeer":
        return None
    spec = document.raw.get("spec")
    named = spec.get("passwordSecret") if isinstance(spec, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    return refs.ObjectRef("Secret", document.ref.namespace, name) if isinstance(name, str) and name else None


def _stand_in(ref: refs.ObjectRef) -> values.Document:
    raw = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "type": _TYPE,
        "data": dict(_DATA),
    }
    return values.Document(ref, raw)
