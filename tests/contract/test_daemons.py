"""Who starts FRR's daemons, with small programs in their place; `tests/live/test_image` does it with the real ones."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from frr_adapter import errors
from frr_adapter.boundary import daemons, vty

NAMES = ("zebra", "bgpd", "staticd")
LIMITS = daemons.Limits(steady=0.0, pause=0.01, longest_pause=0.05, period=0.05, patience=0.4, stop=5.0)
ROOT = Path(__file__).parents[2]


class Sidecar:
    """A running supervisor and what its daemons tell."""

    def __init__(self, tmp_path, monkeypatch, limits=LIMITS):
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        self.story = tmp_path / "story"
        self.directory = tmp_path / "run"
        self.directory.mkdir()
        self.stopped = asyncio.Event()
        program = (sys.executable, "-m", "tests.fakes.frr_program")
        plan = [daemons.Daemon(name, (*program, name, str(self.story))) for name in NAMES]
        self.supervisor = daemons.Supervisor(plan, self.directory, self.load, leaving=("bgpd",), limits=limits)
        self.task = None

    async def load(self, sockets, daemon):
        """Nobody may see a socket of a daemon that has not got its file."""
        for name in [daemon] if daemon else NAMES:
            assert not (self.directory / f"{name}.vty").exists()
            connection = await vty.Vty.connect(sockets / f"{name}.vty")
            await connection.execute("configure terminal")
            connection.close()
        self.tell(f"load {daemon or 'all'}")

    def tell(self, line):
        with self.story.open("a") as file:
            file.write(f"{line}\n")

    def start(self):
        self.task = asyncio.create_task(self.supervisor.run(self.stopped))

    @property
    def lines(self):
        return self.story.read_text().splitlines() if self.story.exists() else []

    def number(self, name):
        return int(Path(f"{self.story}.{name}").read_text())

    async def until(self, *lines):
        async with asyncio.timeout(10):
            while self.lines[-len(lines) :] != list(lines) or not await self.is_met():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)

    async def is_met(self):
        for name in NAMES:
            try:
                connection = await vty.Vty.connect(self.directory / f"{name}.vty", 0.2)
            except errors.ApplyError:
                return False
            connection.close()
        return True


@pytest.fixture
async def sidecar(tmp_path, monkeypatch):
    made = Sidecar(tmp_path, monkeypatch)
    yield made
    made.stopped.set()
    if made.task:
        with contextlib.suppress(errors.DutyError):
            await made.task


STARTED = ("start zebra", "start bgpd", "start staticd", "load all")


async def test_all_start_in_order_and_get_the_file_before_anybody_meets_them(sidecar):
    sidecar.start()
    await sidecar.until(*STARTED)
    assert (sidecar.directory / daemons.HIDDEN).stat().st_mode & 0o007 == 0


async def test_they_stop_in_the_order_that_is_best_for_routers(sidecar):
    sidecar.start()
    await sidecar.until(*STARTED)
    sidecar.stopped.set()
    await asyncio.wait_for(sidecar.task, 10)
    assert sidecar.lines[4:] == ["end bgpd", "end staticd", "end zebra"]


async def test_one_that_ends_is_started_again_alone(sidecar):
    sidecar.start()
    await sidecar.until(*STARTED)
    others = [sidecar.number(name) for name in ("bgpd", "staticd")]
    os.kill(sidecar.number("zebra"), signal.SIGKILL)
    await sidecar.until("start zebra", "load zebra")
    assert [sidecar.number(name) for name in ("bgpd", "staticd")] == others


async def test_one_that_hangs_is_ended_and_started_again(sidecar):
    sidecar.start()
    await sidecar.until(*STARTED)
    hanging = sidecar.number("bgpd")
    os.kill(hanging, signal.SIGSTOP)
    await sidecar.until("start bgpd", "load bgpd")
    assert sidecar.number("bgpd") != hanging


async def test_what_cannot_start_at_all_ends_everything(sidecar):
    Path(f"{sidecar.story}.broken").write_text("bgpd")
    sidecar.start()
    with pytest.raises(errors.DutyError, match="bgpd ended at its start: exit status 1"):
        await asyncio.wait_for(sidecar.task, 10)
    assert sidecar.lines == ["start zebra", "broken bgpd", "end zebra"]


async def test_what_cannot_start_again_is_tried_until_it_can(sidecar):
    sidecar.start()
    await sidecar.until(*STARTED)
    broken = Path(f"{sidecar.story}.broken")
    broken.write_text("bgpd")
    os.kill(sidecar.number("bgpd"), signal.SIGKILL)
    async with asyncio.timeout(10):
        while sidecar.lines.count("broken bgpd") < 3:
            await asyncio.sleep(0.01)
    broken.unlink()
    await sidecar.until("start bgpd", "load bgpd")


async def test_a_program_that_is_not_there_is_named(tmp_path):
    plan = [daemons.Daemon("zebra", ("/nonexistent/zebra",))]
    directory = tmp_path / "run"
    directory.mkdir()

    async def load(_directory, _daemon):
        pytest.fail("there is nothing to load")

    with pytest.raises(errors.DutyError, match="cannot start /nonexistent/zebra: No such file"):
        await daemons.Supervisor(plan, directory, load).run(asyncio.Event())


async def test_sockets_of_an_earlier_container_are_gone_at_the_start(sidecar):
    (sidecar.directory / "zebra.vty").touch()
    (sidecar.directory / "ospfd.vty").touch()
    sidecar.start()
    await sidecar.until(*STARTED)
    assert {path.name for path in sidecar.directory.glob("*.vty")} == {f"{name}.vty" for name in NAMES}
