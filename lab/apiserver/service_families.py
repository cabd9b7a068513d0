"""A Service's IP families and cluster IPs: what may be asked for, and what the server chooses.

`strategies` calls `settle` on every create and update of a Service, before addresses are allocated. Must never allocate.
Source: Kubernetes documentation, "IPv4/IPv6 dual-stack", and kube-apiserver's answers.
"""

import contextlib
import ipaddress
from collections.abc import Iterator

from lab.apiserver.addresses import BAD_ADDRESS
from lab.apiserver.fielderrors import FieldError, duplicate, invalid, not_supported
from lab.apiserver.objects import Json
from lab.apiserver.service_network import ServiceNetwork

_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_POLICY = "spec.ipFamilyPolicy"


def settle(spec: Json, old: Json | None, network: ServiceNetwork) -> list[FieldError]:
    """Sets ipFamilyPolicy and ipFamilies, or says why what is asked for cannot be; nothing for ExternalName."""
    if spec["type"] == "ExternalName":
        return []
    # clusterIP is the older name of the first of clusterIPs, and the only one a client may leave the other out for.
    if not spec.get("clusterIPs") and spec.get("clusterIP"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    before = {} if old is None or old["type"] == "ExternalName" else old
    _trim_to_single(spec, before)
    errors = [*_malformed(spec)] or [*_released(spec, before)]
    if errors:
        return errors
    addresses: list[str] = spec.get("clusterIPs") or []
    families: list[str] = spec.get("ipFamilies") or []
    is_headless = addresses[:1] == ["None"]
    if not spec.get("ipFamilyPolicy"):
        is_free = is_headless and not spec.get("selector") and len(network.families) == len(_FAMILIES)
        spec["ipFamilyPolicy"] = "RequireDualStack" if is_free else "SingleStack"
    if spec["ipFamilyPolicy"] == "SingleStack" and (errors := [*_too_many(addresses, families)]):
        return errors
    spec["ipFamilies"] = _complete(addresses, families, spec["ipFamilyPolicy"], network)
    return []


def _trim_to_single(spec: Json, old: Json) -> None:
    """A change to SingleStack that leaves addresses and families alone releases the second of each."""
    was_dual = old.get("ipFamilyPolicy") in {"PreferDualStack", "RequireDualStack"}
    if was_dual and spec.get("ipFamilyPolicy") == "SingleStack":
        for field in ("clusterIPs", "ipFamilies"):
            if spec.get(field) == old.get(field) and len(spec.get(field) or ()) == 2:
                spec[field] = spec[field][:1]


def _malformed(spec: Json) -> Iterator[FieldError]:
    families: list[str] = spec.get("ipFamilies") or []
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy and policy not in _POLICIES:
        yield not_supported(_POLICY, policy, _POLICIES)
    addresses: list[str] = spec.get("clusterIPs") or []
    if not addresses:
        return
    if not spec.get("clusterIP"):
        yield invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    elif addresses[0] != spec["clusterIP"]:
        yield invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    bad = [*_bad_addresses(addresses)]
    yield from bad
    if len(addresses) > len(_FAMILIES):
        yield invalid("spec.clusterIPs", addresses, "may only hold up to 2 values")
    if bad or addresses == ["None"]:
        return
    found = [_family_of(address) for address in addresses]
    if len(found) == len(_FAMILIES) and found[0] == found[1]:
        yield invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family")
    for index, (address, known, wanted) in enumerate(zip(addresses, found, families, strict=False)):
        if known != wanted and wanted in _FAMILIES:
            detail = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"spec.clusterIPs[{index}]", address, detail)


def _bad_addresses(addresses: list[str]) -> Iterator[FieldError]:
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                yield invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
        elif _family_of(address) is None:
            yield invalid(f"spec.clusterIPs[{index}]", address, BAD_ADDRESS)


def _released(spec: Json, old: Json) -> Iterator[FieldError]:
    policy = spec.get("ipFamilyPolicy")
    if policy in {None, "SingleStack"}:
        return
    for field, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        if len(old.get(field) or ()) == 2 and len(spec.get(field) or ()) == 1:
            yield invalid(_POLICY, policy, f"must be 'SingleStack' to release the secondary {what}")


def _too_many(addresses: list[str], families: list[str]) -> Iterator[FieldError]:
    detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
    if len(addresses) == 2:
        yield invalid(_POLICY, "SingleStack", detail.format("cluster IPs"))
    if len(families) == 2:
        yield invalid(_POLICY, "SingleStack", detail.format("IP families"))


def _complete(addresses: list[str], families: list[str], policy: str, network: ServiceNetwork) -> list[str]:
    of_addresses = [family for address in addresses if (family := _family_of(address))]
    found = [*families, *of_addresses[len(families) :]] or [network.primary]
    if policy != "SingleStack" and len(found) == 1:
        found += [family for family in network.families if family not in found]
    return found


def _family_of(address: str) -> str | None:
    with contextlib.suppress(ValueError):
        return f"IPv{ipaddress.ip_address(address).version}"
    return None
