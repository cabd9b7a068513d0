"""Custom resources: definitions, schemas, defaults, pruning, status, generation, rules, versions, tables."""

import secrets

import pytest

from tests.contract.conftest import APPLY_PATCH, CRDS, MERGE_PATCH, STRATEGIC_PATCH, TABLE, define, pool_definition

pytestmark = pytest.mark.contract
GROUP = "lab.example.org"


def pool(plural, name="a", spec=None, **more):
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": plural.capitalize(),
        "metadata": {"name": name},
        "spec": {"size": 3} if spec is None else spec,
        **more,
    }


def causes(status):
    return [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]]


async def make(api, plural, **more):
    return (await api.post(api.path(plural, group=GROUP), pool(plural, **more))).ok(201)


async def test_definition_is_established_and_discovered(api, pools):
    found = (await api.get(f"{CRDS}/{pools}.{GROUP}")).ok(200)
    conditions = {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"]}
    assert conditions["NamesAccepted"] == ("True", "NoConflicts")
    assert conditions["Established"] == ("True", "InitialNamesAccepted")
    assert found["status"]["storedVersions"] == ["v1"]
    assert found["status"]["acceptedNames"]["listKind"] == f"{pools.capitalize()}List"
    assert found["spec"]["names"]["singular"] == pools
    assert found["spec"]["conversion"] == {"strategy": "None"}

    def is_discovered(answer):
        return pools in {resource["name"] for resource in answer.body.get("resources", ())}

    listed = (await api.eventually(f"/apis/{GROUP}/v1", is_discovered)).body["resources"]
    own = next(resource for resource in listed if resource["name"] == pools)
    assert own["kind"] == pools.capitalize()
    assert own["shortNames"] == [f"x{pools}"]
    assert own["namespaced"] is True
    assert f"{pools}/status" in {resource["name"] for resource in listed}


async def test_defaults_and_pruning(api, pools):
    ports = [{"name": "x", "junk": 1}]
    made = await make(api, pools, spec={"size": 1, "junk": True, "free": {"any": 1}, "ports": ports})
    assert made["spec"] == {
        "size": 1,
        "mode": "fast",
        "free": {"any": 1},
        "ports": [{"name": "x", "number": 80}],
    }
    assert made["metadata"]["generation"] == 1
    assert made["kind"] == pools.capitalize()


@pytest.mark.parametrize(
    ("spec", "field", "reason", "message"),
    [
        ({"size": 11}, "spec.size", None, "spec.size in body should be less than or equal to 10"),
        ({"size": -1}, "spec.size", None, "spec.size in body should be greater than or equal to 0"),
        ({"size": "x"}, "spec.size", None, 'spec.size in body must be of type integer: "string"'),
        ({}, "spec.size", "FieldValueRequired", "Required value"),
        ({"size": 1, "mode": "odd"}, "spec.mode", "FieldValueNotSupported", 'supported values: "fast", "slow"'),
        ({"size": 1, "addresses": ["a", "a"]}, "spec.addresses[1]", "FieldValueDuplicate", 'Duplicate value: "a"'),
        ({"size": 1, "ports": [{"number": 1}]}, "spec.ports[0].name", "FieldValueRequired", "Required value"),
        ({"size": 1, "ports": [{"name": "a"}, {"name": "a"}]}, "spec.ports[1]", "FieldValueDuplicate", "Duplicate"),
    ],
)
async def test_schema_refusals(api, pools, spec, field, reason, message):
    answer = await api.post(api.path(pools, group=GROUP), pool(pools, spec=spec))
    status = answer.refused(422, "Invalid")
    found = causes(status)
    # Servers before 1.21 leave the index out of the path of a missing field.
    assert any(at in {field, field.replace("[0]", "")} and reason in {None, why} for at, why in found), status
    assert message in status["message"]
    assert status["message"].startswith(f'{pools.capitalize()}.{GROUP} "a" is invalid: ')
    assert status["details"]["group"] == GROUP


async def test_generation_counts_changes_of_the_spec(api, pools):
    path = api.path(pools, "a", group=GROUP)
    await make(api, pools)
    labelled = (await api.patch(path, {"metadata": {"labels": {"x": "y"}}})).ok(200)
    assert labelled["metadata"]["generation"] == 1
    changed = (await api.patch(path, {"spec": {"size": 4}})).ok(200)
    assert changed["metadata"]["generation"] == 2
    status = (await api.patch(f"{path}/status", {"status": {"used": 1}})).ok(200)
    assert status["metadata"]["generation"] == 2
    assert int(status["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_status_and_spec_are_written_apart(api, pools):
    path = api.path(pools, "a", group=GROUP)
    made = await make(api, pools, status={"used": 9})
    assert "status" not in made
    ignored = (await api.patch(path, {"status": {"used": 1}})).ok(200)
    assert "status" not in ignored
    change = {"status": {"used": 2, "junk": 1}, "spec": {"size": 9}, "metadata": {"labels": {"a": "b"}}}
    kept = (await api.patch(f"{path}/status", change)).ok(200)
    assert kept["status"] == {"used": 2}
    assert kept["spec"]["size"] == 3
    assert "labels" not in kept["metadata"]
    whole = {**kept, "spec": {"size": 5}, "status": {"used": 7}}
    put = (await api.put(path, whole)).ok(200)
    assert (put["spec"]["size"], put["status"]) == (5, {"used": 2})
    (await api.put(f"{path}/status", whole)).refused(409, "Conflict")
    put = (await api.put(f"{path}/status", {**put, "status": {"used": 8}, "spec": {"size": 1}})).ok(200)
    assert (put["spec"]["size"], put["status"]) == (5, {"used": 8})
    assert (await api.get(f"{path}/status")).ok(200) == put


async def test_blind_updates_are_refused(api, pools):
    await make(api, pools)
    status = (await api.put(api.path(pools, "a", group=GROUP), pool(pools))).refused(422, "Invalid")
    assert causes(status) == [("metadata.resourceVersion", "FieldValueInvalid")]
    assert "must be specified for an update" in status["message"]


async def test_patch_types(api, pools):
    path = api.path(pools, "a", group=GROUP)
    await make(api, pools)
    answer = await api.patch(path, {"spec": {"size": 4}}, STRATEGIC_PATCH)
    assert answer.refused(415, "UnsupportedMediaType")["message"].endswith(
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )
    assert (await api.patch(path, {"spec": {"mode": None}}, MERGE_PATCH)).ok(200)["spec"] == {"size": 3, "mode": "fast"}
    (await api.patch(path, {"spec": {"size": 99}}, MERGE_PATCH)).refused(422, "Invalid")


async def test_deletion_with_finalizer_counts_the_generation(api, pools):
    path = api.path(pools, "a", group=GROUP)
    held = pool(pools)
    held["metadata"]["finalizers"] = ["lab.example.org/hold"]
    (await api.post(api.path(pools, group=GROUP), held)).ok(201)
    dying = (await api.delete(path)).ok(200)
    assert dying["metadata"]["generation"] == 2
    (await api.patch(path, {"metadata": {"finalizers": []}})).ok(200)
    (await api.get(path)).refused(404, "NotFound")


async def test_deleted_definition_takes_its_objects_along(api):
    plural = f"p{secrets.token_hex(3)}s"
    await define(api, pool_definition(plural))
    await make(api, plural)
    (await api.delete(f"{CRDS}/{plural}.{GROUP}")).ok(200)
    await api.eventually(f"{CRDS}/{plural}.{GROUP}", lambda answer: answer.status == 404)
    await api.eventually(api.path(plural, group=GROUP), lambda answer: answer.status == 404)


async def test_invalid_definitions(api):
    wrong_name = pool_definition("things")
    wrong_name["metadata"]["name"] = "other.lab.example.org"
    status = (await api.post(CRDS, wrong_name)).refused(422, "Invalid")
    assert ("metadata.name", "FieldValueInvalid") in causes(status)
    no_schema = pool_definition("things")
    del no_schema["spec"]["versions"][0]["schema"]
    (await api.post(CRDS, no_schema)).refused(422, "Invalid")


async def test_two_versions_of_one_object(api):
    plural = f"p{secrets.token_hex(3)}s"
    definition = pool_definition(plural)
    older = {**definition["spec"]["versions"][0], "name": "v1beta1", "storage": False}
    definition["spec"]["versions"].append(older)
    await define(api, definition)
    try:
        made = await make(api, plural)
        path = api.path(plural, "a", group=GROUP, version="v1beta1")
        await api.eventually(path, lambda answer: answer.status == 200)
        old = (await api.get(path)).ok(200)
        assert old["apiVersion"] == f"{GROUP}/v1beta1"
        assert old["metadata"]["uid"] == made["metadata"]["uid"]
        old["spec"]["size"] = 8
        (await api.put(path, old)).ok(200)
        assert (await api.get(api.path(plural, "a", group=GROUP))).ok(200)["spec"]["size"] == 8
        async with api.watch(api.path(plural, group=GROUP, version="v1beta1")) as watch:
            assert (await watch.next())["object"]["apiVersion"] == f"{GROUP}/v1beta1"
        group = (await api.get(f"/apis/{GROUP}")).ok(200)
        names = [version["version"] for version in group["versions"]]
        assert names.index("v1") < names.index("v1beta1")
    finally:
        await api.delete(f"{CRDS}/{plural}.{GROUP}")


async def test_cel_rules(api, kube_api):
    kube_api.require(25, "x-kubernetes-validations")
    plural = f"p{secrets.token_hex(3)}s"
    definition = pool_definition(plural)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [
        {"rule": "self.size != 7", "message": "seven is out"},
        {"rule": "self.size >= oldSelf.size", "message": "must not shrink"},
    ]
    await define(api, definition)
    try:
        answer = await api.post(api.path(plural, group=GROUP), pool(plural, spec={"size": 7}))
        status = answer.refused(422, "Invalid")
        assert "spec: Invalid value: " in status["message"]
        assert "seven is out" in status["message"]
        await make(api, plural)
        path = api.path(plural, "a", group=GROUP)
        (await api.patch(path, {"spec": {"size": 4}})).ok(200)
        assert "must not shrink" in (await api.patch(path, {"spec": {"size": 2}})).refused(422, "Invalid")["message"]
    finally:
        await api.delete(f"{CRDS}/{plural}.{GROUP}")


async def test_field_validation_of_custom_resources(api, pools, kube_api):
    kube_api.require(25, "fieldValidation")
    body = pool(pools, spec={"size": 1, "junk": 1})
    path = api.path(pools, group=GROUP)
    status = (await api.post(path, body, fieldValidation="Strict")).refused(400, "BadRequest")
    assert status["message"].endswith('strict decoding error: unknown field "spec.junk"')
    warned = await api.post(path, body)
    assert warned.ok(201)["spec"] == {"size": 1, "mode": "fast"}
    assert warned.warnings == ['299 - "unknown field \\"spec.junk\\""']


async def test_deprecated_versions_warn(api):
    plural = f"p{secrets.token_hex(3)}s"
    definition = pool_definition(plural)
    older = {**definition["spec"]["versions"][0], "name": "v1beta1", "storage": False, "deprecated": True}
    definition["spec"]["versions"].append(older)
    await define(api, definition)
    try:
        path = api.path(plural, group=GROUP, version="v1beta1")
        answer = await api.eventually(path, lambda answer: answer.status == 200)
        kind = plural.capitalize()
        assert answer.warnings == [
            f'299 - "{GROUP}/v1beta1 {kind} is deprecated; use {GROUP}/v1 {kind}"',
        ]
        assert (await api.get(api.path(plural, group=GROUP))).warnings == []
    finally:
        await api.delete(f"{CRDS}/{plural}.{GROUP}")


async def test_table_of_custom_resources(api, pools):
    await make(api, pools)
    found = (await api.get(api.path(pools, group=GROUP), accept=TABLE)).ok(200)
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [(c["name"], c["priority"]) for c in found["columnDefinitions"]] == [("Name", 0), ("Size", 0), ("Mode", 1)]
    assert found["rows"][0]["cells"] == ["a", 3, "fast"]
    assert found["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert found["rows"][0]["object"]["metadata"]["name"] == "a"
    whole = (await api.get(api.path(pools, "a", group=GROUP), accept=TABLE, includeObject="Object")).ok(200)
    assert whole["rows"][0]["object"]["spec"]["size"] == 3


async def test_watch_of_tables(api, pools):
    async with api.watch(api.path(pools, group=GROUP), accept=TABLE) as watch:
        await make(api, pools)
        await make(api, pools, name="b")
        first, second = [(await watch.next())["object"] for _ in range(2)]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Size", "Mode"]
    assert not second["columnDefinitions"]
    assert second["rows"][0]["cells"][0] == "b"


async def test_apply_creates_and_changes(api, pools):
    path = api.path(pools, "a", group=GROUP)
    made = (await api.apply(path, pool(pools, spec={"size": 1, "ports": [{"name": "x"}]}))).ok(201)
    assert made["spec"] == {"size": 1, "mode": "fast", "ports": [{"name": "x", "number": 80}]}
    tracked = made["metadata"]["managedFields"]
    assert [(entry["manager"], entry["operation"]) for entry in tracked] == [("tester", "Apply")]
    assert tracked[0]["fieldsV1"]["f:spec"]["f:size"] == {}
    again = (await api.apply(path, pool(pools, spec={"size": 1, "ports": [{"name": "x"}]}))).ok(200)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    other = (await api.apply(path, pool(pools, spec={"size": 1, "ports": [{"name": "y"}]}), "other")).ok(200)
    assert sorted(port["name"] for port in other["spec"]["ports"]) == ["x", "y"]
    less = (await api.apply(path, pool(pools, spec={"size": 1}))).ok(200)
    assert [port["name"] for port in less["spec"]["ports"]] == ["y"]


async def test_apply_conflicts(api, pools):
    path = api.path(pools, "a", group=GROUP)
    (await api.apply(path, pool(pools))).ok(201)
    change = pool(pools, spec={"size": 5})
    status = (await api.apply(path, change, "other")).refused(409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "tester": .spec.size'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "tester"', "field": ".spec.size"}
    ]
    forced = (await api.apply(path, change, "other", force="true")).ok(200)
    assert forced["spec"]["size"] == 5


async def test_apply_needs_a_manager(api, pools):
    path = api.path(pools, "a", group=GROUP)
    answer = await api.call("PATCH", path, pool(pools), media=APPLY_PATCH)
    status = answer.body
    assert (answer.status, status["reason"]) in {(422, "Invalid"), (400, "BadRequest")}
    assert "is required for apply patch" in status["message"]


async def test_apply_of_status(api, pools):
    path = api.path(pools, "a", group=GROUP)
    await make(api, pools)
    body = {key: value for key, value in pool(pools, status={"used": 4}).items() if key != "spec"}
    if api.kube.version < (1, 22):
        pytest.skip("older servers want the whole object in an apply of status")
    kept = (await api.apply(f"{path}/status", body)).ok(200)
    assert kept["status"] == {"used": 4}
    entry = next(item for item in kept["metadata"]["managedFields"] if item["manager"] == "tester")
    assert (entry["operation"], entry["subresource"]) == ("Apply", "status")


async def test_apply_of_a_core_kind(api, kube_api):
    kube_api.require(21, "the default of a port's protocol in apply")
    path = api.path("services", "s")
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "name": "d"}], "type": "LoadBalancer"},
    }
    body["spec"]["ports"][0]["name"] = "w"
    made = (await api.apply(path, body)).ok(201)
    again = (await api.apply(path, body)).ok(200)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    del body["spec"]["ports"][1]
    less = (await api.apply(path, body)).ok(200)
    assert [port["port"] for port in less["spec"]["ports"]] == [80]
    assert less["spec"]["clusterIP"] == made["spec"]["clusterIP"]


async def test_managed_fields_of_ordinary_writes(api, pools):
    path = api.path(pools, "a", group=GROUP)
    made = await make(api, pools)
    assert [(e["manager"], e["operation"]) for e in made["metadata"]["managedFields"]] == [("contract", "Update")]
    kept = (await api.patch(path, {"spec": {"size": 5}}, fieldManager="hand")).ok(200)
    owners = {entry["manager"]: entry["fieldsV1"] for entry in kept["metadata"]["managedFields"]}
    assert "f:size" in owners["hand"]["f:spec"]
    assert "f:size" not in owners.get("contract", {}).get("f:spec", {})
