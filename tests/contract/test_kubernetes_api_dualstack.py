"""Services of two families: what may be asked for, what releases the second address. And who owns a Service's fields."""

import pytest

from tests.contract.conftest import STRATEGIC_PATCH

pytestmark = pytest.mark.contract
POLICY = "spec.ipFamilyPolicy"
MANY = "Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
RELEASE = "Invalid value: \"{}\": must be 'SingleStack' to release the secondary {}"
V4, V6 = "10.96.201.7", "fd00:10:96::c907"


def service(**spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], **spec}}


def causes(status):
    return [(cause["field"], cause["message"]) for cause in status["details"]["causes"]]


@pytest.fixture
def dual(api, kube_api):
    kube_api.require(34, "these refusals of two families (measured)")
    return api


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"ipFamilies": ["IPv4", "IPv6"]}, [(POLICY, MANY.format("IP families"))]),
        ({"clusterIP": V4, "clusterIPs": [V4, V6]}, [(POLICY, MANY.format("cluster IPs"))]),
        (
            {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"], "clusterIP": V4, "clusterIPs": [V4, V6]},
            [(POLICY, MANY.format("cluster IPs")), (POLICY, MANY.format("IP families"))],
        ),
        (
            {"clusterIP": "None", "ipFamilies": ["IPv4", "IPv6"], "selector": {"a": "b"}},
            [(POLICY, MANY.format("IP families"))],
        ),
        (
            {"clusterIPs": [V4], "ipFamilyPolicy": "SingleStack"},
            [("spec.clusterIPs", f'Invalid value: ["{V4}"]: must be empty when `clusterIP` is not specified')],
        ),
        (
            {"clusterIP": V4, "clusterIPs": [V4, "10.96.201.8"], "ipFamilyPolicy": "RequireDualStack"},
            [
                (
                    "spec.clusterIPs",
                    f'Invalid value: ["{V4}","10.96.201.8"]: may specify no more than one IP for each IP family',
                )
            ],
        ),
        (
            {"clusterIP": V6, "ipFamilies": ["IPv4"]},
            [
                (
                    "spec.clusterIPs[0]",
                    f'Invalid value: "{V6}": expected an IPv4 value as indicated by `ipFamilies[0]`',
                )
            ],
        ),
        (
            {"clusterIP": "None", "type": "LoadBalancer"},
            [("spec.clusterIPs[0]", "Invalid value: \"None\": may not be set to 'None' for LoadBalancer services")],
        ),
    ],
)
async def test_refused_creations(dual, spec, expected):
    status = (await dual.post(dual.path("services"), service(**spec))).refused(422, "Invalid")
    assert causes(status) == expected


@pytest.mark.parametrize("policy", ["PreferDualStack", "RequireDualStack"])
async def test_the_second_address_stays_with_a_dual_policy(dual, policy):
    made = (await dual.post(dual.path("services"), service(ipFamilyPolicy=policy))).ok(201)["spec"]
    path = dual.path("services", "s")
    first = {"clusterIPs": made["clusterIPs"][:1]}
    family = {"ipFamilies": made["ipFamilies"][:1]}
    for change, whats in (
        (first, ["cluster IP"]),
        (family, ["IP family"]),
        ({**first, **family}, ["cluster IP", "IP family"]),
    ):
        status = (await dual.patch(path, {"spec": change})).refused(422, "Invalid")
        assert causes(status) == [(POLICY, RELEASE.format(policy, what)) for what in whats]
    kept = (await dual.patch(path, {"spec": {"ipFamilyPolicy": "SingleStack"}})).ok(200)["spec"]
    assert (kept["clusterIPs"], kept["ipFamilies"]) == (made["clusterIPs"][:1], made["ipFamilies"][:1])


async def test_left_out_fields_are_as_before(dual):
    made = (await dual.post(dual.path("services"), service(ipFamilyPolicy="PreferDualStack"))).ok(201)
    path = dual.path("services", "s")
    for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        kept = (await dual.patch(path, {"spec": {field: None}})).ok(200)
        assert kept["spec"] == made["spec"], field


