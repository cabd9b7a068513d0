"""Which kinds are served right now: the built-in ones and those of established CustomResourceDefinitions.

`backend` owns one; `web`, `discovery` and `openapi` look kinds up. Must never hold objects.
"""

from collections.abc import Iterable, Iterator

from lab.apiserver.kinds import BUILT_IN, Kind


class Registry:
    """The served kinds by group, version and plural."""

    def __init__(self, built_in: Iterable[Kind] = BUILT_IN) -> None:
        self._built_in = {(kind.group, kind.version, kind.plural): kind for kind in built_in}
        self._custom: dict[str, tuple[Kind, ...]] = {}
        self._served = dict(self._built_in)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind at a path, or None."""
        return self._served.get((group, version, plural))

    def get(self, group: str, plural: str) -> Kind:
        """A built-in kind by group and plural; its version is v1."""
        return self._built_in[group, "v1", plural]

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._served.values())

    def define(self, crd_name: str, kinds: tuple[Kind, ...]) -> None:
        """Serves (or no longer serves, when empty) the versions of one CustomResourceDefinition."""
        if kinds:
            self._custom[crd_name] = kinds
        else:
            self._custom.pop(crd_name, None)
        self._served = dict(self._built_in)
        for custom in self._custom.values():
            self._served.update({(kind.group, kind.version, kind.plural): kind for kind in custom})

    def groups(self) -> dict[str, list[str]]:
        """Group name -> versions, the preferred first; the core group is the empty name."""
        found: dict[str, list[str]] = {}
        for kind in self._served.values():
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        for versions in found.values():
            versions.sort(key=version_rank)
        return found

    def of(self, group: str, version: str) -> list[Kind]:
        """The kinds of one group version, sorted by plural."""
        served = (kind for kind in self._served.values() if (kind.group, kind.version) == (group, version))
        return sorted(served, key=lambda kind: kind.plural)

    def by_storage(self, storage: str) -> Kind | None:
        """A kind kept under a storage name, in the version it is kept in where that is served."""
        found = [kind for kind in self._served.values() if kind.storage == storage]
        kept = [kind for kind in found if kind.custom and kind.api_version == kind.custom.storage_api_version]
        return next(iter(kept or found), None)


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sort key of API versions: v2 before v1 before v1beta2 before v1beta1 before v1alpha1 before the rest."""
    digits = version.removeprefix("v")
    for stage, name in enumerate(("", "beta", "alpha")):
        major, found, minor = digits.partition(name) if name else (digits, "", "")
        if version.startswith("v") and major.isdigit() and (minor.isdigit() if found else not name):
            return stage, -int(major), -int(minor or 0), version
    return 3, 0, 0, version
