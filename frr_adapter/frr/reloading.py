"""What `frr-reload.py` says, as values: which lines differ, which FRR refused. Also hides passwords in FRR's words.

Called by `frr_adapter.boundary.reload`. Pure text work. The program has no stable output format; what is relied on here is
proved by tests/live against the real one (8.4.4).
"""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from frr_adapter import secret
from frr_adapter.frr.refusal import LeftOut, Refusal

_REMOVED = "Lines To Delete"
_ADDED = "Lines To Add"
SAID_BEFORE = (
    r"(?:pas+w\w*|key-s\w*|authentication-k\w*|authentication[ \t]+str\w*|message-digest-k\w*|nhrp[ \t]+auth\w*)"
)
"""What stands before a password in FRR's lines, as a pattern; FRR takes the beginning of a word for the word, and people mistype it."""
_PASSWORD = re.compile(rf"(\b{SAID_BEFORE})(?:[ \t]+(?:\d+|md5|clear|encrypted))*[ \t]+\S+")
_COLOUR = re.compile(r"\x1b\[\d*m")
_REFUSED = re.compile(
    r"line (?P<number>\d+): (?:Failure to communicate\[\d+\] to (?P<daemon>\w+), line|% Unknown command(?:\[\d+\])?):\s*(?P<line>.*)"
)
_LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+\s+(?P<level>[A-Z]+):\s*")

# Log lines, the program's own dumps of what it sends, and the progress that vtysh of FRR 10 tells.
_CHATTER = re.compile(r"\d{4}-\d\d-\d\d |\[?'|\[\d+\||Waiting for children|MGMTD: No changes|vtysh \(")

_INSIGNIFICANT = re.compile(r"(no )?(hostname .*|bfd)|(ip|ipv6) nht resolve-via-default")

