from lab import objects, plan, slices

PLAN = plan.plan(2)


def service(**spec):
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": {
            "selector": {"app": "demo"},
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
            **spec,
        },
    }


def pods(*ready):
    return [objects.pod(node, ready=each) for node, each in zip(PLAN.nodes, ready, strict=True)]


def test_one_slice_for_each_family():
    four, six = slices.wanted(service(), pods(True, True))
    assert (four["addressType"], six["addressType"]) == ("IPv4", "IPv6")
    assert [each["addresses"] for each in four["endpoints"]] == [["10.244.1.10"], ["10.244.2.10"]]
    assert [each["addresses"] for each in six["endpoints"]] == [["fd00:244:1::10"], ["fd00:244:2::10"]]
    assert [each["nodeName"] for each in four["endpoints"]] == ["n1", "n2"]
    assert four["metadata"]["labels"]["kubernetes.io/service-name"] == "web"


def test_a_named_target_port_is_looked_up_in_the_pods():
    four, _ = slices.wanted(service(), pods(True, True))
    assert four["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_a_numeric_and_an_absent_target_port():
    numeric = service(ports=[{"port": 80, "targetPort": 9000}, {"name": "plain", "port": 443}])
    four, _ = slices.wanted(numeric, pods(True, True))
    assert [each["port"] for each in four["ports"]] == [9000, 443]


def test_an_unready_pod_is_listed_as_such():
    four, _ = slices.wanted(service(), pods(True, False))
    assert [each["conditions"]["ready"] for each in four["endpoints"]] == [True, False]


def test_a_pod_being_deleted_serves_no_new_connections():
    leaving = pods(True, True)
    leaving[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    four, _ = slices.wanted(service(), leaving)
    assert four["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}


def test_other_labels_and_namespaces_are_not_behind_the_service():
    strangers = pods(True, True)
    strangers[0]["metadata"]["labels"] = {"app": "other"}
    strangers[1]["metadata"]["namespace"] = "other"
    four, _ = slices.wanted(service(), strangers)
    assert four["endpoints"] == []


def test_without_selector_the_slices_belong_to_somebody_else():
    assert slices.wanted(service(selector=None), pods(True, True)) == ()
    assert slices.wanted(service(type="ExternalName"), pods(True, True)) == ()


def test_what_the_api_adds_is_no_difference():
    four, _ = slices.wanted(service(), pods(True, True))
    present = {**four, "metadata": {**four["metadata"], "uid": "x", "resourceVersion": "7"}}
    assert slices.is_same(present, four)
    assert not slices.is_same({**present, "endpoints": []}, four)
