"""CustomResourceDefinitions: their own rules, and the kinds they make.

`backend` uses the strategies here, `caretaker` establishes and removes. Must never write to the store.
"""

from lab.apiserver import objects, schema
from lab.apiserver.converting import Converter
from lab.apiserver.fielderrors import FieldError, forbidden, invalid, not_supported, required
from lab.apiserver.kinds import Column, CustomPart, Kind
from lab.apiserver.objects import Json, meta
from lab.apiserver.registry import version_rank
from lab.apiserver.strategies import Strategy

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class CrdStrategy(Strategy):
    """apiextensions.k8s.io/v1 CustomResourceDefinition."""

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        spec = document.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if not names.get("singular"):
            names["singular"] = names.get("kind", "").lower()
        if not names.get("listKind") and names.get("kind"):
            names["listKind"] = f"{names['kind']}List"
        conversion = spec.setdefault("conversion", {"strategy": "None"})
        service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        super().on_create(document, kind)
        stored = [version["name"] for version in document["spec"].get("versions") or () if version.get("storage")]
        document["status"] = {
            "conditions": [],
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": stored,
        }
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        spec = document["spec"]
        names = spec["names"]
        errors: list[FieldError] = []
        wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
        if document["metadata"]["name"] != wanted:
            text = 'must be spec.names.plural+"."+spec.group'
            errors.append(invalid("metadata.name", document["metadata"]["name"], text))
        errors += [required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
        if not spec.get("group"):
            errors.append(required("spec.group"))
        if spec.get("scope") not in {"Cluster", "Namespaced"}:
            errors.append(not_supported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced")))
        versions = spec.get("versions") or []
        if sum(1 for version in versions if version.get("storage")) != 1:
            text = "must have exactly one version marked as storage version"
            errors.append(invalid("spec.versions", versions, text))
        for index, version in enumerate(versions):
            if not (version.get("schema") or {}).get("openAPIV3Schema"):
                path = f"spec.versions[{index}].schema.openAPIV3Schema"
                errors.append(required(path, "schemas are required"))
        errors += _conversion_errors(spec["conversion"])
        stored = (document.get("status") or {}).get("storedVersions") or ()
        gone = [name for name in stored if name not in {version["name"] for version in versions}]
        if gone:
            text = "must appear in spec.versions"
            errors.append(invalid(f"status.storedVersions[{stored.index(gone[0])}]", gone[0], text))
        if old is not None and spec.get("scope") != old["spec"].get("scope"):
            errors.append(invalid("spec.scope", spec.get("scope"), "field is immutable"))
        return errors


def _conversion_errors(conversion: Json) -> list[FieldError]:
    path = "spec.conversion"
    webhook = conversion.get("webhook")
    if conversion.get("strategy") not in {"None", "Webhook"}:
        return [not_supported(f"{path}.strategy", conversion.get("strategy", ""), ("None", "Webhook"))]
    if conversion["strategy"] == "None":
        text = "should not be set when strategy is not set to Webhook"
        return [forbidden(f"{path}.webhook", text)] if webhook else []
    if not webhook or not webhook.get("clientConfig"):
        return [required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")]
    errors: list[FieldError] = []
    client = webhook["clientConfig"]
    if bool(client.get("url")) == bool(client.get("service")):
        errors.append(required(f"{path}.webhookClientConfig", "exactly one of url or service is required"))
    versions = webhook.get("conversionReviewVersions")
    if not versions:
        errors.append(required(f"{path}.conversionReviewVersions"))
    elif not {"v1", "v1beta1"} & set(versions):
        text = "must include at least one of v1, v1beta1"
        errors.append(invalid(f"{path}.conversionReviewVersions", versions, text))
    return errors


class CustomStrategy(Strategy):
    """Any custom resource, by the schema of the version it was written in."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def defaults(self, document: Json) -> None:
        """Fills what depends on the object alone."""
        schema.default(document, self._kind.schema)

    def on_create(self, document: Json, kind: Kind) -> list[FieldError]:
        """Prepares a new object."""
        if kind.has_status:
            document.pop("status", None)
        meta(document)["generation"] = 1
        return []

    def on_update(self, document: Json, old: Json, kind: Kind, subresource: str) -> list[FieldError]:
        """Prepares a changed object."""
        untouched = {"metadata", "apiVersion", "kind"}
        if kind.has_status:
            untouched.add("status")
        if subresource == "status":
            status, tracked = document.get("status"), document["metadata"].get("managedFields")
            document.clear()
            document.update(objects.copy(old))
            document.pop("status", None)
            if status is not None:
                document["status"] = status
            meta(document).pop("managedFields", None)
            if tracked:
                meta(document)["managedFields"] = tracked
        elif kind.has_status:
            document.pop("status", None)
            if "status" in old:
                document["status"] = objects.copy(old)["status"]
        before = {key: value for key, value in old.items() if key not in untouched}
        after = {key: value for key, value in document.items() if key not in untouched}
        meta(document)["generation"] = old["metadata"].get("generation", 1) + (1 if before != after else 0)
        return []

    def check(self, document: Json, old: Json | None) -> list[FieldError]:
        """What is invalid."""
        return list(schema.validate(document, self._kind.schema, old))


def kinds_of(crd: Json, converter: Converter) -> tuple[Kind, ...]:
    """The served versions of an accepted definition, with the conversions between them."""
    spec = crd["spec"]
    names = spec["names"]
    storage_version = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return tuple(
        Kind(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names["singular"],
            namespaced=spec["scope"] == "Namespaced",
            storage=crd["metadata"]["name"],
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=("status",) if "status" in (version.get("subresources") or {}) else (),
            generation=True,
            blind_update=False,
            field_labels={
                item["jsonPath"].removeprefix("."): item["jsonPath"].removeprefix(".")
                for item in version.get("selectableFields") or ()
            },
            custom=CustomPart(
                schema=version["schema"]["openAPIV3Schema"],
                converter=converter,
                columns=tuple(_column(item) for item in version.get("additionalPrinterColumns") or ()),
                storage_api_version=f"{spec['group']}/{storage_version}",
            ),
            warning=_deprecation(spec, version),
        )
        for version in spec["versions"]
        if version.get("served")
    )


def _deprecation(spec: Json, version: Json) -> str:
    """What clients of a deprecated version are told: the author's words, or which version is better."""
    if not version.get("deprecated"):
        return ""
    group, name, kind = spec["group"], version["name"], spec["names"]["kind"]
    usual = f"{group}/{name} {kind} is deprecated"
    better = [
        other["name"]
        for other in spec["versions"]
        if other.get("served") and not other.get("deprecated") and version_rank(other["name"]) < version_rank(name)
    ]
    if better:
        usual += f"; use {group}/{min(better, key=version_rank)} {kind}"
    return version.get("deprecationWarning") or usual


def _column(item: Json) -> Column:
    return Column(
        name=item["name"],
        type=item["type"],
        json_path=item["jsonPath"],
        description=item.get("description", ""),
        format=item.get("format", ""),
        priority=item.get("priority", 0),
    )


def established_status(crd: Json, now: str) -> Json:
    """The status of a definition whose names are accepted."""
    status: Json = objects.copy(crd).get("status") or {}
    wanted = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    conditions: list[Json] = status.get("conditions") or []
    have = {condition["type"] for condition in conditions if condition["status"] == "True"}
    for condition_type, reason, message in wanted:
        if condition_type not in have:
            condition = {"type": condition_type, "status": "True", "reason": reason, "message": message}
            conditions.append({**condition, "lastTransitionTime": now})
    stored = status.get("storedVersions") or []
    stored += [v["name"] for v in crd["spec"]["versions"] if v.get("storage") and v["name"] not in stored]
    return {**status, "conditions": conditions, "acceptedNames": crd["spec"]["names"], "storedVersions": stored}
