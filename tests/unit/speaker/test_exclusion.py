import pytest

from frr_adapter import errors
from speaker import exclusion


@pytest.mark.parametrize(
    ("name", "excluded"),
    [
        ("lo", True),
        ("veth1234", True),
        ("docker0", True),
        ("cali0123", True),
        ("kube-ipvs0", True),
        ("lxc_health", True),
        ("eth0", False),
        ("lo0", False),
        ("myveth0", False),
        ("bond0", False),
    ],
)
def test_the_default_list(name, excluded):
    assert exclusion.DEFAULT.matches(name) is excluded


def test_no_patterns_exclude_nothing():
    assert not exclusion.Exclusion().matches("lo")
    assert not exclusion.parse("").matches("lo")
    assert not exclusion.parse("announcedInterfacesToExclude:\n").matches("lo")


def test_patterns_are_searched_anywhere_and_joined_as_alternatives():
    found = exclusion.parse('announcedInterfacesToExclude: ["^docker.*", "eth|wlan", "x$"]')
    assert [name for name in ("docker0", "myeth7", "wlan0", "tux", "xt", "en0") if found.matches(name)] == [
        "docker0",
        "myeth7",
        "wlan0",
        "tux",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'announcedInterfacesToExclude: ["ok", "["]',
            'announcedInterfacesToExclude[1]: "[" is not a regular expression',
        ),
        ("announcedInterfacesToExclude: eth0", "found 'eth0'; a list of regular expressions is allowed"),
        ("announcedInterfacesToExclude: [1]", "found [1]"),
        ("- eth0", "found list; a mapping"),
        ("a: [", "excludel2.yaml: not YAML"),
    ],
)
def test_errors_are_one_line_for_the_person_who_started_the_program(text, words):
    with pytest.raises(errors.SettingsError) as found:
        exclusion.parse(text)
    assert words in str(found.value)
    assert "\n" not in str(found.value)
