"""Which daemons of FRR the container has, and what the variables say."""

import pytest

from cli import daemons
from frr_adapter import errors


def test_what_is_started():
    plan = {daemon.name: daemon.argv for daemon in daemons.plan({})}
    assert list(plan) == ["mgmtd", "zebra", "bgpd", "bfdd", "staticd"]
    assert all(argv[0] == f"/usr/lib/frr/{name}" for name, argv in plan.items())
    assert plan["bgpd"][-2:] == ("-p", "0")
    assert "--v6-rr-semantics" not in plan["zebra"]


def test_what_the_variables_change():
    plan = {daemon.name: daemon.argv for daemon in daemons.plan({"FRR_BGP_PORT": "179", "FRR_LIMIT_FDS": "500"})}
    assert plan["bgpd"][-2:] == ("-p", "179")
    assert all(argv[argv.index("--limit-fds") + 1] == "500" for argv in plan.values())


@pytest.mark.parametrize("found", ["65536", "bgp", "-1", " "])
def test_a_port_that_is_none(found):
    with pytest.raises(errors.SettingsError) as caught:
        daemons.plan({"FRR_BGP_PORT": found})
    assert str(caught.value) == f'frr: $FRR_BGP_PORT: found "{found}"; a number from 0 to 65535 is allowed'


def test_files_are_made_where_they_are_missing_only(tmp_path):
    (tmp_path / "frr.conf").write_text("router bgp 64600\n")
    daemons.prepare(tmp_path)
    assert (tmp_path / "frr.conf").read_text() == "router bgp 64600\n"
    assert (tmp_path / "vtysh.conf").read_text() == "service integrated-vtysh-config\n"
    (tmp_path / "frr.conf").unlink()
    daemons.prepare(tmp_path)
    assert (tmp_path / "frr.conf").read_text().startswith("!")
    assert (tmp_path / "frr.conf").stat().st_mode & 0o777 == 0o640
