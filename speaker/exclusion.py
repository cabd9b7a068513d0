"""Names of interfaces that layer 2 ignores, as a value: the list of regular expressions in `excludel2.yaml`.

Read once at start (a change needs a restart); `speaker.boundary.netlink` asks it about every interface.
"""

import re
from dataclasses import dataclass, field

import yaml

from frr_adapter import errors

KEY = "announcedInterfacesToExclude"

DEFAULT_PATTERNS = (
    "^docker.*",
    "^cbr.*",
    "^dummy.*",
    "^virbr.*",
    "^lxcbr.*",
    "^veth.*",
    "^lo$",
    "^cali.*",
    "^tunl.*",
    "^flannel.*",
    "^kube-ipvs.*",
    "^cni.*",
    "^nodelocaldns.*",
    "^lxc.*",
)
"""What the shipped ConfigMap `metallb-excludel2` lists. A missing file excludes nothing."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Interfaces whose name one of the patterns is found in (anywhere, unless the pattern is anchored) do not exist for us."""

    patterns: tuple[str, ...] = ()
    _search: re.Pattern[str] | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises SettingsError for a pattern that is not a regular expression."""
        for position, pattern in enumerate(self.patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                raise errors.SettingsError(
                    f'excludel2.yaml: {KEY}[{position}]: "{pattern}" is not a regular expression ({error})'
                ) from None
        if self.patterns:
            joined = "|".join(f"(?:{pattern})" for pattern in self.patterns)
            object.__setattr__(self, "_search", re.compile(joined))

    def matches(self, name: str) -> bool:
        """Whether the interface of that name is ignored."""
        return self._search is not None and self._search.search(name) is not None


DEFAULT = Exclusion(DEFAULT_PATTERNS)


def parse(text: str) -> Exclusion:
    """The exclusion that the text of `excludel2.yaml` asks for. Raises SettingsError with the path of what is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise errors.SettingsError(f"excludel2.yaml: not YAML: {line}") from None
    if document is None:
        return Exclusion()
    if not isinstance(document, dict):
        raise errors.SettingsError(
            f"excludel2.yaml: found {type(document).__name__}; a mapping with the key {KEY} is allowed"
        )
    patterns = document.get(KEY) or []
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise errors.SettingsError(
            f"excludel2.yaml: {KEY}: found {patterns!r}; a list of regular expressions is allowed"
        )
    return Exclusion(tuple(patterns))
