"""Create, read, update, delete: metadata, conflicts, finalizers, names, dry runs."""

import re

import pytest

from tests.contract.conftest import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

pytestmark = pytest.mark.contract


def config_map(name="c", **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"a": "1"}}


async def test_create_fills_metadata_and_get_returns_it(api):
    made = (await api.post(api.path("configmaps"), config_map(labels={"x": "y"}))).ok(201)
    found = made["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", found["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["creationTimestamp"])
    assert found["namespace"] == api.namespace
    assert int(found["resourceVersion"]) > 0
    assert "generation" not in found
    assert (await api.get(api.path("configmaps", "c"))).ok(200) == made


async def test_create_twice_is_refused(api):
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    status = (await api.post(api.path("configmaps"), config_map())).refused(409, "AlreadyExists")
    assert status["message"] == 'configmaps "c" already exists'
    assert status["details"] == {"name": "c", "kind": "configmaps"}


async def test_missing_object(api):
    status = (await api.get(api.path("configmaps", "none"))).refused(404, "NotFound")
    assert status["message"] == 'configmaps "none" not found'
    assert status["details"] == {"name": "none", "kind": "configmaps"}


async def test_create_in_missing_namespace(api):
    status = (await api.post("/api/v1/namespaces/no-such/configmaps", config_map())).refused(404, "NotFound")
    assert status["message"] == 'namespaces "no-such" not found'


async def test_namespace_of_body_and_path_must_agree(api):
    answer = await api.post(api.path("configmaps"), config_map(namespace="other"))
    status = answer.refused(400, "BadRequest")
    assert "does not match the namespace" in status["message"]


async def test_name_of_body_and_path_must_agree(api):
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    status = (await api.put(api.path("configmaps", "c"), config_map("d"))).refused(400, "BadRequest")
    assert status["message"] == "the name of the object (d) does not match the name on the URL (c)"


async def test_generate_name(api):
    body = {"metadata": {"generateName": "made-"}}
    names = {(await api.post(api.path("configmaps"), body)).ok(201)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"made-[a-z0-9]{5}", name) for name in names)


async def test_invalid_name(api):
    status = (await api.post(api.path("configmaps"), config_map("Bad_Name"))).refused(422, "Invalid")
    assert status["message"].startswith('ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": ')
    assert status["details"]["causes"][0]["reason"] == "FieldValueInvalid"
    assert status["details"]["causes"][0]["field"] == "metadata.name"
    assert status["details"]["name"] == "Bad_Name"
    assert status["details"]["kind"] == "ConfigMap"


async def test_name_is_required(api):
    status = (await api.post(api.path("configmaps"), {"data": {}})).refused(422, "Invalid")
    assert "name or generateName is required" in status["message"]
    assert status["details"]["causes"][0]["reason"] == "FieldValueRequired"


async def test_invalid_label_value(api):
    status = (await api.post(api.path("configmaps"), config_map(labels={"a": "b c"}))).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.labels"


async def test_update_from_an_old_version_is_a_conflict(api):
    old = (await api.post(api.path("configmaps"), config_map())).ok(201)
    new = {**old, "data": {"a": "2"}}
    kept = (await api.put(api.path("configmaps", "c"), new)).ok(200)
    assert int(kept["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
    status = (await api.put(api.path("configmaps", "c"), {**old, "data": {"a": "3"}})).refused(409, "Conflict")
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert status["details"] == {"name": "c", "kind": "configmaps"}


async def test_update_without_a_version_is_allowed_for_core_kinds(api):
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    kept = (await api.put(api.path("configmaps", "c"), {**config_map(), "data": {"b": "2"}})).ok(200)
    assert kept["data"] == {"b": "2"}


async def test_update_that_changes_nothing_keeps_the_version(api):
    old = (await api.post(api.path("configmaps"), config_map())).ok(201)
    assert (await api.put(api.path("configmaps", "c"), old)).ok(200) == old
    patched = (await api.patch(api.path("configmaps", "c"), {"data": {"a": "1"}})).ok(200)
    assert patched["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]


async def test_update_of_a_missing_object(api):
    (await api.put(api.path("configmaps", "c"), config_map())).refused(404, "NotFound")
    (await api.patch(api.path("configmaps", "c"), {"data": {}})).refused(404, "NotFound")


async def test_patch_with_another_uid_is_refused(api, kube_api):
    kube_api.require(34, "422 for another uid in a patch (measured; 1.20 says 409)")
    old = (await api.post(api.path("configmaps"), config_map())).ok(201)
    change = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}
    status = (await api.patch(api.path("configmaps", "c"), change)).refused(422, "Invalid")
    assert "metadata.uid: Invalid value" in status["message"]
    # A recreated object has another version too, and that is looked at first.
    change["metadata"]["resourceVersion"] = "1"
    (await api.patch(api.path("configmaps", "c"), change)).refused(409, "Conflict")
    assert (await api.get(api.path("configmaps", "c"))).ok(200) == old


async def test_new_objects_have_no_version(api):
    body = {**config_map(), "metadata": {"name": "c", "resourceVersion": "1"}}
    answer = await api.post(api.path("configmaps"), body)
    assert (answer.status, answer.body["message"]) == (
        500,
        "resourceVersion should not be set on objects to be created",
    )


async def test_update_with_another_uid_is_a_conflict(api):
    old = (await api.post(api.path("configmaps"), config_map())).ok(201)
    uid = "00000000-0000-0000-0000-000000000000"
    new = {**config_map(), "metadata": {"name": "c", "uid": uid}}
    status = (await api.put(api.path("configmaps", "c"), new)).refused(409, "Conflict")
    assert f"UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}" in status["message"]


async def test_deletion_of_an_object(api):
    made = (await api.post(api.path("configmaps"), config_map())).ok(201)
    status = (await api.delete(api.path("configmaps", "c"))).ok(200)
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    (await api.get(api.path("configmaps", "c"))).refused(404, "NotFound")
    (await api.delete(api.path("configmaps", "c"))).refused(404, "NotFound")


async def test_preconditions_of_a_deletion(api):
    made = (await api.post(api.path("configmaps"), config_map())).ok(201)
    path = api.path("configmaps", "c")
    (await api.delete(path, {"preconditions": {"uid": "other"}})).refused(409, "Conflict")
    (await api.delete(path, {"preconditions": {"resourceVersion": "1"}})).refused(409, "Conflict")
    (await api.delete(path, {"preconditions": {"uid": made["metadata"]["uid"]}})).ok(200)


async def test_finalizers_delay_the_deletion(api):
    path = api.path("configmaps", "c")
    (await api.post(api.path("configmaps"), config_map(finalizers=["lab.example.org/hold"]))).ok(201)
    dying = (await api.delete(path)).ok(200)
    assert dying["kind"] == "ConfigMap"
    assert dying["metadata"]["deletionTimestamp"]
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 0
    again = (await api.delete(path)).ok(200)
    assert again["metadata"]["resourceVersion"] == dying["metadata"]["resourceVersion"]
    more = {"metadata": {"finalizers": ["lab.example.org/hold", "lab.example.org/more"]}}
    status = (await api.patch(path, more)).refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"] == "metadata.finalizers"
    assert status["details"]["causes"][0]["reason"] == "FieldValueForbidden"
    (await api.patch(path, {"metadata": {"finalizers": None}})).ok(200)
    (await api.get(path)).refused(404, "NotFound")


async def test_dry_run_keeps_nothing(api):
    made = (await api.post(api.path("configmaps"), config_map(), dryRun="All")).ok(201)
    assert made["metadata"]["uid"]
    assert "resourceVersion" not in made["metadata"]
    (await api.get(api.path("configmaps", "c"))).refused(404, "NotFound")
    kept = (await api.post(api.path("configmaps"), config_map())).ok(201)
    (await api.patch(api.path("configmaps", "c"), {"data": {"a": "9"}}, dryRun="All")).ok(200)
    (await api.delete(api.path("configmaps", "c"), dryRun="All")).ok(200)
    assert (await api.get(api.path("configmaps", "c"))).ok(200) == kept


async def test_json_patch(api):
    path = api.path("configmaps", "c")
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    operations = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"}]
    assert (await api.patch(path, operations, JSON_PATCH)).ok(200)["data"] == {"a": "1", "b": "2"}
    wrong = [{"op": "test", "path": "/data/a", "value": "5"}]
    (await api.patch(path, wrong, JSON_PATCH)).refused(422, "Invalid")
    missing = [{"op": "remove", "path": "/data/zzz"}]
    (await api.patch(path, missing, JSON_PATCH)).refused(422, "Invalid")


async def test_merge_patch_with_a_version_is_checked(api):
    path = api.path("configmaps", "c")
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    assert (await api.patch(path, {"data": {"a": None, "b": "2"}})).ok(200)["data"] == {"b": "2"}
    stale = {"metadata": {"resourceVersion": "1"}, "data": {"c": "3"}}
    (await api.patch(path, stale, MERGE_PATCH)).refused(409, "Conflict")


async def test_strategic_merge_patch(api):
    path = api.path("services", "s")
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}}
    (await api.post(api.path("services"), service)).ok(201)
    change = {"spec": {"ports": [{"port": 2, "targetPort": 22}, {"name": "c", "port": 3}]}}
    kept = (await api.patch(path, change, STRATEGIC_PATCH)).ok(200)
    assert {port["port"]: port["targetPort"] for port in kept["spec"]["ports"]} == {1: 1, 2: 22, 3: 3}
    gone = {"spec": {"ports": [{"$patch": "delete", "port": 1}]}}
    kept = (await api.patch(path, gone, STRATEGIC_PATCH)).ok(200)
    assert {port["port"] for port in kept["spec"]["ports"]} == {2, 3}


async def test_unknown_patch_type(api):
    (await api.post(api.path("configmaps"), config_map())).ok(201)
    (await api.patch(api.path("configmaps", "c"), {}, "application/json")).refused(415, "UnsupportedMediaType")


async def test_yaml_body(api):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: written}\ndata: {a: '1'}\n"
    assert (await api.post(api.path("configmaps"), text, media="application/yaml")).ok(201)["data"] == {"a": "1"}


