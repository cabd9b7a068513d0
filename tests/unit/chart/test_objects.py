"""What the chart makes: it fits the programs, fits together, and asks for no more than it needs."""

import json

import pytest

from cli import daemons
from cli.boundary import live, naming
from controller import settings as controller_settings
from controller.boundary import trust
from controller.core import admission
from frr_adapter.api import crds
from speaker import exclusion
from speaker import settings as speaker_settings
from tests import chart

EVERY = pytest.mark.parametrize("values", chart.SETTINGS.values(), ids=chart.SETTINGS)
PARSERS = {"controller": controller_settings.parse, "speaker": speaker_settings.parse}


def workloads(documents):
    return [each for each in documents if each["kind"] in {"Deployment", "DaemonSet"}]


def containers(workload):
    return {each["name"]: each for each in workload["spec"]["template"]["spec"]["containers"]}


def environment(container):
    return {each["name"]: each.get("value", "192.0.2.7") for each in container.get("env", [])}


def parsed(documents, program):
    """The settings that the program of that name reads from its container."""
    for each in workloads(documents):
        container = containers(each).get(program)
        if container:
            return PARSERS[program](container["args"], environment(container))
    return None


@EVERY
def test_programs_understand_every_flag_and_variable(values):
    documents = chart.rendered(values)
    for each in workloads(documents):
        for name, container in containers(each).items():
            if name not in PARSERS:
                continue
            settings = PARSERS[name](container["args"], environment(container))
            assert settings.pod_name == "192.0.2.7"
            assert settings.health_probe_port == 17472
            table = {"controller": controller_settings.FLAGS, "speaker": speaker_settings.FLAGS}[name]
            known = {flag.env for flag in table} | {"TZ"}
            assert {variable["name"] for variable in container["env"]} <= known


def test_what_is_said_arrives():
    documents = chart.rendered(chart.SETTINGS["everything said"])
    controller, speaker = parsed(documents, "controller"), parsed(documents, "speaker")
    assert (controller.lb_class, speaker.lb_class) == ("example.org/frr", "example.org/frr")
    assert (controller.port, controller.log_level, controller.lease_duration) == (7472, "debug", 30)
    assert (speaker.log_level, speaker.frr_log_level, speaker.l2_owner) == ("warn", "debugging", "hash")
    assert (speaker.ignore_exclude_lb, speaker.l2_kernel_proxy, speaker.ml_wan_config) == (True, True, True)
    assert (speaker.ml_bindport, speaker.ml_bindaddr, speaker.ml_secret_key_path) == (7947, "192.0.2.1", "/etc/key")


@pytest.mark.parametrize(("name", "port"), [("default", "0"), ("everything said", "179")])
def test_bgpd_listens_where_it_is_told_to(name, port):
    (speaker,) = (each for each in workloads(chart.rendered(chart.SETTINGS[name])) if each["kind"] == "DaemonSet")
    variables = {each["name"]: each["value"] for each in containers(speaker)["frr"].get("env", ())}
    argv = {daemon.name: daemon.argv for daemon in daemons.plan(variables)}["bgpd"]
    assert argv[argv.index("-p") + 1] == port


def test_the_controller_hears_both_families_and_the_speaker_the_node_only():
    assert parsed(chart.rendered(), "controller").host == ""
    assert parsed(chart.rendered(), "speaker").host == "192.0.2.7"


def test_membership_and_bgp_can_be_left_out():
    assert parsed(chart.rendered(), "speaker").has_membership
    assert not parsed(chart.rendered(chart.SETTINGS["no layer 2 membership"]), "speaker").has_membership
    assert parsed(chart.rendered(), "speaker").frr_vty_dir == "/var/run/frr"
    layer2 = chart.rendered(chart.SETTINGS["layer 2 only"])
    assert parsed(layer2, "speaker").frr_vty_dir == ""
    (daemons,) = (each for each in workloads(layer2) if each["kind"] == "DaemonSet")
    assert set(containers(daemons)) == {"speaker"}
    names = {each["name"] for each in daemons["spec"]["template"]["spec"]["volumes"]}
    assert names == {"tmp", "memberlist", "excludel2"}


