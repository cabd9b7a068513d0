"""Objects from files: where each stands, what namespace it gets, and what is said of what is no object."""

import datetime as dt
import io
import json
import sys
import time
from pathlib import Path

import pytest
import yaml

from cli import errors, values
from cli.boundary import sources, yaml_text
from cli.core import world
from frr_adapter import refs

POOLS = """# pools
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: a
spec:
  addresses:
    - 198.51.100.0/24
    - not an address
---
---
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {metallb.io/address-pool: a}}
"""


def written(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder, text, name="x.yaml"):
    return sources.manifests([written(folder, name, text)])


def keys(gathered):
    return [str(each.ref) for each in gathered.documents]


def only(gathered):
    (document,) = gathered.documents
    return document


def test_objects_know_their_file_and_the_lines_of_their_fields(tmp_path):
    found = read(tmp_path, POOLS)
    pool, service = found.documents
    assert (str(pool.ref), str(service.ref)) == ("IPAddressPool metallb-system/a", "Service default/web")
    assert pool.raw["metadata"]["namespace"] == "metallb-system"
    path = str(tmp_path / "x.yaml")
    assert pool.origin.at("spec.addresses[1]") == f"{path}:9"
    assert pool.origin.at("spec.addresses[7]") == f"{path}:7"
    assert pool.origin.at("spec.autoAssign") == f"{path}:6"
    assert pool.origin.at("nothing") == f"{path}:2"
    assert service.origin.at("metadata.annotations[metallb.io/address-pool]") == f"{path}:14"
    assert service.origin.at("metadata.annotations.metallb.io/address-pool") == f"{path}:14"
    (problem,) = world.Course(found.programs).advance(found.documents).problems
    assert pool.origin.at(problem.field) == f"{path}:9"
    assert found.gaps == ()
    assert found.unread == ("Secret",)


@pytest.mark.parametrize("kind", ["List", "IPAddressPoolList"])
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_lists_are_taken_apart(tmp_path, kind, form):
    about = {} if kind != "List" else {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool"}
    items = [{**about, "metadata": {"name": name, "namespace": "m"}, "spec": {"autoAssign": False}} for name in "ab"]
    listed = {"apiVersion": "v1" if kind == "List" else "metallb.io/v1beta1", "kind": kind, "items": items}
    text = json.dumps(listed, indent=1) if form == "json" else yaml.safe_dump(listed)
    found = read(tmp_path, text, f"x.{form}")
    assert keys(found) == ["IPAddressPool m/a", "IPAddressPool m/b"]
    at = found.documents[1].origin.at("spec.autoAssign")
    number = at.rsplit(":", 1)[1]
    assert "autoAssign" in text.splitlines()[int(number) - 1]
    assert [i for i, line in enumerate(text.splitlines(), 1) if "autoAssign" in line][1] == int(number)


def test_json_with_tabs_and_several_values_is_json(tmp_path):
    one = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "surplus"}}
    two = {"apiVersion": "v1", "kind": "List", "items": [{**one, "metadata": {"name": "b"}}]}
    text = "\n".join(json.dumps(each, indent="\t") for each in (one, two))
    found = read(tmp_path, text, "x.json")
    assert keys(found) == ["Namespace a", "Namespace b"]
    assert "namespace" not in found.documents[0].raw["metadata"]
    assert found.documents[0].origin.at("metadata.name") == f"{tmp_path / 'x.json'}:1"


def test_directories_are_read_whole_and_in_order(tmp_path):
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n"
    for name in ("b/two.yml", "a.yaml", "b/c/three.json", ".git/hidden.yaml", "notes.txt", "b/.hidden.yaml"):
        text = namespace.format(Path(name).stem.strip("."))
        raw = yaml.safe_load(text)
        written(tmp_path, name, json.dumps(raw) if name.endswith("json") else text)
    found = sources.manifests([tmp_path])
    assert keys(found) == ["Namespace a", "Namespace three", "Namespace two"]
    (empty := tmp_path / "empty").mkdir()
    assert sources.manifests([empty]).gaps == (f"{empty}: no file ends in .json, .yaml, .yml",)


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(POOLS.encode())))
    found = sources.manifests([Path("-")])
    assert found.documents[0].origin.at("spec") == "<stdin>:6"


