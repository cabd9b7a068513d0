"""ValidatingWebhookConfiguration: what its objects look like, and which writes each webhook wants to see.

`strategies` uses the first half, `admission` the second. Pure; must never call a webhook.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.apiserver.fielderrors import FieldError, forbidden, invalid, not_supported, required
from lab.apiserver.kinds import Kind
from lab.apiserver.objects import Json, copy, meta
from lab.apiserver.selectors import Operator, Requirement, matches_labels
from lab.apiserver.strategies import Strategy

STORAGE = "validatingwebhookconfigurations.admissionregistration.k8s.io"
VERSION = "admission.k8s.io/v1"
_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.ABSENT,
}


class WebhookStrategy(Strategy):
    """admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        for webhook in document.get("webhooks") or ():
            webhook.setdefault("failurePolicy", "Fail")
            webhook.setdefault("matchPolicy", "Equivalent")
            webhook.setdefault("namespaceSelector", {})
            webhook.setdefault("objectSelector", {})
            webhook.setdefault("timeoutSeconds", 10)
            service = webhook.get("clientConfig", {}).get("service")
            if service is not None:
                service.setdefault("port", 443)
            for rule in webhook.get("rules") or ():
                rule.setdefault("scope", "*")

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object."""
        errors = super().on_update(document, old, kind, subresource)
        changed = document.get("webhooks") != old.get("webhooks")
        meta(document)["generation"] = old["metadata"].get("generation", 1) + (1 if changed else 0)
        return errors

    def check(self, document: Json, old: Json | None) -> list[FieldError]:  # noqa: ARG002
        """What is invalid."""
        errors: list[FieldError] = []
        for index, webhook in enumerate(document.get("webhooks") or ()):
            errors += _webhook_errors(webhook, f"webhooks[{index}]")
        return errors


def _webhook_errors(webhook: Json, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if webhook.get("name", "").count(".") < 2:
        errors.append(
            invalid(
                f"{path}.name",
                webhook.get("name", ""),
                "should be a domain with at least three segments separated by dots",
            )
        )
    if "v1" not in (webhook.get("admissionReviewVersions") or ()):
        errors.append(
            required(f"{path}.admissionReviewVersions", "must specify one of v1, v1beta1")
            if not webhook.get("admissionReviewVersions")
            else invalid(
                f"{path}.admissionReviewVersions", webhook["admissionReviewVersions"], "must include at least one of v1"
            )
        )
    if webhook.get("sideEffects") not in {"None", "NoneOnDryRun"}:
        error = not_supported(f"{path}.sideEffects", webhook.get("sideEffects"), ("None", "NoneOnDryRun"))
        errors.append(
            error
            if webhook.get("sideEffects")
            else required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
        )
    for field, allowed in (("failurePolicy", ("Fail", "Ignore")), ("matchPolicy", ("Equivalent", "Exact"))):
        if webhook[field] not in allowed:
            errors.append(not_supported(f"{path}.{field}", webhook[field], allowed))
    if not 1 <= webhook["timeoutSeconds"] <= 30:
        errors.append(
            invalid(
                f"{path}.timeoutSeconds",
                webhook["timeoutSeconds"],
                "the timeout value must be between 1 and 30 seconds",
            )
        )
    client = webhook.get("clientConfig") or {}
    if bool(client.get("url")) == bool(client.get("service")):
        errors.append(required(f"{path}.clientConfig", "exactly one of url or service is required"))
    elif client.get("url") and not client["url"].startswith("https://"):
        errors.append(
            invalid(
                f"{path}.clientConfig.url", client["url"].partition(":")[0], "'https' is the only allowed URL scheme"
            )
        )
    if webhook.get("matchConditions"):
        errors.append(forbidden(f"{path}.matchConditions", "this server does not evaluate them"))
    return errors


@dataclass(frozen=True, slots=True)
class Write:
    """One write as rules see it. `kinds` are the served versions of its kind, the one of the request first."""

    operation: str
    kinds: tuple[Kind, ...]
    subresource: str
    namespace: str
    namespace_labels: Mapping[str, str]
    labels: tuple[Mapping[str, str], ...]  # of the object as it will be and as it is


def wanted_as(webhook: Json, write: Write) -> Kind | None:
    """The version of the kind in which a webhook wants to see a write, or None when it does not."""
    if write.namespace and not matches_labels(_requirements(webhook["namespaceSelector"]), write.namespace_labels):
        return None
    chosen = _requirements(webhook["objectSelector"])
    if not any(matches_labels(chosen, labels) for labels in write.labels):
        return None
    kinds = write.kinds if webhook["matchPolicy"] == "Equivalent" else write.kinds[:1]
    return next(
        (kind for kind in kinds if any(_rule_matches(rule, kind, write) for rule in webhook.get("rules") or ())), None
    )


def _rule_matches(rule: Json, kind: Kind, write: Write) -> bool:
    resource = f"{kind.plural}/{write.subresource}" if write.subresource else kind.plural
    patterns = {resource, f"{kind.plural}/*", "*/*"}
    patterns.add(f"*/{write.subresource}" if write.subresource else "*")
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return (
        rule["scope"] in {"*", scope}
        and not {"*", write.operation}.isdisjoint(rule["operations"])
        and not {"*", kind.group}.isdisjoint(rule["apiGroups"])
        and not {"*", kind.version}.isdisjoint(rule["apiVersions"])
        and not patterns.isdisjoint(rule["resources"])
    )


def _requirements(selector: Json) -> tuple[Requirement, ...]:
    pairs = (selector.get("matchLabels") or {}).items()
    return (
        *(Requirement(key, Operator.IN, (value,)) for key, value in pairs),
        *(
            Requirement(each["key"], _OPERATORS[each["operator"]], tuple(each.get("values") or ()))
            for each in selector.get("matchExpressions") or ()
        ),
    )


def review(uid: str, write: Write, kind: Kind, name: str, new: Json | None, old: Json | None, *, dry_run: bool) -> Json:
    """The AdmissionReview to send; the objects are in the version of `kind`."""
    asked = write.kinds[0]
    request: Json = {
        "uid": uid,
        "kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "resource": {"group": kind.group, "version": kind.version, "resource": kind.plural},
        "requestKind": {"group": asked.group, "version": asked.version, "kind": asked.kind},
        "requestResource": {"group": asked.group, "version": asked.version, "resource": asked.plural},
        "name": name,
        "operation": write.operation,
        "userInfo": {"username": "system:unsecured", "groups": ["system:masters", "system:authenticated"]},
        "object": None if new is None else copy(new),
        "oldObject": None if old is None else copy(old),
        "dryRun": dry_run,
        "options": None,
    }
    if write.namespace:
        request["namespace"] = write.namespace
    if write.subresource:
        request["subResource"] = request["requestSubResource"] = write.subresource
    return {"kind": "AdmissionReview", "apiVersion": VERSION, "request": request}
