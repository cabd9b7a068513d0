"""Decoders of the Kubernetes built-in kinds."""

import base64
import binascii

import msgspec

from frr_adapter import addresses, refs, secret
from frr_adapter.api import core
from frr_adapter.decode.decoded import Decoded, Faults, labels, read
from frr_adapter.model import cluster, service

_service_decoder = msgspec.json.Decoder(core.Service)
_node_decoder = msgspec.json.Decoder(core.Node)
_pod_decoder = msgspec.json.Decoder(core.Pod)
_namespace_decoder = msgspec.json.Decoder(core.Namespace)
_slice_decoder = msgspec.json.Decoder(core.EndpointSlice)
_secret_decoder = msgspec.json.Decoder(core.Secret)
_config_map_decoder = msgspec.json.Decoder(core.ConfigMap)

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PASSWORD_KEY = "password"  # noqa: S105  # the name of the key, not a password


def decode_service(raw: bytes | msgspec.Raw) -> Decoded[service.Service]:
    """A core/v1 Service."""
    return read(raw, "Service", _service_decoder, _service)


def decode_node(raw: bytes | msgspec.Raw) -> Decoded[cluster.Node]:
    """A core/v1 Node."""
    return read(raw, "Node", _node_decoder, _node)


def decode_pod(raw: bytes | msgspec.Raw) -> Decoded[cluster.Pod]:
    """A core/v1 Pod."""
    return read(raw, "Pod", _pod_decoder, _pod)


def decode_namespace(raw: bytes | msgspec.Raw) -> Decoded[cluster.Namespace]:
    """A core/v1 Namespace."""
    return read(raw, "Namespace", _namespace_decoder, _namespace)


def decode_endpoint_slice(raw: bytes | msgspec.Raw) -> Decoded[cluster.EndpointSlice]:
    """A discovery.k8s.io/v1 EndpointSlice."""
    return read(raw, "EndpointSlice", _slice_decoder, _endpoint_slice)


def decode_secret(raw: bytes | msgspec.Raw) -> Decoded[cluster.SecretObject]:
    """A core/v1 Secret."""
    return read(raw, "Secret", _secret_decoder, _secret)


def decode_config_map(raw: bytes | msgspec.Raw) -> Decoded[cluster.ConfigMap]:
    """A core/v1 ConfigMap."""
    return read(raw, "ConfigMap", _config_map_decoder, _config_map)


def _service(ref: refs.ObjectRef, raw: core.Service, _faults: Faults) -> service.Service:
    spec, metadata = raw.spec, raw.metadata
    texts = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    cluster_ips = tuple(addresses.parse_address(text) for text in texts if text and text != "None")
    first_family = (spec.ip_families or ("IPv4",))[0]
    balancer = raw.status.load_balancer
    ours = (f"{service.PREFIX}/", f"{service.DEPRECATED_PREFIX}/")
    return service.Service(
        ref=ref,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        created=metadata.creation_timestamp or "",
        labels=labels(metadata),
        annotations=tuple(sorted(item for item in (metadata.annotations or {}).items() if item[0].startswith(ours))),
        type=spec.type,
        cluster_ips=cluster_ips,
        primary_family=addresses.Family.IPV6 if first_family == "IPv6" else addresses.Family.IPV4,
        family_policy=service.FamilyPolicy(spec.ip_family_policy or service.FamilyPolicy.SINGLE),
        load_balancer_ip=spec.load_balancer_ip,
        load_balancer_class=spec.load_balancer_class or "",
        is_local=spec.external_traffic_policy == "Local",
        ports=tuple(sorted(service.Port(port.protocol, port.port) for port in spec.ports or ())),
        selector=tuple(sorted((spec.selector or {}).items())),
        ingress=tuple(entry.ip for entry in (balancer.ingress if balancer and balancer.ingress else ())),
    )


def _node(ref: refs.ObjectRef, raw: core.Node, _faults: Faults) -> cluster.Node:
    conditions = raw.status.conditions or ()
    unavailable = any(each.type == "NetworkUnavailable" and each.status == "True" for each in conditions)
    return cluster.Node(ref, labels(raw.metadata), unavailable)


def _pod(ref: refs.ObjectRef, raw: core.Pod, _faults: Faults) -> cluster.Pod:
    try:
        address = addresses.parse_address(raw.status.pod_ip)
    except ValueError:  # empty until the pod has one; nobody types it in
        address = None
    return cluster.Pod(ref, raw.spec.node_name, address, raw.status.phase in {"Succeeded", "Failed"})


def _namespace(ref: refs.ObjectRef, raw: core.Namespace, _faults: Faults) -> cluster.Namespace:
    return cluster.Namespace(ref, labels(raw.metadata))


def _endpoint_slice(ref: refs.ObjectRef, raw: core.EndpointSlice, _faults: Faults) -> cluster.EndpointSlice:
    name = (raw.metadata.labels or {}).get(SERVICE_NAME_LABEL, "")
    endpoints = {_endpoint(each) for each in raw.endpoints or ()}
    return cluster.EndpointSlice(ref, f"{ref.namespace}/{name}" if name else "", tuple(sorted(endpoints)))


def _endpoint(raw: core.Endpoint) -> cluster.Endpoint:
    conditions = raw.conditions or core.EndpointConditions()
    # Serving counts even when not ready: a terminating pod that still serves keeps its node announced.
    usable = conditions.ready is None or conditions.ready or bool(conditions.serving)
    return cluster.Endpoint(raw.node_name or "", usable, bool(raw.addresses))


def _secret(ref: refs.ObjectRef, raw: core.Secret, _faults: Faults) -> cluster.SecretObject:
    text = (raw.data or {}).get(PASSWORD_KEY)
    if text is None:
        return cluster.SecretObject(ref, raw.type)
    try:
        password = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return cluster.SecretObject(ref, raw.type)
    return cluster.SecretObject(ref, raw.type, secret.Secret(password))


def _config_map(ref: refs.ObjectRef, raw: core.ConfigMap, _faults: Faults) -> cluster.ConfigMap:
    return cluster.ConfigMap(ref, tuple(sorted((raw.data or {}).items())))