async def test_wrong_kind_in_body(api):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    (await api.post(api.path("configmaps"), body)).refused(400, "BadRequest")


async def test_wrong_type_in_body(api):
    body = {"metadata": {"name": "x"}, "spec": {"ports": [{"port": "eighty"}]}}
    status = (await api.post(api.path("services"), body)).refused(400, "BadRequest")
    assert status["message"].startswith('Service in version "v1" cannot be handled as a Service: ')


async def test_broken_body(api):
    (await api.post(api.path("configmaps"), "{broken")).refused(400, "BadRequest")


async def test_field_validation(api, kube_api):
    kube_api.require(25, "fieldValidation")
    path = api.path("configmaps")
    body = {**config_map(), "extra": 1}
    status = (await api.post(path, body, fieldValidation="Strict")).refused(400, "BadRequest")
    assert status["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"'
    )
    warned = await api.post(path, body, fieldValidation="Warn")
    assert "extra" not in warned.ok(201)
    assert warned.warnings == ['299 - "unknown field \\"extra\\""']
    silent = await api.post(path, {**body, "metadata": {"name": "d"}}, fieldValidation="Ignore")
    assert silent.ok(201)
    assert silent.warnings == []


async def test_unknown_fields_are_dropped(api):
    assert "extra" not in (await api.post(api.path("configmaps"), {**config_map(), "extra": 1})).ok(201)


