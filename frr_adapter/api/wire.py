"""What all kinds share on the wire: metadata, label selectors, conditions, and how a type carries its schema.

Types here mirror JSON field by field. `decode` reads API objects into them and `crds` derives the CustomResourceDefinitions
from them, so a field, its bounds and its description are written once. They never travel further than `decode`.
"""

from typing import Annotated, Any

import msgspec

GROUP = "metallb.io"


def schema(
    text: str, *, ge: int | None = None, le: int | None = None, default: object = None, **more: Any
) -> msgspec.Meta:
    """A field's description, bounds and further OpenAPI keys, in one annotation.

    Keys in `more` use underscores for dashes after `x_`: `x_kubernetes_validations`. The API server enforces bounds;
    `resolve` checks them again in its own words for objects that came around it.
    """
    bounds = {"minimum": ge, "maximum": le, "default": default}
    extra: dict[str, Any] = {
        key.replace("_", "-") if key.startswith("x_") else key: value for key, value in more.items()
    }
    extra |= {key: value for key, value in bounds.items() if value is not None}
    return msgspec.Meta(extra_json_schema={"description": text, **extra})


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule as it stands in `x-kubernetes-validations`."""
    return {"rule": expression, "message": message}


class Wire(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of every wire type: camelCase JSON names, unknown fields ignored as the API prunes them."""


class SelectorRequirement(Wire, frozen=True):
    """A label selector requirement is a selector that contains values, a key, and an operator that relates them."""

    key: Annotated[str, schema("The label key that the selector applies to.")]
    operator: Annotated[str, schema("How key and values relate: In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[
        tuple[str, ...] | None,
        schema("Values for In and NotIn; must be empty for Exists and DoesNotExist.", x_kubernetes_list_type="atomic"),
    ] = None


class LabelSelector(Wire, frozen=True):
    """A label query over a set of resources. All parts are AND-ed; an empty selector matches everything."""

    match_expressions: Annotated[
        tuple[SelectorRequirement, ...] | None,
        schema("Requirements on label keys, AND-ed.", x_kubernetes_list_type="atomic"),
    ] = None
    match_labels: Annotated[dict[str, str] | None, schema("Pairs of label and value that must all be present.")] = None


class Condition(Wire, frozen=True):
    """One aspect of the current state of an object."""

    last_transition_time: Annotated[str, schema("When the condition last changed status.", format="date-time")]
    message: Annotated[str, schema("Human readable details; may be empty.", maxLength=32768)]
    reason: Annotated[
        str,
        schema(
            "A CamelCase word for the reason of the last transition.",
            maxLength=1024,
            minLength=1,
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
    ]
    status: Annotated[str, schema("True, False or Unknown.", enum=["True", "False", "Unknown"])]
    type: Annotated[
        str,
        schema(
            "Type of condition in CamelCase or as a qualified name.",
            maxLength=316,
            pattern=(
                r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
            ),
        ),
    ]
    observed_generation: Annotated[
        int | None, schema("The metadata.generation that the condition was set upon.", ge=0, format="int64")
    ] = None


class Metadata(Wire, frozen=True):
    """The parts of metadata that we read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