_BFD_DEFAULTS = {
    "detect-multiplier": 3,
    "receive-interval": 300,
    "transmit-interval": 300,
    "echo receive-interval": 50,
    "echo transmit-interval": 50,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Statements to remove from and to add to the running configuration; each with the blocks it stands in, joined by ` / `."""

    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)


class Way(enum.StrEnum):
    """How a configuration reached FRR: only the difference over the daemons' sockets, or the whole file by frr-reload.py."""

    HOT = "hot"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What one apply did. `remaining` are differences that FRR still shows afterwards and that are not ours to mend.

    `resets` name the sessions that a hot apply ended, and why; of a reload that is not known. `reason` says why a reload was it.
    `version` is FRR's, empty when it was not asked. `left_out` are objects that do not run as they are written.
    """

    changed: Difference = Difference()
    remaining: Difference = Difference()
    way: Way = Way.RELOAD
    resets: tuple[str, ...] = ()
    reason: str = ""
    version: str = ""
    left_out: tuple[LeftOut, ...] = ()


def parse_difference(output: str) -> Difference:
    """Reads the standard output of `frr-reload.py --test`.

    Left out is what may differ for ever and means nothing: the host name (vtysh prints its own machine's, whatever the daemons
    were told), an empty `bfd` block (which FRR keeps after the last profile), and the resolving of next hops through the
    default route (the default of FRR 10, which prints no defaults; 8.4 needs the lines).
    """
    removed: list[str] = []
    added: list[str] = []
    into: list[str] | None = None
    path: list[str] = []
    for line in output.splitlines():
        text = line.strip()
        if text in (_REMOVED, _ADDED):
            into, path = (removed if text == _REMOVED else added), []
        elif into is not None and text and text != "exit" and set(text) != {"="}:
            depth = len(line) - len(line.lstrip(" "))
            path = [*path[:depth], text]
            into.append(" / ".join(path))
    return Difference(_significant(removed), _significant(added))


def lines_that_help_removing(difference: Difference) -> tuple[str, ...]:
    """Statements to put at the end of the file for one reload, so that everything in `removed` really goes.

    The timers of a BFD profile have no `no` form (bfdd/bfdd_cli.c): they go back to FRR's default only by naming it. An interface
    that exists cannot be removed as a whole, but what is said about it goes when its block is there and empty.
    """
    lines: list[str] = []
    for removed in difference.removed:
        block, profile, statement = (*removed.split(" / "), "", "")[:3]
        words = statement.removeprefix("no ").rpartition(" ")[0]
        if block.startswith("no interface "):
            lines += [block.removeprefix("no "), "exit"]
        elif block == "bfd" and profile.startswith("profile ") and words in _BFD_DEFAULTS:
            lines += ["bfd", f" {profile}", f"  {words} {_BFD_DEFAULTS[words]}", " exit", "exit"]
    return tuple(lines)


def _significant(lines: Iterable[str]) -> tuple[str, ...]:
    """Each line once, without the lines of blocks that stand there only because statements follow in them."""
    found = [line for line in dict.fromkeys(lines) if not _INSIGNIFICANT.fullmatch(line)]
    blocks = {line.rpartition(" / ")[0] for line in found}
    blocks |= {block.rpartition(" / ")[0] for block in blocks}
    return tuple(line for line in found if line not in blocks)


def parse_refusals(output: str) -> tuple[Refusal, ...]:
    """The statements that FRR refused, in order, without repeats."""
    found: dict[Refusal, None] = {}
    said: list[str] = []
    for raw in _COLOUR.sub("", output).replace("\\n", "\n").splitlines():
        line = raw.strip().removeprefix("b'").strip()
        refused = _REFUSED.search(line)
        if refused is None:
            said = [line] if line and not _CHATTER.match(line) else said
            continue
        words = " ".join(said).removeprefix("% ") if refused["daemon"] else "unknown command"
        found.setdefault(Refusal(refused["line"].strip().rstrip("'"), words or "refused"))
        said = []
    return tuple(found)


_EARLY_EXIT = re.compile(r"line (\d+): .*early exit from config file")


def located_refusals(text: str, output: str) -> tuple[Refusal, ...]:
    """What `vtysh -C` objects to in a file, in order: each statement with the blocks it stands in, by its line number."""
    lines = text.splitlines()
    found = [(int(match["number"]), "unknown command") for match in _REFUSED.finditer(output)]
    found += [
        (int(match[1]), "it would end the reading of the configuration") for match in _EARLY_EXIT.finditer(output)
    ]
    return tuple(Refusal(_place(lines[:number]), words) for number, words in sorted(found) if number <= len(lines))


def _place(lines: list[str]) -> str:
    path: list[str] = []
    for line in lines:
        words = _words(line)
        if words and words[0] not in "!#" and (line is lines[-1] or not words.startswith("exit")):
            depth = len(line) - len(line.lstrip(" "))
            path = [*path[:depth], words]
    return " / ".join(path)


def blamed(lost: Iterable[str], refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    """Of the refusals those that cost a statement, with the blocks that it stands in."""
    found: dict[Refusal, None] = {}
    for refusal in refusals:
        for line in lost:
            path = [_words(part) for part in line.split(" / ")]
            if (words := _words(refusal.statement)) in path:
                found.setdefault(Refusal(" / ".join(path[: path.index(words) + 1]), refusal.words))
    return tuple(found)


def reason(output: str) -> str:
    """One line for people: the first refused statement, else the last error that was logged, else the last words."""
    refusals = parse_refusals(output)
    if refusals:
        return str(refusals[0])
    lines = [line.strip() for line in _COLOUR.sub("", output).splitlines() if line.strip()]
    logged = [line for line in lines if (match := _LOG_PREFIX.match(line)) and match["level"] in ("ERROR", "WARNING")]
    last = (logged or lines or ["no output"])[-1]
    return _LOG_PREFIX.sub("", last)


def lost(remaining: Difference, refusals: Iterable[Refusal], extras: Iterable[str]) -> tuple[str, ...]:
    """Statements that should run and do not: everything that is still to be added but the user's own extra lines.

    Those may be spelt in a way that FRR prints differently for ever; they are lost only when FRR refused them. A refusal alone says
    little: FRR 8.4 refuses `neighbor X graceful-restart` when it hears it the second time, and has taken it the first time.
    """
    refused = {_words(item.statement) for item in refusals}
    own = {_words(line) for line in extras}
    return tuple(
        line
        for line in remaining.added
        if (path := [_words(part) for part in line.split(" / ")])
        and (path[-1] not in own or refused.intersection(path))
    )


def _words(statement: str) -> str:
    return " ".join(statement.split())


def redact(text: str, secrets: Iterable[secret.Secret]) -> str:
    """The text without any password: those given, wherever they stand, and whatever follows the word `password`, or one of those that
    other protocols have for it: the user's own lines may speak of them.
    """
    for hidden in sorted((item.reveal() for item in secrets), key=len, reverse=True):
        text = text.replace(hidden, "***") if hidden else text
    return _PASSWORD.sub(r"\1 ***", text)
