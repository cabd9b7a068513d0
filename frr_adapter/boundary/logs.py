"""JSON log lines on stdout with the keys `ts`, `level`, `caller`, `msg` and whatever the call adds.

The programs' wiring calls `configure` once; everybody in boundaries and loops uses `get_logger` (and never imports
structlog itself, see below); the level can be changed while they run. Values that are not JSON are written as their `str`, so a `secret.Secret` prints as `***`.
"""

import datetime as dt
import enum
import json
import logging
import sys
from collections.abc import Callable
from typing import TextIO

# structlog.dev imports rich when it is there, for coloured tracebacks that JSON lines never show: 4 MiB of a daemon.
_WITHOUT_RICH = "rich" not in sys.modules
if _WITHOUT_RICH:
    sys.modules["rich"] = None  # type: ignore[assignment] # the documented way to make an import fail
try:
    import structlog
    from structlog import processors, typing
finally:
    if _WITHOUT_RICH:
        del sys.modules["rich"]


class Level(enum.StrEnum):
    """Values of `--log-level`."""

    ALL = "all"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    NONE = "none"


_THRESHOLDS = {
    Level.ALL: logging.NOTSET,
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARN: logging.WARNING,
    Level.ERROR: logging.ERROR,
    Level.NONE: logging.CRITICAL,
}
_FIRST = ("ts", "level", "caller", "msg")
_NAMES = {"warning": "warn", "critical": "error", "exception": "error"}


class _Lines:
    """Where log lines go, from which level on, and who wants to know when that changes."""

    def __init__(self) -> None:
        self.level = Level.INFO
        self.out: TextIO = sys.stdout
        self.hooks: list[Callable[[Level], None]] = []


_lines = _Lines()


def get_logger() -> typing.FilteringBoundLogger:
    """A logger for a module; may be taken before `configure`."""
    logger: typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def configure(level: Level, stream: TextIO | None = None) -> None:
    """Sends our log lines, and those of libraries, to `stream` (stdout), from `level` upwards."""
    _lines.out = sys.stdout if stream is None else stream
    _configure(level)


def current_level() -> Level:
    """From which level on lines are written."""
    return _lines.level


def set_level(level: Level) -> None:
    """Changes the level from the next line on, and tells every hook, also when it is the same again."""
    _configure(level)
    for hook in tuple(_lines.hooks):
        hook(level)


def on_level(hook: Callable[[Level], None]) -> None:
    """`hook` is called with the level at every `set_level`: for whoever logs in another process."""
    _lines.hooks.append(hook)


def _configure(level: Level) -> None:
    _lines.level, out = level, _lines.out
    threshold = _THRESHOLDS[level]
    structlog.configure(
        processors=[
            *([_drop] if level is Level.NONE else []),
            structlog.contextvars.merge_contextvars,
            processors.add_log_level,
            processors.CallsiteParameterAdder(
                {processors.CallsiteParameter.FILENAME, processors.CallsiteParameter.LINENO}
            ),
            processors.format_exc_info,
            _compose,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge(out)]
    # Libraries talk a lot at their lower levels, and none of it is about load balancers.
    root.setLevel(max(threshold, logging.WARNING) if level is not Level.NONE else logging.CRITICAL + 1)


def _drop(_: typing.WrappedLogger, __: str, ___: typing.EventDict) -> typing.EventDict:
    raise structlog.DropEvent


def _compose(_: typing.WrappedLogger, __: str, event: typing.EventDict) -> typing.EventDict:
    level = event.pop("level", "info")
    head = {
        "ts": _now(),
        "level": _NAMES.get(level, level),
        "caller": f"{event.pop('filename', '?')}:{event.pop('lineno', 0)}",
        "msg": event.pop("event", ""),
    }
    return {**head, **{key: value for key, value in event.items() if key not in _FIRST}}


def _render(_: typing.WrappedLogger, __: str, event: typing.EventDict) -> str:
    # Not msgspec: it would write the fields of a dataclass, and a Secret is one.
    return json.dumps(event, default=str)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Bridge(logging.Handler):
    """Log records of libraries (asyncio, aiohttp, pyroute2) in the same form."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; the logging module's own hook."""
        level = record.levelname.lower()
        event: typing.EventDict = {
            "ts": _now(),
            "level": _NAMES.get(level, level),
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        self._out.write(json.dumps(event, default=str) + "\n")
        self._out.flush()