@EVERY
def test_speakers_find_each_other_and_the_secret_that_the_controller_makes(values):
    documents = chart.rendered(values)
    speaker = parsed(documents, "speaker")
    if speaker is None or not speaker.has_membership:
        controller = parsed(documents, "controller")
        assert controller is None or controller.ml_secret_name == ""
        return
    daemons = chart.one(documents, "DaemonSet")
    wanted = dict(each.split("=") for each in speaker.ml_labels.split(","))
    assert wanted.items() <= daemons["spec"]["template"]["metadata"]["labels"].items()
    assert wanted["app.kubernetes.io/component"] == "speaker"
    pod = daemons["spec"]["template"]["spec"]
    (secret,) = (each["secret"]["secretName"] for each in pod["volumes"] if each["name"] == "memberlist")
    mounts = {each["mountPath"]: each["name"] for each in containers(daemons)["speaker"]["volumeMounts"]}
    assert mounts[speaker.ml_secret_key_path] == "memberlist"
    controller = parsed(documents, "controller")
    assert controller is None or controller.ml_secret_name == secret


@EVERY
def test_selectors_select(values):
    documents = chart.rendered(values)
    pods = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]["metadata"]["labels"]
        for each in workloads(documents)
    }
    for each in workloads(documents):
        component = each["metadata"]["labels"]["app.kubernetes.io/component"]
        assert each["spec"]["selector"]["matchLabels"].items() <= pods[component].items()
    for each in documents:
        spec = each.get("spec", {})
        component = each["metadata"].get("labels", {}).get("app.kubernetes.io/component")
        chosen = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels", {}),
            "PodMonitor": lambda spec: spec["selector"]["matchLabels"],
        }.get(each["kind"])
        if chosen and component:
            assert chosen(spec)
            assert [name for name, labels in pods.items() if chosen(spec).items() <= labels.items()] == [component]


@EVERY
def test_every_container_is_as_tight_as_can_be(values):
    for workload in workloads(chart.rendered(values)):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["terminationGracePeriodSeconds"] >= 30
        assert not pod.get("hostPID")
        assert not pod.get("shareProcessNamespace")
        for name, container in containers(workload).items():
            if name == "more":
                continue
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is (name == "frr")  # its programs have file capabilities
            assert security["capabilities"]["drop"] == ["ALL"]
            assert "privileged" not in security
            written = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
            assert "/tmp" in written  # noqa: S108  where else could a program write
            volumes = {each["name"] for each in pod["volumes"]}
            assert {each["name"] for each in container["volumeMounts"]} <= volumes


def test_capabilities_follow_what_is_switched_on():
    def added(values):
        return containers(chart.one(chart.rendered(values), "DaemonSet"))["speaker"]["securityContext"]["capabilities"][
            "add"
        ]

    assert added({}) == ["NET_RAW"]
    assert added({"speaker": {"layer2": {"kernelProxy": True}}}) == ["NET_ADMIN", "NET_RAW"]
    assert added({"speaker": {"sysNice": True}}) == ["NET_RAW", "SYS_NICE"]
    controller = chart.one(chart.rendered(), "Deployment")["spec"]["template"]["spec"]
    assert controller["securityContext"]["runAsNonRoot"] is True
    assert "add" not in controller["containers"][0]["securityContext"]["capabilities"]


def test_one_image_for_all_and_a_digest_beats_a_tag():
    images = {
        name: container["image"] for each in workloads(chart.rendered()) for name, container in containers(each).items()
    }
    assert len(set(images.values())) == 1
    assert set(images) == {"controller", "speaker", "frr"}
    images = {
        name: container["image"]
        for each in workloads(chart.rendered(chart.SETTINGS["everything said"]))
        for name, container in containers(each).items()
    }
    assert images["speaker"] == f"registry.example/frr-adapter@sha256:{'0' * 64}"
    tagged = chart.rendered({"speaker": {"frr": {"image": {"tag": "10"}}}})
    assert containers(chart.one(tagged, "DaemonSet"))["frr"]["image"] == "frr-adapter:10"


