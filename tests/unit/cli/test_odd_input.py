"""What people and other programs write: wrong types, nothing at all, names that nobody has. An answer or one line, never a traceback."""

import copy

import pytest
import yaml

from tests import bundled, command

WORLD = """
kind: Service
apiVersion: v1
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {type: LoadBalancer, clusterIPs: [10.96.0.1], ipFamilies: [IPv4], selector: {app: web}, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 198.51.100.7}]}}
---
kind: IPAddressPool
apiVersion: metallb.io/v1beta1
metadata: {name: public, namespace: metallb-system}
spec: {addresses: [198.51.100.0/24]}
---
kind: BGPAdvertisement
apiVersion: metallb.io/v1beta1
metadata: {name: routed, namespace: metallb-system}
spec: {ipAddressPools: [public]}
---
kind: Node
apiVersion: v1
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-x, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{nodeName: n1, addresses: [10.244.0.9], conditions: {ready: true}}]
---
kind: Pod
apiVersion: v1
metadata: {name: speaker-1, namespace: metallb-system, labels: {component: speaker}}
spec: {nodeName: n1}
status: {conditions: [{type: Ready, status: 'True'}]}
---
kind: NodeBGPStatus
apiVersion: frr-adapter.io/v1alpha1
metadata: {name: n1, namespace: metallb-system}
status: {frr: {up: true, version: '10.3'}, configuration: {state: Applied}, sessions: []}
---
kind: ConfigurationState
apiVersion: metallb.io/v1beta1
metadata: {name: speaker-n1, namespace: metallb-system}
status: {result: Valid, errorSummary: ''}
---
kind: ServiceL2Status
apiVersion: metallb.io/v1beta1
metadata: {name: l2-web, namespace: metallb-system, labels: {metallb.io/service-name: web}}
status: {node: n1, serviceName: web, serviceNamespace: default}
"""
OBJECTS = [each for each in yaml.safe_load_all(WORLD) if each["kind"] != "NodeBGPStatus"]
PLACES = [
    (number, path)
    for number, each in enumerate(OBJECTS)
    for path in (
        *((part,) for part in each if part in ("spec", "status", "endpoints")),
        *(("metadata", name) for name in each["metadata"] if name not in ("name", "namespace")),
        *((part, name) for part in ("spec", "status") for name in each.get(part, {})),
    )
]
VALUES = [5, [None]]


@pytest.mark.parametrize(
    ("number", "path"), PLACES, ids=[f"{OBJECTS[number]['kind']} {'.'.join(path)}" for number, path in PLACES]
)
def test_wrong_types(number, path, tmp_path):
    base, bundle = tmp_path / "base.yaml", tmp_path / "c.tar.gz"
    base.write_text(yaml.safe_dump_all(OBJECTS[:2]), encoding="utf-8")
    for value in VALUES:
        objects = copy.deepcopy(OBJECTS)
        place = objects[number]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        bundle.write_bytes(bundled.pack(yaml.safe_dump_all(objects)))
        for words in (
            ("explain", "service", "default/web", "--from-bundle", str(bundle)),
            ("status", "--from-bundle", str(bundle)),
            ("plan", "-f", str(base), "--snapshot", str(bundle)),
        ):
            ran = command.run(*words)
            assert ran.status in (0, 1) or (ran.status == 3 and ran.stderr.count("\n") == 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "empty.yaml").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "world.yaml").write_text(WORLD, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("validate", "-f", "empty.yaml"), "the files have no object in them"),
        (("plan", "-f", "empty.yaml", "--offline"), "the files have no object in them"),
        (("plan", "-f", "nothing", "--offline"), "nothing: no file ends in"),
        (
            ("plan", "--delete", "BGPPeer/metallb-system/typo", "--snapshot", "world.yaml"),
            "BGPPeer metallb-system/typo",
        ),
        (
            ("plan", "--delete", "IPAddressPool/public", "--snapshot", "world.yaml"),
            "there is IPAddressPool metallb-system/public",
        ),
        (("render", "-f", "world.yaml", "--node", "n1", "--output", "no/where"), "no/where: cannot be written"),
    ],
)
def test_nothing_is_never_a_good_answer(words, said):
    ran = command.run(*words)
    assert ran.status == 3
    assert ran.stdout == ""
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
