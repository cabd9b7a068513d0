"""Objects as the tables `kubectl get` prints."""

from datetime import UTC, datetime, timedelta

import pytest

from lab.apiserver import ages, jsonpath, kinds
from lab.apiserver.table import TableKind, table

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
FIVE_MINUTES_AGO = "2026-01-02T11:55:00Z"


def of(kind, *, metadata=None, **parts):
    return {"kind": kind, "metadata": {"name": "x", "creationTimestamp": FIVE_MINUTES_AGO, **(metadata or {})}, **parts}


def row(kind, obj, columns=None, *, wide=False):
    made = table(TableKind(kind, columns), [obj], list_meta={}, include_object="None", now=NOW)
    pairs = zip(made["columnDefinitions"], made["rows"][0]["cells"], strict=True)
    return {column["name"].upper(): cell for column, cell in pairs if wide or not column["priority"]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (5, "5s"), (119, "119s"), (120, "2m"), (192, "3m12s"), (599, "9m59s"),
        (600, "10m"), (179 * 60, "179m"), (180 * 60, "3h"), (181 * 60, "3h1m"), (8 * 3600, "8h"), (47 * 3600, "47h"),
        (48 * 3600, "2d"), (50 * 3600, "2d2h"), (8 * 86400, "8d"), (729 * 86400, "729d"), (731 * 86400, "2y1d"),
        (730 * 86400, "2y"), (3000 * 86400, "8y"),
    ],
)  # fmt: skip
def test_human(seconds, text):
    assert ages.human(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("stamp", "text"),
    [(None, "<unknown>"), ("", "<unknown>"), ("soon", "<invalid>"), ("2026-01-02T11:59:55.123456Z", "4s")],
)
def test_since(stamp, text):
    assert ages.since(stamp, NOW) == text


THING = {
    "spec": {"a": {"b": 1}, "list": ["x", "y"], "on": True, "dotted.name": "d"},
    "status": {"x": [{"y": 5}], "conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.a.b", [1]),
        ("spec.a.b", [1]),
        (".spec.list", [["x", "y"]]),
        (".spec.list[1]", ["y"]),
        (".spec.list[-1]", ["y"]),
        (".spec.list[7]", []),
        (".spec.list[*]", ["x", "y"]),
        (".status.x[0].y", [5]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?(@.type != "Ready")].type', ["A"]),
        (".status.x[?(@.y==5)].y", [5]),
        (".status.x[?(@.y)].y", [5]),
        ('.status.conditions[?(@.type=="No")].status', []),
        (".spec['dotted.name']", ["d"]),
        (r".spec.dotted\.name", ["d"]),
        (".spec.absent.deeper", []),
        (".", [THING]),
    ],
)  # fmt: skip
def test_jsonpath(path, found):
    assert jsonpath.find(THING, path) == found


def test_jsonpath_refuses_what_it_cannot_read():
    with pytest.raises(ValueError, match="unrecognized JSONPath"):
        jsonpath.find({}, ".a[")


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        ("string", ".spec.list", '["x","y"]'),
        ("string", ".spec.a", '{"b":1}'),
        ("string", ".spec.on", "true"),
        ("string", ".spec.a.b", "1"),
        ("string", ".spec.absent", None),
        ("integer", ".spec.a.b", 1),
        ("integer", ".spec.list", None),
        ("integer", ".spec.on", None),
        ("number", ".spec.a.b", 1.0),
        ("boolean", ".spec.on", True),
        ("boolean", ".spec.a.b", None),
        ("date", ".metadata.creationTimestamp", "5m"),
        ("date", ".spec.absent", None),
    ],
)
def test_cells_of_custom_resources(kind, path, cell):
    columns = (kinds.Column("Col", kind, path),)
    assert row("Thing", of("Thing", **THING), columns) == {"NAME": "x", "COL": cell}


def test_a_custom_resource_without_columns_has_name_and_age():
    assert row("Thing", of("Thing"), ()) == {"NAME": "x", "AGE": "5m"}


def test_definitions_rows_and_metadata():
    columns = (kinds.Column("Wide", "string", ".spec.a", description="d", format="f", priority=1),)
    made = table(TableKind("T", columns), [], list_meta={"resourceVersion": "7"}, include_object="", now=NOW)
    assert (made["kind"], made["apiVersion"], made["metadata"]) == ("Table", "meta.k8s.io/v1", {"resourceVersion": "7"})
    assert made["rows"] == []
    assert [column["name"] for column in made["columnDefinitions"]] == ["Name", "Wide"]
    assert made["columnDefinitions"][0]["format"] == "name"
    assert made["columnDefinitions"][1] == {
        "name": "Wide", "type": "string", "format": "f", "description": "d", "priority": 1,
    }  # fmt: skip


