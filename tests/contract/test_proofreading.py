"""The proof-reader over a stand-in for vtysh: what it makes of answers, of silence and of no program at all. tests/live asks the real one."""

import pytest

from frr_adapter.boundary import files, proofreading, reload
from frr_adapter.frr import refusal
from speaker.core import compose
from tests import bgp_world as w


def program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


async def test_what_it_objects_to_is_told_with_its_place(tmp_path):
    vtysh = program(tmp_path / "vtysh", 'echo "$1 $2" >"$3.asked"; echo "line 2: % Unknown command[4]:  b" >&2; exit 2')
    found = await proofreading.Proofreader(vtysh).refusals(tmp_path / "x.conf", "a\n b\n")
    assert found == (refusal.Refusal("a / b", "unknown command"),)
    assert (tmp_path / "x.conf.asked").read_text() == "-C -f\n"


@pytest.mark.parametrize("body", ["exit 0", "exit 3", "echo something else; exit 1", "exec sleep 60"])
async def test_without_a_clear_answer_nothing_is_held_against_a_file(tmp_path, body):
    reader = proofreading.Proofreader(program(tmp_path / "vtysh", body), timeout=0.5)
    assert await reader.refusals(tmp_path / "x.conf", "a\n") == ()


async def test_without_the_program_nothing_is_held_against_a_file(tmp_path):
    assert await proofreading.Proofreader(tmp_path / "absent").refusals(tmp_path / "x.conf", "a\n") == ()


def test_the_program_beside_frr_reload_is_the_right_one(tmp_path, monkeypatch):
    monkeypatch.setattr(proofreading, "_USUAL", tmp_path / "usual")
    reload_program = tmp_path / "bin/frr-reload.py"
    reload_program.parent.mkdir()
    assert proofreading.beside(reload_program) is None
    (tmp_path / "usual").touch()
    assert proofreading.beside(reload_program)._vtysh == tmp_path / "usual"
    (tmp_path / "bin/vtysh").touch()
    assert proofreading.beside(reload_program)._vtysh == tmp_path / "bin/vtysh"


async def test_a_file_that_frr_cannot_read_never_reaches_a_daemon(tmp_path):
    vtysh = program(tmp_path / "vtysh", 'echo "line 1: % Unknown command: ! FRR hunter2" >&2; exit 2')
    never = program(tmp_path / "frr-reload", f"touch {tmp_path}/started")
    conf = tmp_path / "frr.conf"
    applier = reload.ReloadApplier(conf, never, files.read_templates(), proofreader=proofreading.Proofreader(vtysh))
    peer = w.make_peer("tor", address="10.99.0.1", password="hunter2")
    with pytest.raises(refusal.RefusedError, match=r"^FRR cannot read the configuration: unknown command: .*; nothing"):
        await applier.apply(compose.compose(w.plan(w.make_world([peer]))))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frr-reload", "vtysh"]
