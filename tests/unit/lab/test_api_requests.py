"""Paths, forms of answers, bodies: what a request means before anything is looked up."""

import pytest

from lab.apiserver import answers, bodies, builtin_schema, protobuf, refusal, request
from lab.apiserver.protobuf import write
from lab.apiserver.registry import Registry, version_rank

REGISTRY = Registry()
SERVICE = REGISTRY.get("", "services")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/services", ("services", "", "", "")),
        ("/api/v1/namespaces", ("namespaces", "", "", "")),
        ("/api/v1/namespaces/x", ("namespaces", "", "x", "")),
        ("/api/v1/namespaces/x/status", ("namespaces", "", "x", "status")),
        ("/api/v1/namespaces/x/finalize", ("namespaces", "", "x", "finalize")),
        ("/api/v1/namespaces/x/services", ("services", "x", "", "")),
        ("/api/v1/namespaces/x/services/s", ("services", "x", "s", "")),
        ("/api/v1/namespaces/x/services/s/status", ("services", "x", "s", "status")),
        ("/apis/apps/v1/namespaces/x/deployments/d", ("deployments", "x", "d", "")),
        ("/api/v1/nodes/n/status", ("nodes", "", "n", "status")),
    ],
)
def test_paths(path, expected):
    target = request.parse_path(path, REGISTRY)
    assert (target.kind.plural, target.namespace, target.name, target.subresource) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v2/services",
        "/apis/apps/v1",
        "/api/v1/nothings",
        "/api/v1/services/s",
        "/api/v1/namespaces/x/nodes",
        "/api/v1/namespaces/x/services/s/scale",
        "/api/v1/namespaces/x/services/s/status/more",
    ],
)
def test_paths_to_nothing(path):
    assert request.parse_path(path, REGISTRY) is None


@pytest.mark.parametrize(
    ("accept", "kind_as", "media"),
    [
        ("", "", "application/json"),
        ("*/*", "", "application/json"),
        ("application/vnd.kubernetes.protobuf, application/json", "", "application/json"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table", "application/json"),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "", "application/json"),
        ("application/yaml", "", "application/yaml"),
    ],
)
def test_forms(accept, kind_as, media):
    form = answers.negotiate(accept, "")
    assert (form.kind_as, form.media) == (kind_as, media)


def test_no_acceptable_form():
    with pytest.raises(refusal.ApiError) as caught:
        answers.negotiate("application/vnd.kubernetes.protobuf", "")
    assert caught.value.code == 406


def test_versions_are_ranked_as_kubernetes_does():
    versions = ["v1alpha1", "foo", "v1", "v1beta1", "v2", "v1beta2", "v10", "v2beta1"]
    assert sorted(versions, key=version_rank) == [
        *("v10", "v2", "v1", "v2beta1", "v1beta2", "v1beta1", "v1alpha1", "foo"),
    ]


def test_reading_a_body_drops_nulls_and_names_unknown_fields():
    document = {"metadata": {"name": "s", "creationTimestamp": None, "odd": 1}, "spec": {"ports": [{"prot": 1}]}}
    unknown = builtin_schema.decode(document, SERVICE.schema, "Service")
    assert sorted(unknown) == ["metadata.odd", "spec.ports[0].prot"]
    assert document == {"metadata": {"name": "s"}, "spec": {"ports": [{}]}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"ports": [{"port": "x"}]},
            "cannot unmarshal string into Go struct field Service.spec.ports.port of type int32",
        ),
        ({"type": 1}, "cannot unmarshal number into Go struct field Service.spec.type of type string"),
        ({"ports": {}}, "cannot unmarshal object into Go struct field Service.spec.ports of type []struct"),
    ],
)
def test_wrong_types(spec, message):
    with pytest.raises(builtin_schema.WrongTypeError) as caught:
        builtin_schema.decode({"spec": spec}, SERVICE.schema, "Service")
    assert str(caught.value) == f"json: {message}"


def test_duplicate_fields_are_noticed():
    check = bodies.FieldCheck("Warn")
    data = b'{"metadata":{"name":"a","name":"b"}}'
    document = bodies.read_object(data, "application/json", SERVICE, check)
    assert document["metadata"]["name"] == "b"
    assert check.warnings == ['duplicate field "metadata.name"']


def test_times_in_yaml_stay_text():
    value = bodies.parse(b"a: 2024-01-02T03:04:05Z\nb: {1: x}", "application/yaml")
    assert value == {"a": "2024-01-02T03:04:05Z", "b": {"1": "x"}}


def envelope(kind, body):
    return b"k8s\x00" + write(1, write(1, "v1") + write(2, kind)) + write(2, body)


def test_protobuf_objects():
    metadata = write(1, "c") + write(2, "") + write(8, b"") + write(11, write(1, "k") + write(2, "v"))
    body = write(1, metadata) + write(2, write(1, "a") + write(2, "b"))
    found = protobuf.read_object(envelope("ConfigMap", body))
    assert found == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"k": "v"}},
        "data": {"a": "b"},
    }


def test_protobuf_keeps_zeros_behind_pointers():
    replicas, min_ready = b"\x08\x00", b"\x28\x00"
    found = protobuf.read_object(envelope("Deployment", write(2, replicas + min_ready)))
    assert found["spec"] == {"replicas": 0}


@pytest.mark.parametrize(
    "data",
    [b"", b"k8s", envelope("Pod", b""), envelope("ConfigMap", write(99, "x")), envelope("ConfigMap", b"\x0a\x7f")],
)
def test_protobuf_that_cannot_be_read(data):
    with pytest.raises(protobuf.ProtobufError):
        protobuf.read_object(data)


@pytest.mark.parametrize(("query", "expected"), [({"dryRun": "All"}, True), ({}, False)])
def test_dry_run(query, expected):
    assert request.is_dry_run(query) is expected


def test_manager_from_the_user_agent():
    assert request.manager_of({}, "kubectl/v1.32.0 (linux)") == "kubectl"
    assert request.manager_of({"fieldManager": "me"}, "kubectl/v1.32.0") == "me"


def test_field_selectors_are_checked_against_the_kind():
    chosen = request.selection(SERVICE, {"fieldSelector": "spec.type=LoadBalancer"})
    assert chosen.matches({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer"}})
    with pytest.raises(refusal.ApiError) as caught:
        request.selection(SERVICE, {"fieldSelector": "spec.ports=1"})
    assert caught.value.code == 400
