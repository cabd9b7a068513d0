"""What the server itself adds to or refuses in objects of each built-in kind.

`backend` asks `of(kind)` around every write. A strategy may change the new object it is given, never the old one, and
must never write to the store.
"""

import base64
from typing import TYPE_CHECKING

from lab.apiserver import objects, service_families, service_rules, service_spec, slice_rules
from lab.apiserver.fielderrors import FieldError, forbidden, invalid, not_supported, required
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json, meta
from lab.apiserver.workload_defaults import fill_pod_spec, fill_workload

if TYPE_CHECKING:
    from lab.apiserver.service_network import ServiceNetwork

IMMUTABLE = "field is immutable"
_RIGHTS = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")


class Strategy:
    """The rules every kind shares; kinds override what differs."""

    def name_errors(self, name: str) -> list[str]:
        """Why a name is not allowed."""
        return objects.subdomain_errors(name)

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone; also runs on a merged patch."""

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        if kind.has_status:
            document.pop("status", None)
        if kind.generation:
            meta(document)["generation"] = 1
        return []

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object: keeps what this endpoint does not write, counts the generation."""
        if subresource == "status":
            _restore(document, old, "spec")
        elif kind.has_status:
            _restore(document, old, "status")
        if kind.generation:
            changed = document.get("spec") != old.get("spec")
            meta(document)["generation"] = old["metadata"].get("generation", 1) + (1 if changed else 0)
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:  # noqa: ARG002
        """What is invalid; `old` is the present version on an update."""
        return []


def _restore(document: Json, old: Json, field: str) -> None:
    if field in old:
        document[field] = objects.copy(old)[field]
    else:
        document.pop(field, None)


class ServiceStrategy(Strategy):
    """v1 Service: families, addresses, ports."""

    def __init__(self, network: "ServiceNetwork") -> None:
        self._network = network

    def name_errors(self, name: str) -> list[str]:
        """Why a name is not allowed."""
        return objects.label_1035_errors(name)

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        service_spec.fill_defaults(document)

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        super().on_create(document, kind)
        document["status"] = {"loadBalancer": {}}
        return self._complete(document, None)

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object."""
        super().on_update(document, old, kind, subresource)
        if subresource:
            return []
        service_spec.keep_allocated(document["spec"], old["spec"])
        service_spec.follow_type(document["spec"], old["spec"])
        if document["spec"]["type"] != "LoadBalancer" and old["spec"]["type"] == "LoadBalancer":
            document.setdefault("status", {})["loadBalancer"] = {}
        return self._complete(document, old)

    def _complete(self, document: Json, old: Json | None) -> list[FieldError]:
        errors = service_families.settle(document["spec"], old["spec"] if old else None, self._network)
        errors = errors or service_rules.check(document, old)
        return errors or service_spec.allocate(document, old, self._network)

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        if old is None or document.get("status") == old.get("status"):
            return []
        return service_rules.check_status(document)


class NamespaceStrategy(Strategy):
    """v1 Namespace: phase and its own finalizer."""

    def name_errors(self, name: str) -> list[str]:
        """Why a name is not allowed."""
        return objects.label_1123_errors(name)

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        found = meta(document)
        if found.get("name"):
            found.setdefault("labels", {})["kubernetes.io/metadata.name"] = found["name"]

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        super().on_create(document, kind)
        spec = document.setdefault("spec", {})
        spec["finalizers"] = ["kubernetes", *(f for f in spec.get("finalizers") or () if f != "kubernetes")]
        document["status"] = {"phase": "Active"}
        return []

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object."""
        if subresource == "finalize":
            _restore(document, old, "status")
        else:
            super().on_update(document, old, kind, subresource)
            _restore(document, old, "spec")
        return []


class PodStrategy(Strategy):
    """v1 Pod: defaults of the spec, which hardly changes afterwards."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        fill_pod_spec(document.setdefault("spec", {}))

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        super().on_create(document, kind)
        document["status"] = {"phase": "Pending", "qosClass": _quality_of_service(document["spec"])}
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        if not document["spec"].get("containers"):
            return [required("spec.containers")]
        if old is not None and _frozen_part(document["spec"]) != _frozen_part(old["spec"]):
            return [
                forbidden(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,"
                    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
                    "previously negative)",
                )
            ]
        return []


def _quality_of_service(spec: Json) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(found.get("requests") or found.get("limits") for found in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(found.get("limits") or {})
        and (found.get("requests") or found["limits"]) == found["limits"]
        for found in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _frozen_part(spec: Json) -> Json:
    free = {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}
    frozen = {key: value for key, value in spec.items() if key not in free}
    for field in ("containers", "initContainers"):
        if field in frozen:
            frozen[field] = [{k: v for k, v in item.items() if k != "image"} for item in frozen[field]]
    return frozen


class NodeStrategy(Strategy):
    """v1 Node: keeps the status it is created with."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        spec = document.setdefault("spec", {})
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:  # noqa: ARG002  a kubelet registers with status
        """Prepares a new object."""
        return []


