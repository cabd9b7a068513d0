"""AddressPool, which MetalLB had until 0.13, and the same in the ConfigMap before: a pool, its protocol and its advertisements in one.

Called by `importing.setup` and `importing.config_map`. Must never look at other objects.
"""

from cli import values
from cli.core import structure
from cli.core.importing import reading
from cli.core.importing.reading import Outcome

_ADVERTISED = {
    "aggregationLength": "aggregationLength",
    "aggregationLengthV6": "aggregationLengthV6",
    "localPref": "localPref",
    "communities": "communities",
}


def read(document: values.Document, namespace: str) -> reading.Reading:
    """An IPAddressPool of the same name, and an L2Advertisement, or a BGPAdvertisement for each entry."""
    notes = reading.of(document)
    spec = document.raw.get("spec")
    convert(notes, document.ref.name, spec if isinstance(spec, dict) else {}, namespace, "spec")
    return notes.reading


def convert(notes: reading.Notes, name: str, spec: values.Json, namespace: str, path: str) -> None:
    """Adds what takes the place of the pool whose fields are `spec`, at `path` of the object that is read."""
    pool: values.Json = {"addresses": reading.texts(spec.get("addresses"))}
    pool |= {field: spec[field] for field in ("autoAssign", "avoidBuggyIPs") if spec.get(field) is not None}
    made = f"IPAddressPool {name}"
    match spec.get("protocol"):
        case "layer2":
            notes.make(reading.V1BETA1, "IPAddressPool", namespace, name, pool)
            notes.make(reading.V1BETA1, "L2Advertisement", namespace, name, {"ipAddressPools": [name]})
            notes.say(Outcome.CONVERTED, f"{made} and L2Advertisement {name}", path)
        case "bgp":
            notes.make(reading.V1BETA1, "IPAddressPool", namespace, name, pool)
            entries = reading.maps(spec.get("bgpAdvertisements")) or [{}]
            names = [name if len(entries) == 1 else f"{name}-{number}" for number in range(1, len(entries) + 1)]
            for each, entry in zip(names, entries, strict=True):
                said = {new: entry[old] for old, new in _ADVERTISED.items() if entry.get(old) is not None}
                advertised = {"ipAddressPools": [name], **said}
                notes.make(reading.V1BETA1, "BGPAdvertisement", namespace, each, advertised)
            notes.say(Outcome.CONVERTED, f"{made} and BGPAdvertisement {', '.join(names)}", path)
        case other:
            text = f"found {structure.shown(other)}" if other is not None else "is missing"
            notes.say(Outcome.MISTAKE, f"{text}; layer2 or bgp is allowed", f"{path}.protocol")
