"""`frr-adapter log-level`: asks a program on this host (in this pod) from which level on it logs, or changes that.

Called by `cli.commands.log_level`. It speaks to the health port over loopback; must never reach for the Kubernetes API.
"""

import urllib.error
import urllib.request

_SECONDS = 10.0


class NoAnswerError(Exception):
    """The program did not do it; the text is one line for people."""


def exchange(port: int, level: str = "") -> str:
    """The level of the program whose health port this is, after changing it where `level` is not empty.

    Raises NoAnswerError with what the program said, or why it said nothing.
    """
    body = level.encode() if level else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}/log-level", body, method="PUT" if level else "GET")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            text: bytes = answer.read()
    except urllib.error.HTTPError as error:
        raise NoAnswerError(error.read().decode(errors="replace").strip()) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NoAnswerError(f"port {port} of 127.0.0.1 (--port): {reason}") from error
    return text.decode().strip()
