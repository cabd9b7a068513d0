import re

import pytest

from controller import settings
from frr_adapter import errors


def test_a_lease_is_held_unless_told_otherwise():
    read = settings.parse((), {})
    assert (read.leader_elect, read.lease_name) == (True, "frr-adapter-controller")
    assert (read.lease_duration, read.renew_deadline, read.retry_period) == (15, 10.0, 2.0)
    assert not settings.parse(("--leader-elect=false",), {}).leader_elect


def test_durations_are_seconds():
    read = settings.parse(("--lease-duration=3", "--renew-deadline=2.5", "--retry-period=0.1"), {})
    assert (read.lease_duration, read.renew_deadline, read.retry_period) == (3, 2.5, 0.1)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--lease-name="], '--lease-name: found ""; the name of a Lease is required'),
        (
            ["--lease-duration=1.5"],
            '--lease-duration: found "1.5"; a whole number of seconds from 1 to 3600 is allowed',
        ),
        (["--lease-duration=0"], '--lease-duration: found "0"; a whole number of seconds from 1 to 3600 is allowed'),
        (["--renew-deadline=soon"], '--renew-deadline: found "soon"; a number of seconds from 0.01 to 3600 is allowed'),
        (["--renew-deadline=nan"], '--renew-deadline: found "nan"; a number of seconds from 0.01 to 3600 is allowed'),
        (["--renew-deadline=15"], "--renew-deadline: found 15; less than --lease-duration (15) is allowed"),
        (["--lease-duration=9"], "--renew-deadline: found 10; less than --lease-duration (9) is allowed"),
        (["--retry-period=8.5"], "--retry-period: found 8.5; less than --renew-deadline / 1.2 (8.33) is allowed"),
        (["--retry-period=0"], '--retry-period: found "0"; a number of seconds from 0.01 to 3600 is allowed'),
    ],
)
def test_what_is_not_allowed_is_one_line(argv, words):
    with pytest.raises(errors.SettingsError, match=re.escape(f"controller: {words}")):
        settings.parse(argv, {})
