"""What every `Applier` promises, asked of the real one over a stand-in for FRR's program, and of the in-memory twin.

tests/live asks the real one over the real FRR.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from frr_adapter import errors
from frr_adapter.boundary import files, reload
from frr_adapter.frr import reloading
from speaker.core import compose
from tests import bgp_world as w
from tests.fakes import frr_applier

# "Runs" a file by copying it; refuses any file with the word `refused`; speaks as frr-reload.py does.
PROGRAM = """
import pathlib, sys
mode, path = sys.argv[1], pathlib.Path(sys.argv[-1])
running = pathlib.Path(__file__).with_name("running")
def lines(p):
    found = [l for l in p.read_text().splitlines() if l.strip() and not l.strip().startswith(("!", "hostname"))]
    return {l.strip(): l for l in found}
before, after = (lines(running) if running.exists() else {}), lines(path)
refused = [l for l in after if "refused" in l]
if "slow" in path.read_text():
    import time; time.sleep(60)
if mode == "--test":
    if any("syntax" in l for l in after):
        print("b'line 7: % Unknown command: syntax refused hunter2'")
        sys.exit(1)
    print("Lines To Delete\\n===============", *(f"no {l}" for l in before if l not in after), sep="\\n")
    print("Lines To Add\\n============", *(l for l in after if l not in before), sep="\\n")
else:
    running.write_text("\\n".join(l for l in after if l not in refused))
    for l in refused:
        print("% No such thing hunter2"); print(f"line 3: Failure to communicate[13] to bgpd, line: {l}")
    sys.exit(bool(refused))
"""
TEMPLATES = files.read_templates()


def _config(extras="", **peer):
    world = w.make_world([w.make_peer(**{"password": "hunter2", **peer})], extras=extras)
    return compose.compose(w.plan(world))


@pytest.fixture
def real(tmp_path):
    program = tmp_path / "frr-reload"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    return reload.ReloadApplier(tmp_path / "frr.conf", program, TEMPLATES, timeout=10)


@pytest.fixture
def fake():
    applier = frr_applier.FakeApplier(TEMPLATES)
    applier.refuses = "refused"
    return applier


@pytest.fixture(params=["real", "fake"])
def applier(request):
    return request.getfixturevalue(request.param)


async def test_the_second_time_nothing_changes(applier):
    report = await applier.apply(_config())
    assert any("remote-as 64512" in line for line in report.changed.added)
    assert await applier.apply(_config()) == reloading.ApplyReport()
    report = await applier.apply(_config(asn=64513))
    assert any("remote-as 64513" in line for line in report.changed.added)
    assert any("remote-as 64512" in line for line in report.changed.removed)


async def test_a_refused_configuration_is_one_line_and_leaves_what_ran(applier):
    await applier.apply(_config())
    with pytest.raises(errors.ApplyError, match="refused") as caught:
        await applier.apply(_config(extras="refused", asn=64513))
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert await applier.apply(_config()) == reloading.ApplyReport()


async def test_reports_hide_passwords(applier):
    assert "password ***" in str(await applier.apply(_config()))


async def test_applies_take_turns(applier):
    reports = await asyncio.gather(*(applier.apply(_config()) for _ in range(3)))
    assert sorted(bool(item.changed) for item in reports) == [False, False, True]


async def test_the_file_is_the_newest_that_was_taken(real, tmp_path):
    await real.apply(_config())
    good = (tmp_path / "frr.conf").read_text()
    for extras in ("syntax refused", "refused"):
        with pytest.raises(errors.ApplyError):
            await real.apply(_config(extras=extras))
        assert (tmp_path / "frr.conf").read_text() == good
    assert {path.name for path in tmp_path.iterdir()} == {"frr.conf", "frr-reload", "running"}


async def test_what_frr_said_and_what_became_of_it(real):
    with pytest.raises(errors.ApplyError) as caught:
        await real.apply(_config(extras="refused"))
    assert str(caught.value) == (
        "FRR refused the configuration: No such thing ***: refused; there is no earlier configuration to return to"
    )
    with pytest.raises(errors.ApplyError, match="FRR cannot use the configuration: unknown command: syntax refused"):
        await real.apply(_config(extras="syntax refused"))


async def test_a_file_in_another_encoding_is_replaced(real, tmp_path):
    (tmp_path / "frr.conf").write_bytes(b"! caf\xe9\n")
    await real.apply(_config())
    assert "router bgp" in (tmp_path / "frr.conf").read_text()


async def test_a_hanging_program_is_ended(tmp_path, real):
    patient = reload.ReloadApplier(tmp_path / "frr.conf", tmp_path / "frr-reload", TEMPLATES, timeout=0.5)
    with pytest.raises(errors.ApplyError, match=r"frr-reload --test gave no answer within 0.5 s"):
        await patient.apply(_config(extras="slow"))


async def test_a_hanging_program_is_ended_with_what_it_started(tmp_path):
    program, started = tmp_path / "frr-reload", tmp_path / "started"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {started}.new\nmv {started}.new {started}\nwait\n")
    program.chmod(0o755)
    patient = reload.ReloadApplier(tmp_path / "frr.conf", program, TEMPLATES, timeout=0.5)
    with pytest.raises(errors.ApplyError, match="gave no answer"):
        await patient.apply(_config())
    child = Path("/proc") / started.read_text().strip()
    async with asyncio.timeout(5):
        while child.exists() and "(zombie)" not in (child / "status").read_text():
            await asyncio.sleep(0.01)


async def test_a_missing_program_is_named(tmp_path):
    applier = reload.ReloadApplier(tmp_path / "frr.conf", tmp_path / "absent", TEMPLATES)
    with pytest.raises(errors.ApplyError, match=r"cannot start .*absent: No such file or directory"):
        await applier.apply(_config())


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    applier = reload.ReloadApplier(tmp_path / "absent/frr.conf", tmp_path / "frr-reload", TEMPLATES)
    with pytest.raises(errors.ApplyError, match=r"cannot write .*absent/frr.conf: No such file or directory"):
        await applier.apply(_config())


async def test_an_apply_once_begun_is_finished_though_the_caller_goes_away(real, tmp_path):
    task = asyncio.create_task(real.apply(_config()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await real.apply(_config()) == reloading.ApplyReport()
    assert "64512" in (tmp_path / "running").read_text()