async def test_the_health_check_port_is_immutable(dual):
    made = (await dual.post(dual.path("services"), service(type="LoadBalancer", externalTrafficPolicy="Local"))).ok(201)
    other = 30000 + (made["spec"]["healthCheckNodePort"] - 30000 + 1) % 2768
    change = {"spec": {"healthCheckNodePort": other}}
    status = (await dual.patch(dual.path("services", "s"), change)).refused(422, "Invalid")
    assert causes(status) == [("spec.healthCheckNodePort", "Forbidden: field is immutable")]


async def test_nobody_owns_what_the_server_allocates(dual):
    made = (await dual.post(dual.path("services"), service(type="LoadBalancer"))).ok(201)
    (entry,) = made["metadata"]["managedFields"]
    owned = entry["fieldsV1"]["f:spec"]
    assert "f:type" in owned
    assert "f:allocateLoadBalancerNodePorts" in owned  # a default, filled in before anything is allocated
    assert owned.keys().isdisjoint({"f:clusterIP", "f:clusterIPs", "f:ipFamilies", "f:ipFamilyPolicy"})
    assert "f:nodePort" not in owned["f:ports"]['k:{"port":80,"protocol":"TCP"}']
    applied = service(ipFamilyPolicy="PreferDualStack")
    kept = (await dual.apply(dual.path("services", "s"), applied, "other")).ok(200)
    assert kept["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


async def test_apply_ignores_the_status_of_a_service(dual):
    stated = {**service(type="LoadBalancer"), "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    made = (await dual.apply(dual.path("services", "s"), stated, "one")).ok(201)
    assert made["status"] == {"loadBalancer": {}}
    assert "f:status" not in made["metadata"]["managedFields"][0]["fieldsV1"]
    other = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}}
    (await dual.patch(dual.path("services", "s", sub="status"), other, fieldManager="two")).ok(200)
    kept = (await dual.apply(dual.path("services", "s"), stated, "one")).ok(200)
    assert kept["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.2"


@pytest.mark.parametrize("media", ["application/merge-patch+json", STRATEGIC_PATCH])
async def test_status_and_annotations_in_one_patch(api, media):
    made = (await api.post(api.path("services"), service(type="LoadBalancer"))).ok(201)
    path = api.path("services", "s", sub="status")

    def change(version, annotation, ingress):
        metadata = {"resourceVersion": version, "annotations": {"metallb.io/ip-allocated-from-pool": annotation}}
        return {"metadata": metadata, "status": {"loadBalancer": {"ingress": ingress}}}

    before = made["metadata"]["resourceVersion"]
    async with api.watch(api.path("services"), resourceVersion=before) as watch:
        kept = (await api.patch(path, change(before, "p", [{"ip": "192.0.2.1"}]), media)).ok(200)
        event = await watch.next()
    assert (event["type"], event["object"]) == ("MODIFIED", kept)
    assert kept["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "p"}
    assert [item["ip"] for item in kept["status"]["loadBalancer"]["ingress"]] == ["192.0.2.1"]
    assert kept["spec"] == made["spec"]

    status = (await api.patch(path, change(before, "q", [{"ip": "192.0.2.2"}]), media)).refused(409, "Conflict")
    assert "the object has been modified" in status["message"]
    assert (await api.get(api.path("services", "s"))).ok(200) == kept

    gone = (await api.patch(path, change(kept["metadata"]["resourceVersion"], None, None), media)).ok(200)
    assert gone["status"] == {"loadBalancer": {}}
    assert "annotations" not in gone["metadata"]


async def test_strict_patches_show_what_they_would_make(api, kube_api):
    kube_api.require(34, "this form of the refusal (measured)")
    (await api.post(api.path("services"), service())).ok(201)
    change = {"spec": {"junk": 1}}
    status = (await api.patch(api.path("services", "s"), change, fieldValidation="Strict")).refused(422, "Invalid")
    assert status["message"].startswith(' "" is invalid: patch: Invalid value: ')
    assert status["message"].endswith('strict decoding error: unknown field "spec.junk"')
    warned = await api.patch(api.path("services", "s"), change)
    assert warned.warnings == ['299 - "unknown field \\"spec.junk\\""']