@pytest.mark.parametrize("include", ["None", "Metadata", "", "Object"])
def test_what_stands_beside_the_cells(include):
    obj = of("Lease", spec={"holderIdentity": "h"})
    made = table(TableKind("Lease"), [obj], list_meta={}, include_object=include, now=NOW)
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    expected = {"None": None, "Object": obj}.get(include, partial)
    assert made["rows"][0].get("object") == expected
    assert made["rows"][0]["cells"] == ["x", "h", "5m"]


def service(kind, *, ports=(), ingress=(), **spec):
    return of(
        "Service",
        spec={"type": kind, "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": list(ports), **spec},
        status={"loadBalancer": {"ingress": list(ingress)}},
    )


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (service("ClusterIP"), {"TYPE": "ClusterIP", "CLUSTER-IP": "10.96.0.9", "EXTERNAL-IP": "<none>", "PORT(S)": "<none>"}),
        (service("ClusterIP", clusterIPs=[], clusterIP=""), {"CLUSTER-IP": "<none>"}),
        (service("ClusterIP", externalIPs=["192.0.2.7"]), {"EXTERNAL-IP": "192.0.2.7"}),
        (service("LoadBalancer"), {"EXTERNAL-IP": "<pending>"}),
        (service("LoadBalancer", ingress=[{"ip": "192.0.2.2"}, {"ip": "192.0.2.1"}]), {"EXTERNAL-IP": "192.0.2.1,192.0.2.2"}),
        (service("LoadBalancer", ingress=[{"hostname": "h"}], externalIPs=["192.0.2.7"]), {"EXTERNAL-IP": "h,192.0.2.7"}),
        (service("ExternalName", externalName="example.com", clusterIPs=[], clusterIP=""), {"EXTERNAL-IP": "example.com"}),
        (service("NodePort", ports=[{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]), {"PORT(S)": "80:30080/TCP,53/UDP"}),
        (service("ClusterIP", selector={"b": "2", "a": "1"}), {"SELECTOR": "a=1,b=2", "AGE": "5m", "NAME": "x"}),
        (service("ClusterIP"), {"SELECTOR": "<none>"}),
    ],
)  # fmt: skip
def test_services(obj, expected):
    assert expected.items() <= row("Service", obj, wide=True).items()


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "status"),
    [
        ([{"type": "Ready", "status": "True"}], False, "Ready"),
        ([{"type": "Ready", "status": "False"}], False, "NotReady"),
        ([{"type": "Ready", "status": "Unknown"}], True, "NotReady,SchedulingDisabled"),
        ([], False, "Unknown"),
    ],
)
def test_nodes(conditions, unschedulable, status):
    obj = of(
        "Node",
        metadata={"labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"}},
        spec={"unschedulable": unschedulable},
        status={
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": "10.99.0.11"}],
            "nodeInfo": {"kubeletVersion": "v1.33.1", "osImage": "OS"},
        },
    )
    assert row("Node", obj, wide=True) == {
        "NAME": "x", "STATUS": status, "ROLES": "control-plane,edge", "AGE": "5m", "VERSION": "v1.33.1",
        "INTERNAL-IP": "10.99.0.11", "EXTERNAL-IP": "<none>", "OS-IMAGE": "OS", "KERNEL-VERSION": "<unknown>",
        "CONTAINER-RUNTIME": "<unknown>",
    }  # fmt: skip


def pod(state, *, ready=False, phase="Running", restarts=0, **parts):
    container = {"name": "c", "ready": ready, "state": state, "restartCount": restarts}
    return of(
        "Pod", spec={"containers": [{"name": "c"}]}, status={"phase": phase, "containerStatuses": [container]}, **parts
    )


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod({"running": {}}, ready=True), "1/1", "Running"),
        (pod({"running": {}}), "0/1", "Running"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "0/1", "CrashLoopBackOff"),
        (pod({"terminated": {"reason": "Completed", "exitCode": 0}}, phase="Succeeded"), "0/1", "Completed"),
        (pod({"terminated": {"exitCode": 3}}, phase="Failed"), "0/1", "ExitCode:3"),
        (pod({"terminated": {"signal": 9}}, phase="Failed"), "0/1", "Signal:9"),
        (pod({"running": {}}, ready=True, metadata={"deletionTimestamp": FIVE_MINUTES_AGO}), "1/1", "Terminating"),
        (of("Pod", spec={"containers": [{"name": "c"}]}, status={"phase": "Pending"}), "0/1", "Pending"),
        (
            of(
                "Pod",
                spec={"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]},
                status={"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]},
            ),
            "0/1",
            "Init:0/1",
        ),
    ],
)
def test_pods(obj, ready, status):
    found = row("Pod", obj, wide=True)
    assert (found["READY"], found["STATUS"], found["RESTARTS"]) == (ready, status, "0")
    assert (found["IP"], found["NODE"], found["NOMINATED NODE"], found["READINESS GATES"]) == ("<none>",) * 4


