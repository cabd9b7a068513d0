"""What is wrong with the configuration, told to people: events on the objects and the ConfigurationState. Pure."""

from collections.abc import Iterable, Mapping

from frr_adapter import effects, problems, refs

CONDITION_TYPE = "poolReconcilerValid"
EVENT_REASON = "InvalidConfiguration"

_OWN_KINDS = frozenset({"IPAddressPool", "Community"})
"""Kinds that the controller itself depends on; about the others its ConfigurationState is silent, as speakers speak."""


def state_ref(namespace: str) -> refs.ObjectRef:
    """The name of the controller's ConfigurationState."""
    return refs.ObjectRef("ConfigurationState", namespace, "controller")


def events(
    found: Iterable[problems.Problem], before: frozenset[problems.Problem], uids: Mapping[refs.ObjectRef, str]
) -> tuple[effects.EmitEvent, ...]:
    """A warning on each object for every problem that is new."""
    return tuple(
        effects.EmitEvent(each.ref, uids.get(each.ref, ""), effects.EventType.WARNING, EVENT_REASON, each.line)
        for each in found
        if each not in before
    )


def configuration_state(found: Iterable[problems.Problem], namespace: str) -> effects.WriteConfigurationState:
    """The ConfigurationState object of the controller."""
    return effects.WriteConfigurationState(
        state_ref(namespace),
        CONDITION_TYPE,
        (("metallb.io/component-type", "controller"),),
        tuple(each.summary for each in found if each.ref.kind in _OWN_KINDS),
    )
