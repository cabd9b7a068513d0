"""A MetalLB setup of any age: what is produced is right, nothing that people write makes it fall over, and no password comes out."""

import functools
import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import errors, values
from cli.boundary import offline
from cli.core import checking
from cli.core.importing import programs, reading, setup
from cli.core.importing.reading import Outcome
from frr_adapter import refs
from tests import chart
from tests.cases import test_command as cases

HOW = values.Programs()
SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text())


def document(kind, raw, *, version="metallb.io/v1beta1", name="a", namespace="metallb-system"):
    metadata = {"name": name, "namespace": namespace}
    whole = {"apiVersion": version, "kind": kind, "metadata": metadata, **raw}
    return values.Document(refs.ObjectRef(kind, namespace, name), whole)


def read(*documents, helm=None):
    return setup.read(documents, HOW, offline.parsed, helm)


def config_map(text):
    return document("ConfigMap", {"data": {"config": text}}, version="v1", name="config")


def speaker(args=(), env=(), kind="DaemonSet"):
    container = {"name": "speaker", "args": list(args), "env": list(env)}
    return document(
        kind, {"spec": {"template": {"spec": {"containers": [container]}}}}, version="apps/v1", name="speaker"
    )


def rows(found, outcome):
    return [
        f"{row.field}: {row.text}" if row.field else row.text for row in found.reading.rows if row.outcome is outcome
    ]


@pytest.mark.parametrize("name", [name for name in cases.CASES if name.startswith("import/")])
def test_what_takes_the_place_of_old_objects_is_right(name, tmp_path, monkeypatch):
    """Nothing that is written has a mistake, unless the answer says that there is one."""
    case = cases.read(name)
    monkeypatch.chdir(tmp_path)
    cases.lay_out(case, tmp_path)
    from cli.boundary import sources

    before, found = offline.gathered(sources.Place(), [tmp_path / name for name in case.files if name != "values.yaml"])
    produced = read(*before.documents, *found.documents).reading.produced
    assert [each.line for each in checking.problems(produced)] == []
    assert "hunter2" not in json.dumps([each.raw for each in produced])


def test_passwords_are_never_copied():
    peer = {"my-asn": 1, "peer-asn": 2, "peer-address": "10.0.0.1", "password": "hunter2"}
    old = {"myASN": 1, "peerASN": 2, "peerAddress": "10.0.0.2", "password": "hunter2"}
    neighbor = {"address": "10.0.0.3", "asn": 3, "password": "hunter2"}
    found = read(
        config_map(yaml.safe_dump({"peers": [peer]})),
        document("BGPPeer", {"spec": old}, name="old"),
        document(
            "FRRConfiguration",
            {"spec": {"bgp": {"routers": [{"asn": 1, "neighbors": [neighbor]}]}}},
            version="frrk8s.metallb.io/v1beta1",
        ),
    )
    assert "hunter2" not in repr(found)
    peers = {each.ref.name: each.raw["spec"] for each in found.reading.produced}
    assert peers["old"]["passwordSecret"] == {"name": "old-password"}
    assert [spec["passwordSecret"]["name"] for spec in peers.values()] == [f"{name}-password" for name in peers]
    assert not rows(found, Outcome.MISTAKE)


def test_a_stand_in_for_a_password_is_no_alias_of_yaml():
    text = "peers:\n- {my-asn: 1, peer-asn: 2, password: ***-0123456789ab, peer-address: 10.0.0.1}\n- password: ***\n  my-asn: 1\n"
    found = read(config_map(text))
    assert [each.ref.name for each in found.reading.produced] == ["peer", "peer-10.0.0.1"]


def test_yaml_in_a_config_map_that_is_none():
    found = read(config_map("peers: ["))
    (told,) = rows(found, Outcome.MISTAKE)
    assert re.match(r"data\.config:\d: is not YAML: .*; nothing of it can be read", told)


def test_two_peers_with_one_address_have_names_of_their_own():
    peer = {"my-asn": 1, "peer-asn": 2, "peer-address": "10.0.0.1"}
    found = read(config_map(yaml.safe_dump({"peers": [peer, peer]})))
    assert [each.ref.name for each in found.reading.produced] == ["peer-10.0.0.1", "peer-10.0.0.1-2"]


@pytest.mark.parametrize(
    ("said", "mode", "outcome"),
    [
        (None, programs.Mode.NATIVE, Outcome.DIFFERS),
        ("native", programs.Mode.NATIVE, Outcome.DIFFERS),
        ("frr", programs.Mode.FRR, Outcome.SAME),
        ("frr-k8s", programs.Mode.FRR_K8S, Outcome.DIFFERS),
        ("nonsense", programs.Mode.NATIVE, Outcome.DIFFERS),
    ],
)
def test_who_speaks_bgp(said, mode, outcome):
    started = programs.of_workload(speaker(env=[{"name": "METALLB_BGP_TYPE", "value": said}] if said else ()))
    assert started.mode is mode
    assert started.reading.rows[0].outcome is outcome


@pytest.mark.parametrize(
    ("args", "outcome", "words"),
    [
        (["--lb-class=x"], Outcome.CONVERTED, "chart: --set loadBalancerClass=x"),
        (["--lb-class", "x"], Outcome.CONVERTED, "chart: --set loadBalancerClass=x"),
        (["--log-level=debug"], Outcome.CONVERTED, "chart: --set speaker.logLevel=debug"),
        (["--ignore-exclude-lb"], Outcome.CONVERTED, "chart: --set speaker.ignoreExcludeLB=true"),
        (["--log-level=loud"], Outcome.MISTAKE, '--log-level: found "loud"; allowed are'),
        (["--nothing"], Outcome.UNSUPPORTED, "--nothing: the speaker has no such flag"),
        (["--frrk8s-namespace=x"], Outcome.DIFFERS, "--frrk8s-namespace: leave it out"),
        (["--ml-labels=app=metallb"], Outcome.SAME, "--ml-labels: the same flag, set by the chart"),
    ],
)
def test_flags(args, outcome, words):
    told = [row.text for row in programs.of_workload(speaker(args)).reading.rows if row.outcome is outcome]
    assert any(text.startswith(words) for text in told)