def test_restarts_say_how_long_ago():
    obj = pod({"running": {}}, ready=True, restarts=2)
    obj["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"finishedAt": FIVE_MINUTES_AGO}}
    assert row("Pod", obj)["RESTARTS"] == "2 (5m ago)"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            of(
                "Event",
                type="Normal",
                reason="IPAllocated",
                message=" Assigned IP \n",
                involvedObject={"kind": "Service", "name": "s"},
                lastTimestamp=FIVE_MINUTES_AGO,
            ),
            {
                "LAST SEEN": "5m",
                "TYPE": "Normal",
                "REASON": "IPAllocated",
                "OBJECT": "service/s",
                "MESSAGE": "Assigned IP",
            },
        ),
        (
            of(
                "Event",
                type="Warning",
                reason="R",
                note="n",
                regarding={"kind": "Node", "name": "n"},
                eventTime="2026-01-02T11:50:00.000000Z",
                series={"count": 3, "lastObservedTime": "2026-01-02T11:59:50.000000Z"},
            ),
            {"LAST SEEN": "10s", "TYPE": "Warning", "REASON": "R", "OBJECT": "node/n", "MESSAGE": "n"},
        ),
    ],
)
def test_events(obj, expected):
    assert row("Event", obj) == expected


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (of("Namespace", status={"phase": "Active"}), {"NAME": "x", "STATUS": "Active", "AGE": "5m"}),
        (of("Secret", type="Opaque", data={"a": ""}), {"NAME": "x", "TYPE": "Opaque", "DATA": 1, "AGE": "5m"}),
        (of("ConfigMap", data={"a": ""}, binaryData={"b": ""}), {"NAME": "x", "DATA": 2, "AGE": "5m"}),
        (of("ServiceAccount"), {"NAME": "x", "SECRETS": 0, "AGE": "5m"}),
        (of("CustomResourceDefinition"), {"NAME": "x", "CREATED AT": FIVE_MINUTES_AGO}),
        (of("Lease", spec={"holderIdentity": "h"}), {"NAME": "x", "HOLDER": "h", "AGE": "5m"}),
        (of("Role"), {"NAME": "x", "AGE": "5m"}),
        (
            of("EndpointSlice", addressType="IPv4", ports=[{"port": 80}], endpoints=[{"addresses": [f"10.0.0.{n}"]} for n in range(5)]),
            {"NAME": "x", "ADDRESSTYPE": "IPv4", "PORTS": "80", "ENDPOINTS": "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more...", "AGE": "5m"},
        ),
        (of("EndpointSlice", addressType="IPv6"), {"NAME": "x", "ADDRESSTYPE": "IPv6", "PORTS": "<unset>", "ENDPOINTS": "<unset>", "AGE": "5m"}),
        (
            of("Endpoints", subsets=[{"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}]}]),
            {"NAME": "x", "ENDPOINTS": "10.0.0.1:80,[fd00::1]:80", "AGE": "5m"},
        ),
        (
            of("Deployment", spec={"replicas": 2}, status={"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}),
            {"NAME": "x", "READY": "1/2", "UP-TO-DATE": 2, "AVAILABLE": 1, "AGE": "5m"},
        ),
        (
            of("DaemonSet", spec={}, status={"desiredNumberScheduled": 3, "numberReady": 2}),
            {"NAME": "x", "DESIRED": 3, "CURRENT": 0, "READY": 2, "UP-TO-DATE": 0, "AVAILABLE": 0, "NODE SELECTOR": "<none>", "AGE": "5m"},
        ),
    ],
)  # fmt: skip
def test_other_kinds(obj, expected):
    assert row(obj["kind"], obj) == expected


def test_wide_workloads_name_containers_images_and_selector():
    template = {"spec": {"containers": [{"name": "a", "image": "i1"}, {"name": "b", "image": "i2"}]}}
    selector = {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["b", "a"]}]}
    found = row("Deployment", of("Deployment", spec={"template": template, "selector": selector}), wide=True)
    assert (found["CONTAINERS"], found["IMAGES"], found["SELECTOR"]) == ("a,b", "i1,i2", "app=x,t in (a,b)")