def test_interfaces_left_alone_are_the_programs_own_list():
    text = chart.one(chart.rendered(), "ConfigMap", "metallb-excludel2")["data"]["excludel2.yaml"]
    assert exclusion.parse(text) == exclusion.DEFAULT
    mounts = containers(chart.one(chart.rendered(), "DaemonSet"))["speaker"]["volumeMounts"]
    read = parsed(chart.rendered(), "speaker").exclude_interfaces_file
    assert read.rpartition("/")[0] in {each["mountPath"] for each in mounts}


@pytest.mark.parametrize("mode", controller_settings.WEBHOOK_MODES)
def test_definitions_are_those_of_the_types_and_are_kept(mode):
    documents = chart.rendered({"controller": {"webhookMode": mode}})
    found = {each["metadata"]["name"]: each for each in documents if each["kind"] == "CustomResourceDefinition"}
    expected = {each["metadata"]["name"]: each for each in crds.documents(crds.Conversion(chart.NAMESPACE))}
    for version in expected["bgppeers.metallb.io"]["spec"]["versions"]:
        version["served"] = version["storage"] or mode != "disabled"
    assert set(found) == set(expected)
    for name, document in found.items():
        assert document["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert document == json.loads(json.dumps(expected[name]))


def test_the_webhook_asks_what_the_controller_answers():
    documents = chart.rendered()
    hooks = chart.one(documents, "ValidatingWebhookConfiguration", trust.CONFIGURATION)["webhooks"]
    reviewed = {path for path in admission.PATHS if path.startswith("/validate")}
    assert {each["clientConfig"]["service"]["path"] for each in hooks} == reviewed
    for each in hooks:
        kind, version = admission.PATHS[each["clientConfig"]["service"]["path"]]
        (rule,) = each["rules"]
        assert rule["apiVersions"] == [version]
        plurals = {named.name: named.plural for named in crds.KINDS}
        assert rule["resources"] == [plurals[kind]]
    settings = parsed(documents, "controller")
    service = chart.one(documents, "Service", settings.cert_service_name)
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, settings.webhook_port)


def test_rights_name_what_the_programs_use():
    documents = chart.rendered()
    settings = parsed(documents, "controller")
    role = chart.one(documents, "Role", "frr-adapter-controller")
    named = {name for rule in role["rules"] for name in rule.get("resourceNames", ())}
    assert named == {settings.lease_name, settings.webhook_secret, settings.ml_secret_name, "controller"}


@EVERY
def test_rights_are_bound_to_the_accounts_of_the_pods(values):
    documents = chart.rendered(values)
    accounts = {each["spec"]["template"]["spec"]["serviceAccountName"] for each in workloads(documents)}
    made = {each["metadata"]["name"] for each in documents if each["kind"] == "ServiceAccount"}
    assert made - {"frr-adapter-metrics"} in (accounts, set())
    for each in documents:
        if each["kind"].endswith("RoleBinding"):
            role = each["roleRef"]
            assert chart.one(documents, role["kind"], role["name"])
            (subject,) = each["subjects"]
            is_for_reading = role["name"].endswith(("prometheus", "metrics-reader"))
            expected = {"prometheus", "frr-adapter-metrics"} if is_for_reading else accounts
            assert subject["name"] in expected


