import datetime as dt
import io
import json
import logging
import subprocess
import sys

import pytest

from frr_adapter import errors, refs, secret
from frr_adapter.boundary import logs
from tests.fakes import log_state


@pytest.fixture
def out():
    with log_state.kept():
        yield io.StringIO()


def read(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_begins_with_time_level_caller_and_message(out):
    logs.configure(logs.Level.INFO, out)
    logs.get_logger().warning("pool is empty", pool="p", count=0)
    (line,) = read(out)
    assert list(line) == ["ts", "level", "caller", "msg", "pool", "count"]
    assert dt.datetime.fromisoformat(line["ts"]).tzinfo is not None
    assert (line["level"], line["msg"], line["pool"], line["count"]) == ("warn", "pool is empty", "p", 0)
    assert line["caller"].startswith("test_logs.py:")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("all", ["debug", "info", "warn", "error"]),
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
        ("none", []),
    ],
)
def test_levels(out, level, expected):
    logs.configure(logs.Level(level), out)
    log = logs.get_logger()
    for method in (log.debug, log.info, log.warning, log.error):
        method("said")
    logging.getLogger("aiohttp").debug("never heard")
    if level == "none":
        log.critical("said")
        logging.getLogger("aiohttp").critical("said")
    assert [line["level"] for line in read(out)] == expected


def test_secrets_and_our_values_are_written_as_people_read_them(out):
    logs.configure(logs.Level.INFO, out)
    ref = refs.ObjectRef("BGPPeer", "metallb-system", "p")
    error = errors.KubernetesError(409, "Conflict", "changed")
    logs.get_logger().info("said", ref=ref, error=error, password=secret.Secret("hunter2"), held=(secret.Secret("x1"),))
    (line,) = read(out)
    assert (line["ref"], line["error"]) == ("BGPPeer metallb-system/p", "409 Conflict: changed")
    assert (line["password"], line["held"]) == ("***", ["***"])
    assert "hunter2" not in out.getvalue()
    assert "x1" not in out.getvalue()


def test_exceptions_are_one_line(out):
    logs.configure(logs.Level.INFO, out)
    try:
        {}["absent"]
    except KeyError:
        logs.get_logger().exception("cycle failed")
        logging.getLogger("asyncio").exception("task failed")
    ours, theirs = read(out)
    assert (ours["level"], ours["msg"]) == ("error", "cycle failed")
    assert (theirs["level"], theirs["msg"], theirs["logger"]) == ("error", "task failed", "asyncio")
    assert all("KeyError: 'absent'" in line["exception"] for line in (ours, theirs))


def test_libraries_are_heard_from_warnings_on(out):
    logs.configure(logs.Level.ALL, out)
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("aiohttp.client").warning("slow %s", "server")
    assert [(line["level"], line["msg"]) for line in read(out)] == [("warn", "slow server")]


def test_a_call_cannot_overwrite_the_first_keys(out):
    logs.configure(logs.Level.INFO, out)
    logs.get_logger().info("said", ts="never", msg="other", caller="me")
    (line,) = read(out)
    assert (line["msg"], line["ts"] == "never", line["caller"] == "me") == ("said", False, False)


def test_rich_is_not_loaded_for_logs_and_stays_importable():
    script = (
        "import sys; from frr_adapter.boundary import logs; assert 'rich' not in sys.modules; import rich.table;"
        " logs.configure(logs.Level.INFO); logs.get_logger().info('said')"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads(said)["msg"] == "said"


def test_the_level_changes_while_the_program_runs_and_others_are_told(out):
    logs.configure(logs.Level.INFO, out)
    told = []
    logs.on_level(told.append)
    log = logs.get_logger()
    log.debug("one")
    logs.set_level(logs.Level.DEBUG)
    log.debug("two")
    logs.set_level(logs.Level.NONE)
    log.error("three")
    logs.set_level(logs.Level.WARN)
    log.info("four")
    log.warning("five")
    assert [line["msg"] for line in read(out)] == ["two", "five"]
    assert (told, logs.current_level()) == ([logs.Level.DEBUG, logs.Level.NONE, logs.Level.WARN], logs.Level.WARN)