def test_of_two_the_last_one_counts_and_that_is_told(tmp_path):
    text = "kind: Community\napiVersion: metallb.io/v1beta1\nmetadata: {{name: c, labels: {{n: '{}'}}}}\n"
    first, second = (written(tmp_path, f"{n}.yaml", text.format(n)) for n in (1, 2))
    found = sources.manifests([first, second])
    assert only(found).raw["metadata"]["labels"] == {"n": "2"}
    assert found.gaps == (f"Community metallb-system/c stands in {first}:1 and in {second}:1: the last one counts",)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("replicas: 3\n", 1, "has no kind and apiVersion; left out"),
        ("- a\n- b\n", 1, "has no kind and apiVersion; left out"),
        ("\njust words\n", 2, "has no kind and apiVersion; left out"),
        ("apiVersion: v2\nname: chart\n", 1, "has no kind and apiVersion; left out"),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n",
            1,
            "Kustomization: its files are read as they stand, nothing in it is applied to them",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}\n", 1, "Service without a name; left out"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: 5}\n", 1, "Service without a name; left out"),
        ("apiVersion: v1\nkind: Service\nmetadata: []\n", 1, "Service without a name; left out"),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n",
            1,
            "Service of serving.knative.dev/v1 is none of v1; left out",
        ),
    ],
)
def test_what_is_no_object_is_told_and_left_out(tmp_path, text, line, words):
    found = read(tmp_path, text)
    assert found.documents == ()
    assert found.gaps == (f"{tmp_path / 'x.yaml'}:{line}: {words}",)