def test_viewers_may_read_what_the_command_reads_and_no_secret():
    documents = chart.rendered()
    cluster = chart.one(documents, "ClusterRole", "frr-adapter:viewer")
    own = chart.one(documents, "Role", "frr-adapter-viewer")
    granted = {}
    for role in (cluster, own):
        granted[role["kind"]] = {
            (group, plural) for rule in role["rules"] for group in rule["apiGroups"] for plural in rule["resources"]
        }
        assert all(rule["verbs"] == ["get", "list", "watch"] for rule in role["rules"])
    everywhere, read = {"ClusterRole": set(), "Role": set()}, {*live.KINDS, live.EVENT} - {"Secret"}
    for name in read:
        kind = naming.KINDS[name]
        where = "ClusterRole" if name in live.EVERYWHERE else "Role"
        everywhere[where].add((naming.group(kind.api_version), kind.plural))
    everywhere["ClusterRole"].add(("", "events"))  # about Services, wherever they are
    assert granted == everywhere
    bound = [each["roleRef"]["name"] for each in documents if each["kind"].endswith("RoleBinding")]
    assert not {"frr-adapter:viewer", "frr-adapter-viewer", "frr-adapter-inspector"} & set(bound)


@EVERY
def test_no_right_is_a_wildcard(values):
    for each in chart.rendered(values):
        for rule in each.get("rules", ()):
            every = (rule.get(key, ()) for key in ("apiGroups", "resources", "verbs", "nonResourceURLs"))
            assert not any("*" in each for one in every for each in one)
            assert rule["verbs"]


@EVERY
def test_everything_is_in_its_namespace_and_labelled(values):
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "ValidatingWebhookConfiguration"}
    names = set()
    for each in chart.rendered(values, namespace="elsewhere"):
        meta = each["metadata"]
        assert meta.get("namespace") == (None if each["kind"] in cluster_wide else "elsewhere")
        assert (each["kind"], meta["name"]) not in names
        names.add((each["kind"], meta["name"]))
        if each["kind"] != "CustomResourceDefinition":
            assert meta["labels"]["app.kubernetes.io/instance"] == chart.RELEASE


def test_secure_metrics_ask_for_a_token_and_monitors_bring_one():
    documents = chart.rendered(chart.SETTINGS["secure metrics, pods"])
    for name in PARSERS:
        assert parsed(documents, name).metrics_secure
        monitor = chart.one(documents, "PodMonitor", f"frr-adapter-{name}")
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert (endpoint["scheme"], endpoint["port"]) == ("https", "metricshttps")
        token = chart.one(documents, "Secret", endpoint["authorization"]["credentials"]["name"])
        account = token["metadata"]["annotations"]["kubernetes.io/service-account.name"]
        bound = chart.one(documents, "ClusterRoleBinding", "frr-adapter:metrics-reader")
        assert [each["name"] for each in bound["subjects"]] == [account]
        role = chart.one(documents, "ClusterRole", f"frr-adapter:{name}")
        assert {"tokenreviews", "subjectaccessreviews"} <= {
            each for rule in role["rules"] for each in rule["resources"]
        }
    documents = chart.rendered(chart.SETTINGS["secure metrics, services"])
    for each in workloads(documents):
        (name,) = containers(each).keys() & PARSERS.keys()
        folder = parsed(documents, name).metrics_cert_dir
        (mount,) = (one["name"] for one in containers(each)[name]["volumeMounts"] if one["mountPath"] == folder)
        volumes = {one["name"]: one for one in each["spec"]["template"]["spec"]["volumes"]}
        assert volumes[mount]["secret"]["secretName"] == f"{name[0]}-tls"
    plain = chart.rendered()
    assert not parsed(plain, "speaker").metrics_secure
    assert not any("tokenreviews" in str(each) for each in plain)


def test_policies_open_what_is_served_and_no_more():
    documents = chart.rendered(chart.SETTINGS["closed"])
    assert chart.one(documents, "NetworkPolicy", "frr-adapter-default-deny")["spec"]["podSelector"] == {}
    policy = chart.one(documents, "NetworkPolicy", "frr-adapter-controller")["spec"]
    served = {each["containerPort"] for each in containers(chart.one(documents, "Deployment"))["controller"]["ports"]}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == served
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in policy["egress"] for port in rule["ports"]] == [443]
    (metrics,) = (rule for rule in policy["ingress"] if rule.get("from"))
    assert [port["port"] for port in metrics["ports"]] == [9120]
    assert chart.one(chart.rendered(), "NetworkPolicy")["spec"]["policyTypes"] == ["Ingress"]