async def test_delete_collection(api):
    for name, role in (("a", "x"), ("b", "x"), ("c", "y")):
        (await api.post(api.path("configmaps"), config_map(name, labels={"role": role}))).ok(201)
    gone = (await api.delete(api.path("configmaps"), labelSelector="role=x")).ok(200)
    assert gone["kind"] in {"ConfigMapList", "Status"}
    left = (await api.get(api.path("configmaps"), labelSelector="role")).ok(200)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]


async def test_owner_references_are_checked(api):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o"}
    answer = await api.post(api.path("configmaps"), config_map(ownerReferences=[owner]))
    status = answer.refused(422, "Invalid")
    assert status["details"]["causes"][0]["field"].startswith("metadata.ownerReferences")


async def test_dependants_of_a_deleted_owner_go(api, kube_api):
    kube_api.require_controllers("garbage collection")
    owner = (await api.post(api.path("configmaps"), config_map("owner"))).ok(201)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    (await api.post(api.path("configmaps"), config_map("child", ownerReferences=[reference]))).ok(201)
    (await api.delete(api.path("configmaps", "owner"))).ok(200)
    await api.eventually(api.path("configmaps", "child"), lambda answer: answer.status == 404)


async def test_foreground_deletion_waits_for_dependants(api, kube_api):
    kube_api.require_controllers("garbage collection")
    owner = (await api.post(api.path("configmaps"), config_map("owner"))).ok(201)
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    held = config_map("child", ownerReferences=[reference], finalizers=["lab.example.org/hold"])
    (await api.post(api.path("configmaps"), held)).ok(201)
    dying = (await api.delete(api.path("configmaps", "owner"), {"propagationPolicy": "Foreground"})).ok()
    assert dying["metadata"]["finalizers"] == ["foregroundDeletion"]

    def is_dying(answer):
        return "deletionTimestamp" in answer.ok(200)["metadata"]

    await api.eventually(api.path("configmaps", "child"), is_dying)
    (await api.get(api.path("configmaps", "owner"))).ok(200)
    (await api.patch(api.path("configmaps", "child"), {"metadata": {"finalizers": None}})).ok(200)
    await api.eventually(api.path("configmaps", "owner"), lambda answer: answer.status == 404)


async def test_orphaning_deletion_keeps_dependants(api, kube_api):
    kube_api.require_controllers("garbage collection")
    owner = (await api.post(api.path("configmaps"), config_map("owner"))).ok(201)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    (await api.post(api.path("configmaps"), config_map("child", ownerReferences=[reference]))).ok(201)
    (await api.delete(api.path("configmaps", "owner"), {"propagationPolicy": "Orphan"})).ok()
    await api.eventually(api.path("configmaps", "owner"), lambda answer: answer.status == 404)
    child = (await api.get(api.path("configmaps", "child"))).ok(200)
    assert "ownerReferences" not in child["metadata"]
