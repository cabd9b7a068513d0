"""The file that we write is what FRR starts from: readable for it, complete, and in good order, also for another version."""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from frr_adapter.frr import reloading
from lab import frr_install
from tests.live import applied_node, frr_pair, living_node, raw_frr
from tests.live import segment_bgp as s

pytestmark = s.MARKS

DUAL = {"up": {"address": "10.99.0.1", "dual_stack_address_family": True}}
MANY = {f"s{n}": [f"192.0.2.{n}", f"2001:db8::{n:x}"] for n in range(1, 201)}
ALL = {f"{ip}/{128 if ':' in ip else 32}" for ips in MANY.values() for ip in ips}
NEWER = Path(__file__).parents[2] / ".cache/trixie"


def wanted():
    return applied_node.wanted(DUAL, MANY)


@pytest.fixture
def net():
    with s.Segment("n1", "up") as made:
        living_node.begin(made["n1"], *living_node.daemons(made["n1"]))
        yield made


def load_as_frr(machine):
    """`vtysh -b` as FRR's own start does it, but as its user, who may do less."""
    vtysh = machine.directory / "vtysh"
    user, group = machine.frr.user
    groups = f"{group},{(machine.directory / 'bgpd.vty').stat().st_gid}"
    vtysh.write_text(
        vtysh.read_text().replace(
            " /usr/bin/vtysh ", f" setpriv --reuid {user} --regid {group} --groups {groups} /usr/bin/vtysh "
        )
    )
    return frr_pair.run(vtysh, "-b")


def end_all(machine):
    for daemon in living_node.daemons(machine):
        living_node.end(machine, daemon, signal.SIGTERM)


async def test_frr_starts_from_our_file(net):
    """Nobody meets it half-configured: FRR holds its sessions back until it has read everything."""
    n1 = net["n1"]
    node = applied_node.Node(n1)
    await node.apply(wanted())
    before = sorted(raw_frr.running(n1))
    node.forget()
    if frr_pair.is_real_root():
        found = n1.frr_conf.stat()
        assert (stat.filemode(found.st_mode), found.st_uid) == ("-rw-------", n1.frr.user[0])
    end_all(n1)
    with raw_frr.recorder(net["up"], eager=True) as router:
        living_node.begin(n1, *living_node.daemons(n1))
        if frr_pair.is_real_root():
            load_as_frr(n1)
        else:
            n1.vtysh("-b")
        router.until(ALL)
        lines = router.lines("open", "update", "end-of-rib", "closed")
        # More than one where both sides called at the same time.
        assert all(line["families"] == ["ipv4", "ipv6"] for line in lines if line["event"] == "open")
        started = lines[0]["t"]
        assert max(line["t"] for line in lines if line["event"] == "update") - started < 3, "all at once"
        assert sorted(raw_frr.running(n1)) == before
        # And the speaker, when it comes, finds nothing to do.
        report = await node.apply(wanted())
        node.forget()
        assert [line for line in (*report.changed.added, *report.changed.removed) if "log" not in line] == []
        assert len(router.lines("open", "closed")) == len(
            [line for line in lines if line["event"] in ("open", "closed")]
        )


async def test_without_the_file_frr_says_nothing(net):
    """Started empty it is silent until the speaker comes: nothing wrong goes out."""
    n1 = net["n1"]
    node = applied_node.Node(n1)
    await node.apply(wanted())
    node.forget()
    end_all(n1)
    with raw_frr.recorder(net["up"], eager=True) as router:
        living_node.begin(n1, *living_node.daemons(n1))
        with pytest.raises(AssertionError, match="not within"):
            await living_node.until(lambda: router.lines("open"), limit=1.5)
        async with living_node.Living(n1) as speaker:
            await speaker.runs(wanted())
            router.until(ALL)
        assert all(line["families"] == ["ipv4", "ipv6"] for line in router.lines("open"))


