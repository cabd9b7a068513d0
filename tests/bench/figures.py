"""Figures of benchmarks, and the page they are written to: every part owns one section and leaves the others alone."""

import os
import platform
import re
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPORT = Path(__file__).parents[2] / "docs/benchmarks.md"
HEADINGS = ("what", "unit", "runs", "median", "p99", "min", "max")
_HEAD = """# Benchmarks

Written by `make bench`; edit nothing here by hand. Every part is measured and written on its own
(`make bench BENCH_ARGS=controller`), so each names the machine and the load it ran under. p99 is the smallest value that
99 % of the runs do not exceed; with few runs that is the largest.
"""
_MARK = "<!-- part: {} -->"


@dataclass(frozen=True)
class Figure:
    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p99(self) -> float:
        """The smallest value that 99 % do not exceed; with few runs this is the largest."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, -(-99 * len(ordered) // 100) - 1)]

    def row(self) -> tuple[str, ...]:
        shown = (self.median, self.p99, min(self.values), max(self.values))
        return (self.what, self.unit, str(len(self.values)), *(_number(value) for value in shown))


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def machine() -> str:
    return (
        f"{os.cpu_count()} cores shared by everything that is measured, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the start"
    )


def frr_version() -> str:
    asked = subprocess.run(["/usr/lib/frr/zebra", "--version"], capture_output=True, text=True, check=False)
    words = asked.stdout.split()
    return words[2] if len(words) > 2 else "unknown"


def show(title: str, figures: tuple[Figure, ...]) -> None:
    table = Table(title=title)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for figure in figures:
        table.add_row(*figure.row())
    Console().print(table)


def section(title: str, where: str, figures: tuple[Figure, ...], method: str) -> str:
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(figure.row() for figure in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {title}\n\nMachine: {where}.\n\n{table}\n\n{method.strip()}\n"


def write(part: str, text: str, report: Path = REPORT) -> None:
    """Replaces the part's section, or adds it; sections are sorted by the names of their parts."""
    found = dict(_sections(report.read_text() if report.exists() else ""))
    found[part] = text
    body = "\n".join(f"{_MARK.format(name)}\n{found[name]}" for name in sorted(found))
    report.write_text(f"{_HEAD}\n{body}")


def _sections(text: str) -> list[tuple[str, str]]:
    pieces = re.split(r"^<!-- part: (\S+) -->\n", text, flags=re.MULTILINE)[1:]
    return [(name, body.strip() + "\n") for name, body in zip(pieces[::2], pieces[1::2], strict=True)]
