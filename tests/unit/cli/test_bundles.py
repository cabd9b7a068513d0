"""Bundles: what goes in comes out, passwords never go in, and a file of somebody else's can do no harm."""

import gzip
import io
import json
import stat
import tarfile

import pytest

from cli import errors, values
from cli.boundary import bundles, naming, sources
from frr_adapter.api import node_report
from tests import command
from tests.unit.cli import test_redaction

PASSWORD = test_redaction.PASSWORD
CONFIG = f"router bgp 1\n neighbor 192.0.2.1 password {PASSWORD}\n"


def report(node, text=CONFIG):
    flags = node_report.Flags(lb_class="c")
    speaker = node_report.Speaker(
        node,
        "2024-01-01T00:00:00Z",
        "1",
        flags,
        wanted=text,
        applied=text,
        apply_error=f"neighbor 1 password {PASSWORD}",
    )
    return node_report.NodeReport(speaker, running={"bgpd": text})


def gathered():
    documents = [naming.document(json.loads(json.dumps(raw)), "m") for raw in test_redaction.PLACES.values()]
    by_ref = {each.ref: each for each in documents}
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "e", "managedFields": [PASSWORD]},
        "message": f"refused neighbor 192.0.2.1 password {PASSWORD}",
    }
    return values.Gathered(
        documents=tuple(by_ref[ref] for ref in sorted(by_ref)),
        reports={"n2": report("n2"), "n1": report("n1")},
        programs=values.Programs(lb_class="c", has_bgp=False),
        source="cluster here",
        taken_at="2024-01-01T00:00:00Z",
        gaps=("a gap",),
        events=(naming.redaction.hide(event),),
        unread=("Lease",),
    )


def contents(packed):
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_no_password_goes_in():
    everything = gzip.decompress(bundles.packed(gathered())).decode()
    assert PASSWORD not in everything
    assert test_redaction.encoded(PASSWORD) not in everything
    assert naming.redaction.stand_in(PASSWORD) not in everything
    assert test_redaction.encoded(naming.redaction.stand_in(PASSWORD)) not in everything
    assert everything.count("***") > 10


def test_what_goes_in_comes_out(tmp_path):
    before = gathered()
    path = tmp_path / "b.tar.gz"
    bundles.write(path, bundles.packed(before), force=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    after = sources.gather(sources.Place(bundle=path))
    assert [each.ref for each in after.documents] == [each.ref for each in before.documents]
    assert [each.raw for each in after.documents] == [naming.redaction.forget(each.raw) for each in before.documents]
    assert list(after.reports) == ["n1", "n2"]
    assert after.reports["n1"].speaker.wanted == "router bgp 1\n neighbor 192.0.2.1 password ***\n"
    assert after.reports["n1"].speaker.flags == node_report.Flags(lb_class="c")
    assert (after.programs, after.gaps, after.unread) == (before.programs, before.gaps, before.unread)
    assert (after.source, after.taken_at) == ("bundle of cluster here", before.taken_at)
    assert after.events[0]["message"] == "refused neighbor 192.0.2.1 password ***"
    assert sources.gather(sources.Place(snapshot=path)) == after
    assert sources.gather(sources.Place(bundle=path, lb_class="")).programs.lb_class == ""


def test_the_same_content_gives_the_same_bytes():
    assert bundles.packed(gathered()) == bundles.packed(gathered())
    assert next(iter(contents(bundles.packed(gathered())))) == "manifest.json"


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(errors.NoAnswerError, match=r"b.tar.gz: is there already; --force replaces it$"):
        bundles.write(path, b"x", force=False)
    assert path.read_text() == "mine"
    bundles.write(path, b"x", force=True)
    assert path.read_bytes() == b"x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(errors.NoAnswerError, match=r"cannot be written: No such file or directory$"):
        bundles.write(tmp_path / "no/b", b"x", force=False)


def made(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for member, content in members:
            about = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return out.getvalue()


def manifest(format_=bundles.FORMAT, **more):
    return ("manifest.json", json.dumps({"format": format_, "version": "9.9", **more}).encode())


def link():
    about = tarfile.TarInfo("objects/Node.json")
    about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return about


BROKEN = {
    "newer": (
        [manifest("frr-adapter.bundle-file/v2", more=1)],
        "frr-adapter 9.9 made it in format v2; this release reads",
    ),
    "other": ([manifest("x")], 'found format "x"; frr-adapter.bundle-file/v1 is allowed'),
    "no manifest": ([("events.json", b"{}")], "it does not begin with manifest.json"),
    "empty": ([], "it does not begin with manifest.json"),
    "twice": ([manifest(), manifest()], "'manifest.json' does not belong there"),
    "link": ([manifest(), (link(), b"")], "'objects/Node.json' does not belong there"),
    "no JSON": ([manifest(), ("objects/Node.json", b"{")], "Input data was truncated"),
    "no list": ([manifest(), ("objects/Node.json", b"[]")], "Expected `object`, got `array`"),
    "no object": ([manifest(), ("objects/Node.json", b'{"items": [{}]}')], "objects/Node.json: has no kind"),
    "no report": ([manifest(), ("nodes/n1.json", b"{}")], "Object missing required field `speaker`"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_bundle_that_cannot_be_read_is_one_line(name, tmp_path):
    members, words = BROKEN[name]
    path = tmp_path / "b.tar.gz"
    path.write_bytes(made(members))
    with pytest.raises(errors.NoAnswerError) as raised:
        bundles.read(path)
    assert str(raised.value).startswith(f"{path}: is no bundle that can be read: {words}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x1f\x8b", gzip.compress(b"text", mtime=0), bundles.packed(gathered())[:-200]]
)
def test_any_other_file_is_one_line(content, tmp_path):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(content)
    with pytest.raises(errors.NoAnswerError, match=r"is no bundle that can be read: .+$"):
        bundles.read(path)
    with pytest.raises(errors.NoAnswerError, match=r"no such file$"):
        bundles.read(tmp_path / "nowhere")


def test_unknown_members_and_strange_paths_touch_nothing(tmp_path):
    path = tmp_path / "in/b.tar.gz"
    path.parent.mkdir()
    path.write_bytes(made([manifest(), ("../out", b"x"), ("/frr-adapter-out", b"x"), ("later.json", b"x")]))
    assert bundles.read(path) == values.Gathered(source="bundle of ")
    assert list(tmp_path.iterdir()) == [path.parent]


def test_sizes_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(made([manifest(), ("later", b"\0" * 2_000_000)]))
    bundles.read(path)
    monkeypatch.setattr(bundles, "_MOST_BYTES", 1 << 20)
    with pytest.raises(errors.NoAnswerError, match=r"more than 1 MiB inside$"):
        bundles.read(path)
    path.write_bytes(made([manifest(), *((f"x{n}", b"") for n in range(20))]))
    monkeypatch.setattr(bundles, "_MOST_MEMBERS", 10)
    with pytest.raises(errors.NoAnswerError, match=r"'x9' does not belong there$"):
        bundles.read(path)


def test_without_a_cluster_the_command_says_so(tmp_path, monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ran = command.run("bundle")
    assert (ran.status, ran.stdout) == (3, "")
    assert ran.stderr.startswith("frr-adapter: bundle: no cluster: ")
    (tmp_path / "b").touch()
    ran = command.run("bundle", "--output=b")
    assert ran.stderr == "frr-adapter: bundle: b: is there already; --force replaces it\n"