WRITE = """
import pathlib, sys
from frr_adapter.boundary import files
path = pathlib.Path(sys.argv[1])
for text in ("first", "second"):
    files.write_atomic(path, text)
print(path.stat().st_uid, path.stat().st_gid, oct(path.stat().st_mode & 0o777))
"""


@pytest.mark.skipif(not frr_pair.is_real_root(), reason="in a user namespace there is but one user")
def test_a_speaker_with_no_privileges_writes_a_file_that_frr_can_read(tmp_path_factory):
    """As in a pod: the volume belongs to root, and to the group that both containers have."""
    shared = tmp_path_factory.mktemp("shared")
    for parent in shared.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.chown(shared, 0, 54000)
    shared.chmod(0o2770)
    path = shared / "frr.conf"

    def as_user(user, groups, *command):
        clothes = ["setpriv", "--reuid", str(user), "--regid", str(user), "--groups", groups, "--inh-caps=-all"]
        return subprocess.run([*clothes, *map(str, command)], capture_output=True, text=True, check=False)

    done = as_user(54321, "54000", sys.executable, "-c", WRITE, path)
    assert done.stdout.split() == ["54321", "54000", "0o640"], done.stderr
    assert as_user(54322, "54000", "cat", path).stdout == "second"
    assert as_user(54323, "54323", "cat", path).returncode != 0
    # In a directory that belongs to FRR's user, and with the right to do so, it belongs to FRR alone.
    path.unlink()
    os.chown(shared, 54322, 54000)
    done = subprocess.run([sys.executable, "-c", WRITE, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["54322", "54000", "0o600"]


@pytest.mark.skipif(bool(os.environ.get("FRR_ROOT")), reason="starts from this machine's FRR")
@pytest.mark.skipif(not (NEWER / "usr/lib/frr/bgpd").exists(), reason="needs FRR 10 in .cache/trixie (make test-frr10)")
async def test_frr_is_replaced_by_another_version(net, monkeypatch):
    """The older one's file is read by the newer one, which writes some lines in another way: nothing is changed for that."""
    n1 = net["n1"]
    node = applied_node.Node(n1)
    await node.apply(wanted())
    node.forget()
    end_all(n1)
    monkeypatch.setenv("FRR_ROOT", str(NEWER))
    n1.frr = frr_install.find()
    where = f"--vty_socket {n1.directory}"
    n1._script("vtysh", f"/usr/bin/vtysh {where} --config_dir {n1.directory}")
    n1._script("frr-reload", f"/usr/lib/frr/frr-reload.py {where} --confdir {n1.directory} --rundir {n1.directory}")
    os.chown(n1.directory, *n1.frr.user)
    os.chown(n1.frr_conf, *n1.frr.user)
    for left in (*n1.directory.glob("*.vty"), *n1.directory.glob("*.pid"), *n1.directory.glob("zserv*")):
        left.unlink()
    try:
        with raw_frr.recorder(net["up"], eager=True) as router:
            living_node.begin(n1, *living_node.daemons(n1))
            assert raw_frr.tell(n1, "bgpd", "show version")[0].text.startswith("FRRouting 10")
            frr_pair.run(n1.directory / "vtysh", "-b")
            router.until(ALL)
            opened = len(router.lines("open"))
            async with living_node.Living(n1) as speaker:
                await speaker.runs(wanted())
                (report,) = speaker.outcomes
                texts = (*report.changed.added, *report.changed.removed)
                assert [line for line in texts if re.search("network|neighbor|route-map", line)] == []
                more = applied_node.wanted(DUAL, {**MANY, "one": ["192.0.2.250"]})
                await speaker.runs(more)
                assert speaker.outcomes[-1].way is reloading.Way.HOT
            router.until(ALL | {"192.0.2.250/32"})
            assert len(router.lines("open")) == opened
    finally:
        subprocess.run(["rm", "-rf", f"{NEWER}{net.root}"], check=False)