def test_a_wrong_version_of_our_kinds_stays_for_whoever_judges(tmp_path):
    found = read(tmp_path, "apiVersion: v1\nkind: IPAddressPool\nmetadata: {name: a}\n")
    assert keys(found) == ["IPAddressPool metallb-system/a"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: [1\n", ":3: is not YAML: did not find expected ',' or ']'"),
        (b"a: 1\n\tb: 2\n", ":2: is not YAML: found a tab character that violates indentation"),
        (b"a: *x\n", ":1: is not YAML: found undefined alias"),
        (b"a: 1\nb: \x07\n", ":2: is not YAML: control characters are not allowed"),
        (b"a: 1\n\xff\n", ":2: is not YAML: not in UTF-8"),
        (b"a: 1\n{{ if .x }}\n", ":2: is a template of Helm, which has to be rendered first"),
        (b"a: &a [*a]\n", ":1: is nested too deeply"),
        (b"[" * 200_000 + b"]" * 200_000, ":1: is nested too deeply"),
        (b"".join(b" " * n + b"a:\n" for n in range(1500)), ":202: is nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_one_line_with_its_place(tmp_path, content, words):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(errors.NoAnswerError) as raised:
        sources.manifests([path])
    assert str(raised.value) == f"{path}{words}"


def test_a_template_in_a_directory_is_left_out(tmp_path):
    written(tmp_path, "chart/templates/a.yaml", "a: 1\n{{ if .x }}\n")
    written(tmp_path, "b.yaml", POOLS)
    found = sources.manifests([tmp_path])
    assert len(found.documents) == 2
    path = tmp_path / "chart/templates/a.yaml"
    assert found.gaps == (f"{path}:2: is a template of Helm, which has to be rendered first; left out",)


def test_a_file_that_is_not_there():
    with pytest.raises(errors.NoAnswerError, match=r"^nowhere/x.yaml: cannot be read: No such file or directory$"):
        sources.manifests([Path("nowhere/x.yaml")])


def test_a_small_file_cannot_become_a_large_one(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_text, "_MOST_NODES", 10_000)
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    with pytest.raises(errors.NoAnswerError, match=r"is too large once its aliases are put in$"):
        read(tmp_path, "\n".join(lines))


VALUES = """
texts: [64512:10, 2024-01-01, 2024-01-01T00:00:00Z, 1:30.5, "5", .inf, 0b, !!int x]
numbers: [1, -1, 0, 0x10, 010, 1_000, 0b11, 1.5]
switches: [true, no, On]
nothing: [null, ~, ]
1: key
true: key
base: &base {a: 1, b: 2}
merged: {<<: *base, b: 3}
merged twice: {<<: [*base, {b: 9, c: 4}]}
doubled: {a: 1, a: 2}
"""


def test_values_are_those_of_kubernetes(tmp_path):
    builder = yaml_text.Builder("x")
    (node,) = yaml_text.composed(VALUES, "x")
    found = builder.build(node)
    assert found["texts"] == [
        "64512:10", "2024-01-01", "2024-01-01T00:00:00Z", "1:30.5", "5", ".inf", "0b", "x",
    ]  # fmt: skip
    assert found["numbers"] == [1, -1, 0, 16, 8, 1000, 3, 1.5]
    assert found["switches"] == [True, False, True]
    assert found["nothing"] == [None, None]
    assert (found["1"], found["true"]) == ("key", "key")
    assert found["merged"] == {"a": 1, "b": 3}
    assert found["merged twice"] == {"a": 1, "b": 2, "c": 4}
    assert (found["doubled"], builder.doubled) == ({"a": 2}, [(11, "a")])


def test_a_key_that_stands_twice_is_told(tmp_path):
    found = read(tmp_path, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  name: b\n")
    assert keys(found) == ["Namespace b"]
    assert found.gaps == (f'{tmp_path / "x.yaml"}:5: "name" stands twice in a mapping: the last one counts',)


def test_passwords_never_reach_a_document(tmp_path):
    text = "apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: p}\nspec: {password: hunter2}\n"
    assert "hunter2" not in str(only(read(tmp_path, text)).raw)


def test_a_thousand_services_take_well_under_a_second(tmp_path):
    one = (
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{n}\n  namespace: team\n  labels: {{app: web}}\nspec:\n"
        "  type: LoadBalancer\n  externalTrafficPolicy: Local\n  ports:\n    - name: http\n      port: 80\n"
        "      targetPort: 8080\n      protocol: TCP\n  selector:\n    app: web\n"
    )
    path = written(tmp_path, "x.yaml", "---\n".join(one.format(n=n) for n in range(1000)))
    begun = time.process_time()
    found = sources.manifests([path])
    took = time.process_time() - begun
    assert len(found.documents) == 1000
    assert took < 2  # about 0.4 on a quiet machine


def snapshot(path, **place):
    return sources.gather(sources.Place(snapshot=path, **place))


def test_a_snapshot_is_a_list(tmp_path):
    item = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "managedFields": [{}]}}
    path = written(tmp_path, "s.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]}))
    found = snapshot(path)
    assert only(found).ref == refs.ObjectRef("Node", "", "n1")
    assert only(found).raw["metadata"] == {"name": "n1"}
    assert (found.source, found.gaps) == (f"snapshot {path}", ())
    assert found.programs == values.Programs()
    assert snapshot(path, lb_class="x").programs.lb_class == "x"


def test_a_secret_that_a_snapshot_does_not_tell_of_is_taken_as_fitting(tmp_path):
    peers = [
        {
            "apiVersion": "metallb.io/v1beta2",
            "kind": "BGPPeer",
            "metadata": {"name": name, "namespace": "metallb-system"},
            "spec": {"myASN": 1, "peerASN": 2, "peerAddress": f"192.0.2.{number}", "passwordSecret": {"name": "s"}},
        }
        for number, name in enumerate(("a", "b"), 1)
    ]
    path = written(tmp_path, "s.json", json.dumps(peers))
    found = snapshot(path)
    assert keys(found)[-1] == "Secret metallb-system/s"
    assert found.gaps == (
        "Secret metallb-system/s of BGPPeer metallb-system/a, metallb-system/b is not known: taken as fitting",
    )
    assert world.Course(found.programs).advance(found.documents).problems == ()
    assert sources.completed(found) == found

    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "metallb-system"}}
    path.write_text(json.dumps([*peers, other]))
    assert snapshot(path).gaps == ()
    assert len(world.Course(found.programs).advance(snapshot(path).documents).problems) == 2


def test_an_unknown_password_before_is_unknown_after(tmp_path):
    def gathered(password):
        spec = {"myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "password": password}
        meta = {"name": "p", "namespace": "metallb-system"}
        raw = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": meta, "spec": spec}
        return snapshot(written(tmp_path, "s.json", json.dumps([raw])))

    unknown, known = gathered("***"), gathered("hunter2")
    after = sources.comparable(unknown, known)
    assert after.documents == unknown.documents
    assert after.gaps == ("passwords before are not known, so they are taken as unchanged: BGPPeer metallb-system/p",)
    assert sources.comparable(known, gathered("other")) == gathered("other")
    assert sources.comparable(known, gathered("other")).documents != known.documents
    assert sources.comparable(known, gathered("hunter2")).documents == known.documents


def test_where_there_is_no_cluster_at_all(tmp_path, monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not sources.is_reachable(sources.Place())
    with pytest.raises(errors.NoAnswerError, match=r"^no cluster: "):
        sources.gather(sources.Place())
    with pytest.raises(errors.NoAnswerError, match=r"^--kubeconfig: nowhere: no such file$"):
        sources.is_reachable(sources.Place(kubeconfig="nowhere"))
    config = written(tmp_path, ".kube/config", "current-context: here\n")
    assert sources.is_reachable(sources.Place())
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{config}")
    assert sources.is_reachable(sources.Place())
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    with pytest.raises(errors.NoAnswerError, match=r"KUBECONFIG: /nowhere: no such file$"):
        sources.is_reachable(sources.Place())


def test_dates_stay_texts():
    assert not isinstance(yaml_text.Builder("x").build(next(yaml_text.composed("2024-01-01", "x"))), dt.date)
