"""How the programs are started, read from what starts them and from what they say themselves."""

import pytest

from cli import values
from cli.boundary import naming, programs
from controller import settings as controller_settings
from frr_adapter.api import node_report
from speaker import settings as speaker_settings
from tests import chart


def workload(name, /, *args, env=(), command=(), **metadata):
    kind = "DaemonSet" if name == "speaker" else "Deployment"
    container = {"name": name, "args": list(args), "command": list(command), "env": list(env)}
    other = {"name": "frr", "args": ["--lb-class=wrong"]}
    spec = {"template": {"spec": {"containers": [other, container]}}}
    meta = {"name": name, "namespace": "m", **metadata}
    return naming.document({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}, "m")


def of(*documents):
    found, gaps = programs.of(documents, "m")
    assert gaps == ()
    return found


def test_nothing_is_known():
    assert of() == values.Programs(namespace="m")
    assert programs.of([workload("speaker", "--lb-class=x")], "elsewhere") == (
        values.Programs(namespace="elsewhere"),
        (),
    )


def test_flags_beat_variables_and_both_may_refer_to_variables():
    said = of(
        workload(
            "speaker",
            "--log-level=$(LEVEL)",
            "--lb-class",
            "mine",
            "--ignore-exclude-lb",
            "--unknown=1",
            "--frr-vty-dir=",
            env=[
                {"name": "LEVEL", "value": "debug"},
                {"name": "METALLB_L2_OWNER", "value": "hash"},
                {"name": "FRR_LOGGING_LEVEL", "value": "warnings"},
                {"name": "METALLB_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                {"name": "METALLB_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                "nonsense",
            ],
        )
    )
    assert said == values.Programs("m", "mine", True, "hash", False, "debug", "warnings")


@pytest.mark.parametrize(
    ("args", "is_on"), [((), False), (("--ignore-exclude-lb=false",), False), (("--ignore-exclude-lb",), True)]
)
def test_switches(args, is_on):
    assert of(workload("speaker", *args)).ignore_exclude_lb is is_on


def test_they_are_found_by_name_or_by_label():
    named = {"labels": {"app.kubernetes.io/component": "speaker"}, "name": "release-speaker"}
    assert of(workload("speaker", "--lb-class=x", **named)).lb_class == "x"
    assert of(workload("speaker", "--lb-class=x", labels={"component": "speaker"}, name="other")).lb_class == "x"
    assert of(workload("speaker", "--lb-class=x", name="other")).lb_class == ""


def test_the_controller_speaks_where_there_is_no_speaker_and_contradictions_are_told():
    assert of(workload("controller", "--lb-class=x")).lb_class == "x"
    found, gaps = programs.of([workload("controller", "--lb-class=x"), workload("speaker")], "m")
    assert found.lb_class == ""
    assert gaps == ('the programs differ in --lb-class (controller "x", speaker ""): the speaker\'s is taken',)


def test_a_flag_that_cannot_be_read_is_told():
    found, gaps = programs.of([workload("speaker", "--l2-owner=mine", "--log-level=loud")], "m")
    assert found == values.Programs(namespace="m")
    assert gaps == (
        'DaemonSet m/speaker: --log-level: found "loud"; allowed are all, debug, info, warn, error, none',
        'DaemonSet m/speaker: --l2-owner: found "mine"; keep and hash are allowed',
    )


@pytest.mark.parametrize("name", chart.SETTINGS)
def test_the_chart_is_read_as_the_programs_read_it(name):
    workloads = (raw for raw in chart.rendered(chart.SETTINGS[name]) if raw["kind"] in naming.WORKLOADS)
    documents = [naming.document(raw, chart.NAMESPACE) for raw in workloads]
    found, gaps = programs.of(documents, chart.NAMESPACE)
    assert gaps == ()
    speakers = [each for each in documents if each.ref.kind == "DaemonSet"]
    for each in speakers:
        container = programs._container("speaker", each)
        env = {var["name"]: var.get("value", "127.0.0.1") for var in container["env"]}
        settings = speaker_settings.parse(container["args"], {**env, "METALLB_NAMESPACE": chart.NAMESPACE})
        assert found == values.Programs(
            namespace=settings.namespace,
            lb_class=settings.lb_class,
            ignore_exclude_lb=settings.ignore_exclude_lb,
            l2_owner=settings.l2_owner,
            has_bgp=bool(settings.frr_vty_dir),
            log_level=settings.log_level,
            frr_log_level=settings.frr_log_level,
        )
    assert speakers or found.namespace == chart.NAMESPACE


def test_what_they_say_themselves_wins():
    def report(node, **flags):
        flags = node_report.Flags(frr_vty_dir="/d", **flags)
        return node_report.NodeReport(node_report.Speaker(node, "", "", flags))

    written = values.Programs(lb_class="written")
    assert programs.corrected(written, {}) == (written, ())
    said, gaps = programs.corrected(written, {"n1": report("n1", lb_class="said", l2_owner="hash")})
    assert (said, gaps) == (values.Programs(lb_class="said", l2_owner="hash"), ())
    some = {"n2": report("n2", lb_class="old"), "n1": report("n1"), "n3": report("n3")}
    said, gaps = programs.corrected(written, some)
    assert said == values.Programs()
    assert gaps == ("the speakers of n2 are started otherwise than that of n1, whose flags are taken",)


def test_the_class_that_the_user_names_is_the_last_word():
    assert programs.with_class(values.Programs(lb_class="a"), None).lb_class == "a"
    assert programs.with_class(values.Programs(lb_class="a"), "").lb_class == ""


def test_the_variables_of_both_programs_are_known():
    names = {flag.env for flag in (*speaker_settings.FLAGS, *controller_settings.FLAGS)}
    assert {"METALLB_NAMESPACE", "METALLB_L2_OWNER", "FRR_LOGGING_LEVEL"} <= names