def test_other_workloads_are_none_of_metallb():
    raw = {"spec": {"template": {"spec": {"containers": [{"name": "web", "args": ["--port=x"]}]}}}}
    assert programs.of_workload(document("Deployment", raw, version="apps/v1", name="web")) is None


def schema_at(path):
    """What our chart's schema says of that value; None when it has none."""
    node = SCHEMA
    for name in path.split("."):
        while "$ref" in node:
            node = functools.reduce(lambda found, key: found[key], node["$ref"].removeprefix("#/").split("/"), SCHEMA)
        if name not in node.get("properties", {}):
            return None
        node = node["properties"][name]
    return node


@pytest.mark.parametrize("path", sorted(programs._VALUES.values()))
def test_values_that_flags_become_exist(path):
    assert schema_at(path) is not None


KEPT_APART = {"speaker.image", "controller.image", "speaker.frr.image", "nameOverride", "fullnameOverride"}
"""Our chart has them, but MetalLB's values would not do."""


@pytest.mark.parametrize("path", sorted(programs._LEFT_OUT.keys() - KEPT_APART))
def test_values_to_leave_out_do_not_exist(path):
    assert schema_at(path) is None


def test_what_remains_of_helm_values():
    given_values = {
        "frrk8s": {"enabled": False},
        "speaker": {"frr": {"enabled": True}, "reloader": {}},
        "tls": {"minVersion": "x"},
    }
    found = read(helm=("values.yaml", given_values))
    assert found.helm == {"speaker": {"frr": {"enabled": True}}, "tls": {"minVersion": "x"}}
    assert "FRR in a container beside the speaker, there and here" in rows(found, Outcome.SAME)
    assert yaml.safe_load(setup.files(found)["values.yaml"]) == found.helm


def test_a_service_that_would_lose_its_address_is_named():
    service = {
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }
    pool = {"spec": {"addresses": ["198.51.100.0/24"]}}
    kept = document("IPAddressPool", {"spec": {"addresses": ["192.0.2.0/24"]}}, name="kept")
    web = document("Service", service, version="v1", name="web", namespace="default")
    (told,) = rows(read(document("IPAddressPool", pool), web), Outcome.DIFFERS)
    assert told == "has 192.0.2.1, would have 198.51.100.0"
    assert "1 Service keeps its address" in rows(read(kept, web), Outcome.SAME)


def test_exit_status_and_counts():
    clean = read(document("IPAddressPool", {"spec": {"addresses": ["192.0.2.0/24"]}}))
    assert not setup.has_findings(clean)
    answer = setup.document(clean, values.Gathered())
    assert answer.counts == {"same": 1}
    assert setup.has_findings(read(document("AddressPool", {"spec": {}})))


def test_files_are_not_overwritten(tmp_path):
    assert offline.write(tmp_path / "new", {"a.yaml": "a"}, force=False) == (f"{tmp_path}/new/a.yaml",)
    with pytest.raises(errors.NoAnswerError, match=r"a\.yaml: is there already; --force overwrites"):
        offline.write(tmp_path / "new", {"b.yaml": "b", "a.yaml": "x"}, force=False)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.yaml"]
    offline.write(tmp_path / "new", {"a.yaml": "x"}, force=True)
    assert (tmp_path / "new/a.yaml").read_text() == "x"


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("a", "10.0.0.1"), "a-10.0.0.1"),
        (("x", "2001:db8::1"), "x-2001-db8-1"),
        (("", ""), "unnamed"),
        (("a" * 90,), "a" * 63),
    ],
)
def test_names_are_names_of_kubernetes(parts, name):
    assert reading.named(*parts) == name
    assert checking._NAME.fullmatch(name)


WORDS = st.sampled_from(
    ["spec", "data", "config", "peers", "address-pools", "bgp", "routers", "neighbors", "toAdvertise", "allowed", "prefixes",
     "protocol", "layer2", "addresses", "raw", "rawConfig", "priority", "nodeSelector", "name", "template", "containers", "args",
     "env", "speaker", "10.0.0.1", "10.0.0.0/8", "--port", "extras", "passwordSecret", "interfaces", "a"]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70000) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(
    [("AddressPool", "metallb.io/v1beta1"), ("IPAddressPool", "metallb.io/v1beta1"), ("BGPPeer", "metallb.io/v1beta1"),
     ("BGPPeer", "metallb.io/v1beta2"), ("BGPAdvertisement", "metallb.io/v1beta1"), ("L2Advertisement", "metallb.io/v1beta1"),
     ("FRRConfiguration", "frrk8s.metallb.io/v1beta1"), ("DaemonSet", "apps/v1"), ("ConfigMap", "v1"), ("Service", "v1")]
)  # fmt: skip


@settings(deadline=None)
@given(kind=KINDS, name=st.sampled_from(["config", "speaker", "bgpextras", "a"]), spec=JUNK, data=JUNK)
def test_whatever_people_write_there_is_an_answer(kind, name, spec, data):
    made = document(kind[0], {"spec": spec, "data": data}, version=kind[1], name=name)
    found = read(made)
    assert setup.document(found, values.Gathered()).format == "frr-adapter.import/v1"
    for finding in checking.problems([made]):
        assert finding.message
