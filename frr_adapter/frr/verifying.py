"""What a daemon shall run compared with what it says that it runs, looking only at what is new on either side.

`boundary.hot` keeps one `Verifier` per daemon and asks it after every change. Pure but for the memory. The whole answer of the daemon is
compared each time, line by line; what is remembered is how lines were read, never that they are right. It must give what
`statements.wanted` and `statements.running` give from scratch.
"""

from dataclasses import dataclass

from frr_adapter.frr import config, grammar, statements, windows
from frr_adapter.frr.statements import Statement, Statements

_Prefixes = dict[grammar.Path, tuple[config.Origination, ...]]


@dataclass(frozen=True, slots=True)
class Differences:
    """Statements that are wanted and do not run, and those that run and are not wanted."""

    lacking: Statements = frozenset()
    unasked: Statements = frozenset()


class Verifier:
    """For one daemon."""

    def __init__(self, daemon: grammar.Daemon) -> None:
        self._daemon = daemon
        self._forget()

    def _forget(self) -> None:
        self._wanted = _Wanted(self._daemon)
        self._running = _Running()
        self._lacking: set[Statement] = set()
        self._unasked: set[Statement] = set()

    def compare(self, settings: config.FrrConfig, text: str) -> Differences:
        """`settings` are wanted, `text` is the daemon's answer to `show running-config`.

        Raises `errors.ApplyError` when a value cannot be a word of FRR's language.
        """
        try:
            concerned = (*self._wanted.follow(settings), *self._running.follow(text))
        except BaseException:
            self._forget()  # half of it was followed
            raise
        for each in concerned:
            is_wanted, is_running = each in self._wanted.statements, each in self._running.statements
            _put(self._lacking, each, is_in=is_wanted and not is_running)
            _put(self._unasked, each, is_in=is_running and not is_wanted)
        return Differences(frozenset(self._lacking), frozenset(self._unasked))


class _Wanted:
    """Statements of the configuration that was followed last."""

    def __init__(self, daemon: grammar.Daemon) -> None:
        self._daemon = daemon
        self._settings: config.FrrConfig | None = None
        self._prefixes: _Prefixes = {}
        self._rest: Statements = frozenset()
        self.statements: set[Statement] = set()

    def follow(self, settings: config.FrrConfig) -> set[Statement]:
        """The statements that came or went."""
        prefixes: _Prefixes = statements.prefixes(settings) if self._daemon is grammar.Daemon.BGPD else {}
        settings = statements.without_prefixes(settings)
        rest = self._rest if settings == self._settings else statements.wanted(settings, self._daemon)
        gone, come = set(self._rest - rest), set(rest - self._rest)
        for path in self._prefixes.keys() | prefixes.keys():
            before, after = self._prefixes.get(path, ()), prefixes.get(path, ())
            window = windows.window(before, after)
            old, new = before[window.start : window.before_stop], after[window.start : window.after_stop]
            kept = set(map(id, old)).intersection(map(id, new))
            gone.update(statements.prefix(path, item) for item in old if id(item) not in kept)
            come.update(statements.prefix(path, item) for item in new if id(item) not in kept)
        self._settings, self._prefixes, self._rest = settings, prefixes, rest
        self.statements -= gone
        self.statements |= come
        return gone | come


class _Running:
    """Statements of the text that was followed last, and how often each stands in it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._paths: list[Statement] = []  # where one is after each line
        self._said: list[Statement | None] = []  # what each line says by itself
        self.statements: dict[Statement, int] = {}

    def follow(self, text: str) -> list[Statement]:
        """The statements of lines that came or went."""
        lines = text.splitlines()
        window = windows.window(self._lines, lines)
        paths, said = self._read(lines, window)
        after_stop = window.start + len(paths)
        before_stop = len(self._lines) - (len(lines) - after_stop)
        gone = [each for each in self._said[window.start : before_stop] if each is not None]
        come = [each for each in said if each is not None]
        self._lines = lines
        self._paths[window.start : before_stop] = paths
        self._said[window.start : before_stop] = said
        for each in come:
            self.statements[each] = self.statements.get(each, 0) + 1
        for each in gone:
            self.statements[each] -= 1
            if not self.statements[each]:
                del self.statements[each]
        return [*gone, *come]

    def _read(self, lines: list[str], window: windows.Window) -> tuple[list[Statement], list[Statement | None]]:
        """The lines of the window and, as long as these make them mean something else, lines behind it."""
        path = self._paths[window.start - 1] if window.start else ()
        paths: list[Statement] = []
        said: list[Statement | None] = []
        behind = window.before_stop - window.after_stop
        for index in range(window.start, len(lines)):
            if index >= window.after_stop and path == (self._paths[index + behind - 1] if index + behind else ()):
                break
            before, path = path, statements.read(path, lines[index])
            paths.append(path)
            said.append(path if path is not before and statements.says_something(path) else None)
        return paths, said


def _put(found: set[Statement], each: Statement, *, is_in: bool) -> None:
    if is_in:
        found.add(each)
    else:
        found.discard(each)
