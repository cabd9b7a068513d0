import dataclasses
import ipaddress

from frr_adapter import errors, problems, refs
from frr_adapter.api import node_report as shape
from frr_adapter.boundary import files
from frr_adapter.frr import config, refusal, reloading
from frr_adapter.secret import Secret
from speaker import links, settings, values
from speaker.core import node_report, report

A, B = ipaddress.ip_address("10.99.0.200"), ipaddress.ip_address("fd00:99::200")
MAC = links.parse_mac("02:00:00:00:00:77")
ROUTER = config.Router(64600, neighbors=(config.Neighbor(("r",), "10.0.0.1", "64512", password=Secret("geheim")),))
FACTS = node_report.Facts(
    settings=settings.parse(["--node-name=n1", "--lb-class=x", "--l2-owner=hash", "--frr-log-level=debugging"], {}),
    wanted=config.FrrConfig("n1", routers=(ROUTER,)),
    applied=config.FrrConfig("n1"),
    apply_error="no",
    unready=("not yet",),
    problems=(problems.Problem(refs.ObjectRef("BGPPeer", "s", "p"), "spec", problems.Reason.MALFORMED, "found x"),),
    decisions=(
        (values.Decision("d/a", values.Protocol.BGP, (A,), values.Announce()),),
        (
            values.Decision("d/a", values.Protocol.LAYER2, (A, B), values.Announce(), values.Wish.TAKE),
            values.Decision("d/b", values.Protocol.LAYER2, (), values.Abstain(values.Reason.NO_IP_ALLOCATED)),
        ),
    ),
    layer2=values.L2Plan((values.L2Entry(A, frozenset({"eth1", "eth0"})), values.L2Entry(B, wish=values.Wish.KEEP))),
    held=frozenset({A}),
    rivals=(links.Rival(A, MAC, 3), links.Rival(B, MAC, 1, is_present=False)),
    interfaces=frozenset({"eth1", "eth0", "down0"}),
    live=None,
    counts=links.Counts((links.AddressCounts(A, 3, 2, 1),)),
)
OCCASION = node_report.Occasion("2030-01-01T00:00:00.000Z", True, (shape.Occurrence("2029", "before"),))


def assembled(facts: node_report.Facts = FACTS) -> shape.Speaker:
    return node_report.assemble(facts, OCCASION, "1.2", files.read_templates())


def test_everything_that_is_known_is_said():
    found = assembled()
    assert (found.node, found.taken_at, found.version) == ("n1", OCCASION.taken_at, "1.2")
    assert found.flags == shape.Flags(
        lb_class="x", l2_owner="hash", frr_log_level="debugging", frr_vty_dir="/var/run/frr"
    )
    assert (found.apply_error, found.unready, found.history) == ("no", ("not yet",), OCCASION.history)
    assert found.problems == ("BGPPeer s/p: spec: found x",)
    assert found.decisions == (
        shape.Decision("d/a", "bgp", ("10.99.0.200",)),
        shape.Decision("d/a", "layer2", ("10.99.0.200", "fd00:99::200")),
        shape.Decision("d/b", "layer2", (), "noIPAllocated"),
    )


def test_layer2_says_what_is_wanted_and_what_is_held():
    found = assembled().layer2
    assert found.interfaces == ("down0", "eth0", "eth1")
    assert found.addresses == (
        shape.Layer2Address("10.99.0.200", True, "take", ("eth0", "eth1"), 3, 2, 1),
        shape.Layer2Address("fd00:99::200", False, "keep"),
    )
    assert found.rivals == (shape.Rival("10.99.0.200", "02:00:00:00:00:77"),)
    assert (found.live, found.is_fenced) == (None, True)


def test_where_speakers_watch_each_other_the_interfaces_are_those_that_serve():
    live: values.Live = {"n2": None, "n1": frozenset({"eth0"})}
    found = assembled(dataclasses.replace(FACTS, live=live)).layer2
    assert (found.live, found.interfaces) == (("n1", "n2"), ("eth0",))
    unsaid: values.Live = {"n1": None}
    assert assembled(dataclasses.replace(FACTS, live=unsaid)).layer2.interfaces == ("down0", "eth0", "eth1")


def test_configurations_are_shown_without_passwords():
    found = assembled()
    assert " neighbor 10.0.0.1 password ***\n" in found.wanted
    assert "geheim" not in str(found)
    assert "router bgp" not in found.applied
    assert found.applied
    same = assembled(dataclasses.replace(FACTS, applied=FACTS.wanted))
    assert same.applied == same.wanted
    assert assembled(dataclasses.replace(FACTS, wanted=None, applied=None)).applied == ""


def change(number: int, reason: str = "", protocol: values.Protocol = values.Protocol.BGP) -> report.Change:
    return report.Change(f"d/s{number}", protocol, (A,), reason)


def test_single_changes_are_told_one_by_one():
    assert node_report.changed((change(1), change(2, "notOwner", values.Protocol.LAYER2))) == (
        "announced d/s1 by bgp (10.99.0.200)",
        "withdrawn d/s2 by layer2 (10.99.0.200): notOwner",
    )
    assert node_report.changed(()) == ()


def test_many_changes_are_told_together():
    found = tuple(change(number) for number in range(50)) + tuple(change(n, "noEndpoints") for n in range(3))
    assert node_report.changed(found) == (
        "announced 50 services by bgp, from d/s0 to d/s49",
        "withdrawn 3 services by bgp, from d/s0 to d/s2: noEndpoints",
    )


def test_what_frr_took():
    changed = reloading.Difference(("a",), ("b", "c"))
    hot = reloading.ApplyReport(changed, way=reloading.Way.HOT, resets=("10.0.0.1: remote-as",))
    assert node_report.applied(hot) == ("FRR took 3 changed lines (hot); reset 10.0.0.1: remote-as",)
    whole = reloading.ApplyReport(changed, reason="bgpextras changed")
    assert node_report.applied(whole) == ("FRR took 3 changed lines (reload because bgpextras changed)",)
    assert node_report.applied(reloading.ApplyReport()) == ("FRR runs what is wanted (reload)",)
    assert node_report.applied(reloading.ApplyReport(way=reloading.Way.HOT)) == ()


def test_what_frr_refused():
    assert node_report.applied(errors.ApplyError("why")) == ("FRR did not take the configuration: why",)
    left_out = refusal.LeftOut((refs.ObjectRef("BGPPeer", "s", "p"),), refusal.Refusal("bad line", "unknown"))
    outcome = reloading.ApplyReport(way=reloading.Way.HOT, left_out=(left_out,))
    (line,) = node_report.applied(outcome, report.refused((left_out,)))
    assert line.startswith("FRR refused: BGPPeer s/p: spec: ")
    assert node_report.applied(outcome, ()) == ()