class DataStrategy(Strategy):
    """v1 Secret and ConfigMap: encoded data, immutability."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        if document.get("kind") == "Secret":
            document.setdefault("type", "Opaque")
            for name, text in (document.pop("stringData", None) or {}).items():
                document.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        errors = []
        if old is not None and document.get("type") != old.get("type"):
            errors.append(invalid("type", document.get("type"), IMMUTABLE))
        if old is not None and old.get("immutable"):
            if not document.get("immutable"):
                errors.append(forbidden("immutable", "field is immutable when `immutable` is set"))
            errors += [
                forbidden(field, "field is immutable when `immutable` is set")
                for field in ("data", "binaryData")
                if document.get(field) != old.get(field)
            ]
        if document.get("kind") == "Secret":
            errors += [
                invalid(f"data[{name}]", "<secret contents redacted>", "must be base64")
                for name, text in (document.get("data") or {}).items()
                if not _is_base64(text)
            ]
        return errors


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


class EventStrategy(Strategy):
    """v1 Event, under both of its groups."""

    def name_errors(self, name: str) -> list[str]:
        """Why a name is not allowed."""
        return objects.subdomain_errors(name)

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        _show_empty_event_fields(document)
        return super().on_create(document, kind)

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object."""
        _show_empty_event_fields(document)
        return super().on_update(document, old, kind, subresource)

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        if old is not None:
            return []
        involved = document.get("involvedObject", {}).get("namespace", "")
        namespace = document["metadata"].get("namespace", "")
        if involved != namespace and (involved or namespace not in {"default", "kube-system"}):
            return [invalid("involvedObject.namespace", involved, "does not match event.namespace")]
        return []


def _show_empty_event_fields(document: Json) -> None:
    """Fields that every event shows, whoever wrote it; nobody owns them."""
    for field in ("reportingComponent", "reportingInstance"):
        document.setdefault(field, "")
    for field in ("eventTime", "firstTimestamp", "lastTimestamp"):
        document.setdefault(field, None)
    document.setdefault("source", {})


class EndpointSliceStrategy(Strategy):
    """discovery.k8s.io/v1 EndpointSlice."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        document.setdefault("endpoints", None)
        document.setdefault("ports", None)
        for port in document["ports"] or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
        for endpoint in document["endpoints"] or ():
            endpoint.setdefault("conditions", {})

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:  # noqa: ARG002
        """Prepares a changed object."""
        parts = ("addressType", "endpoints", "ports")
        changed = any(document.get(part) != old.get(part) for part in parts)
        changed |= document["metadata"].get("labels") != old["metadata"].get("labels")
        meta(document)["generation"] = old["metadata"].get("generation", 1) + (1 if changed else 0)
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        address_type = document.get("addressType", "")
        errors: list[FieldError] = []
        if not address_type:
            errors.append(required("addressType"))
        elif address_type not in {"IPv4", "IPv6", "FQDN"}:
            errors.append(not_supported("addressType", address_type, ("FQDN", "IPv4", "IPv6")))
        if old is not None and address_type != old.get("addressType"):
            errors.append(invalid("addressType", address_type, IMMUTABLE))
        errors += [
            required(f"endpoints[{index}].addresses", "must contain at least 1 address")
            for index, endpoint in enumerate(document.get("endpoints") or ())
            if not endpoint.get("addresses")
        ]
        return [*errors, *slice_rules.check(document)]


class LeaseStrategy(Strategy):
    """coordination.k8s.io/v1 Lease."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        document.setdefault("spec", {})

    def check(self, document: Json, old: Json | None) -> list[FieldError]:  # noqa: ARG002
        """What is invalid."""
        errors = []
        for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
            value = document["spec"].get(field, least)
            if value < least:
                text = "must be greater than 0" if least else "must be greater than or equal to 0"
                errors.append(invalid(f"spec.{field}", value, text))
        return errors


class WorkloadStrategy(Strategy):
    """apps/v1 Deployment and DaemonSet: kept, not acted upon."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        fill_workload(document)

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        super().on_create(document, kind)
        document["status"] = {}
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        spec = document["spec"]
        errors: list[FieldError] = []
        labels = spec.get("selector", {}).get("matchLabels") or {}
        if not labels and not spec.get("selector", {}).get("matchExpressions"):
            errors.append(required("spec.selector"))
        template = spec["template"].get("metadata", {}).get("labels") or {}
        if not labels.items() <= template.items():
            text = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", template, text))
        if old is not None and spec.get("selector") != old["spec"].get("selector"):
            errors.append(invalid("spec.selector", spec.get("selector"), IMMUTABLE))
        return errors


class RightsStrategy(Strategy):
    """rbac.authorization.k8s.io: kept, not enforced."""

    def name_errors(self, name: str) -> list[str]:
        """Why a name is not allowed."""
        return objects.path_segment_errors(name)

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        role = document.get("roleRef")
        if old is not None and role != old.get("roleRef"):
            return [invalid("roleRef", role, "cannot change roleRef")]
        return []


def built_in(network: "ServiceNetwork") -> dict[str, Strategy]:
    """The strategies by storage name."""
    data, workload, rights = DataStrategy(), WorkloadStrategy(), RightsStrategy()
    return {
        "services": ServiceStrategy(network),
        "namespaces": NamespaceStrategy(),
        "pods": PodStrategy(),
        "nodes": NodeStrategy(),
        "secrets": data,
        "configmaps": data,
        "events": EventStrategy(),
        "endpointslices.discovery.k8s.io": EndpointSliceStrategy(),
        "leases.coordination.k8s.io": LeaseStrategy(),
        "deployments.apps": workload,
        "daemonsets.apps": workload,
        **{f"{each}.rbac.authorization.k8s.io": rights for each in _RIGHTS},
    }
