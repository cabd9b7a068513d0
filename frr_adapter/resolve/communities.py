"""Community aliases of all Community objects, and texts that may be aliases."""

from collections.abc import Mapping

from frr_adapter import problems
from frr_adapter.model import community, snapshot


def aliases(objects: snapshot.ConfigObjects, found: list[problems.Problem]) -> Mapping[str, community.Community]:
    """Name -> community. A name that is defined twice keeps its oldest definition; a value that cannot be read is left out."""
    known: dict[str, tuple[community.Community, str]] = {}
    for each in sorted(objects.communities, key=lambda each: (each.created, each.ref)):
        for index, alias in enumerate(each.aliases):
            field = f"spec.communities[{index}]"
            try:
                value = community.parse(alias.value)
            except ValueError as error:
                found.append(
                    problems.Problem(
                        each.ref, f"{field}.value", problems.Reason.MALFORMED, f"{error} (alias {alias.name})"
                    )
                )
                continue
            if alias.name in known:
                owner = known[alias.name][1]
                message = f'duplicate definition of community "{alias.name}"; it is already defined by {owner}'
                found.append(problems.Problem(each.ref, f"{field}.name", problems.Reason.DUPLICATE, message))
                continue
            known[alias.name] = (value, str(each.ref))
    return {name: value for name, (value, _) in known.items()}


def parse(text: str, known: Mapping[str, community.Community]) -> community.Community:
    """An alias, else a literal; an alias named like a literal wins. Raises ValueError."""
    return known[text] if text in known else community.parse(text)
