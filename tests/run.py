"""`make test`: every stage in order, then one table of what ran, how long it took, and what was skipped and why.

Extra arguments go to pytest: `make test TEST_ARGS="-k election"`.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NO_TESTS = 5
"""pytest's exit status when nothing was selected."""

CHECKS = (
    ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
    ("lint", [BIN / "ruff", "check", "--quiet", "."]),
    ("types", [BIN / "mypy", "--no-error-summary"]),
)
PLAIN = (sys.executable, "-m", "pytest")
ROOTLESS = ("unshare", "--user", "--map-root-user", "--net", "--mount", sys.executable, "-m", "tests.live.rootless")
SEVERAL_AT_A_TIME = ["-n", "2", "--dist", "loadfile"]
"""Live tests wait for daemons and timers most of the time, and the others use one processor each. Tests of a file stay together: each
file has machines, servers and clusters of its own."""

STAGES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("house", ["tests/test_house.py"], []),
    ("unit", ["tests/unit", "tests/cases"], SEVERAL_AT_A_TIME),
    ("cycle", ["tests/cycle"], SEVERAL_AT_A_TIME),
    ("contract", ["tests/contract"], SEVERAL_AT_A_TIME),
    ("live", ["tests/live"], SEVERAL_AT_A_TIME),
)


@dataclass
class Result:
    name: str
    seconds: float
    is_good: bool
    passed: int = 0
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


OWN_NETWORK = [
    "tests/contract/test_layer2_ports.py",
    "tests/live/test_layer2.py",
    "tests/live/test_frr_reload.py",
    "tests/live/test_frr_hot.py",
    "tests/live/test_bgp_history.py",
    "tests/live/test_bgp_sessions.py",
    "tests/live/test_bgp_routes.py",
    "tests/live/test_bgp_vrf.py",
    "tests/live/test_bgp_other_routers.py",
]
"""Need root over a network of their own. Without root they run in a user namespace, where there is one."""


def check(name: str, command: list[Path | str]) -> Result:
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    is_good = done.returncode == 0
    return Result(name, time.monotonic() - started, is_good, passed=int(is_good), failed=int(not is_good))


def pytest(name: str, paths: list[str], extra: list[str], report: Path, runner: tuple[str, ...] = PLAIN) -> Result:
    started = time.monotonic()
    command = [*runner, "-q", f"--junitxml={report}", *paths, *extra]
    done = subprocess.run(command, cwd=ROOT, check=False)
    result = Result(name, time.monotonic() - started, done.returncode in (0, NO_TESTS))
    if report.exists():
        for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # our own report
            skip = case.find("skipped")
            if skip is not None:
                result.skipped[skip.get("message", "no reason given")] += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                result.failed += 1
            else:
                result.passed += 1
    return result


def table(results: list[Result]) -> Table:
    drawn = Table(title="make test")
    for column in ("stage", "passed", "failed", "skipped", "seconds"):
        drawn.add_column(column, justify="left" if column == "stage" else "right")
    for result in results:
        mark = "" if result.is_good else " [red]FAILED[/]"
        drawn.add_row(
            result.name + mark,
            str(result.passed),
            str(result.failed),
            str(result.skipped.total()),
            f"{result.seconds:.1f}",
        )
    return drawn


def main(extra: list[str]) -> int:
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        if not extra:
            results += [check(name, command) for name, command in CHECKS]
        can_unshare = os.geteuid() != 0 and subprocess.run([*ROOTLESS[:5], "true"], check=False).returncode == 0
        elsewhere = [f"--ignore={path}" for path in OWN_NETWORK] if can_unshare else []
        for name, paths, how in STAGES:
            print(f"== {name}", flush=True)
            results.append(pytest(name, paths, [*how, *elsewhere, *extra], Path(scratch) / f"{name}.xml"))
        if can_unshare:
            print("== live, in a user namespace", flush=True)
            results.append(pytest("live, rootless", OWN_NETWORK, extra, Path(scratch) / "rootless.xml", ROOTLESS))
    console = Console()
    console.print(table(results))
    skipped = sum((result.skipped for result in results), Counter())
    for reason, count in skipped.most_common():
        console.print(f"skipped {count}: {reason}", highlight=False, markup=False)
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    broken = sum(not result.is_good and not result.failed for result in results)
    print(f"{passed} passed, {failed + broken} failed, {skipped.total()} skipped")
    return 0 if all(result.is_good for result in results) and passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
