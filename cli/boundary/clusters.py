"""Which cluster: the kubeconfig that kubectl would take, or the rights of the pod that we run in. Called by `sources`. Sends nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli import errors

_IN_POD = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True)
class Access:
    """`kubeconfig` may be several files as in $KUBECONFIG, None for the pod's own rights; `context` empty for the current one."""

    kubeconfig: Path | None
    context: str = ""

    @property
    def name(self) -> str:
        """For people: the context, as far as it can be told."""
        if self.kubeconfig is None:
            return "cluster of this pod"
        context = self.context or _current_context(self.kubeconfig)
        return f"cluster {context}" if context else f"cluster of {self.kubeconfig}"


def access(kubeconfig: str, context: str, environ: Mapping[str, str]) -> Access | None:
    """As kubectl chooses: the path that is given, $KUBECONFIG, ~/.kube/config, the pod; None where there is none of them.

    Raises `errors.NoAnswerError` for a path that is given and is no file.
    """
    if kubeconfig and not Path(kubeconfig).is_file():
        raise errors.NoAnswerError(f"--kubeconfig: {kubeconfig}: no such file")
    named = kubeconfig or environ.get("KUBECONFIG", "")
    if named:
        # Of several, kubectl leaves out what is not there; of one it says so.
        parts = [each for each in named.split(os.pathsep) if each]
        there = [each for each in parts if Path(each).is_file()]
        if not there:
            raise errors.NoAnswerError(f"$KUBECONFIG: {named}: no such file")
        return Access(Path(os.pathsep.join(there)), context)
    home = _of_home(environ)
    if home is not None:
        return Access(home, context)
    return Access(None) if environ.get(_IN_POD) else None


def _of_home(environ: Mapping[str, str]) -> Path | None:
    """In a container the user may have no home (RuntimeError), or one that it may not look into."""
    try:
        path = Path(environ.get("HOME") or "~").expanduser() / ".kube/config"
        return path if path.is_file() else None
    except (OSError, RuntimeError):
        return None


def _current_context(kubeconfig: Path) -> str:
    for each in str(kubeconfig).split(os.pathsep):
        try:
            read = yaml.safe_load(Path(each).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        found = read.get("current-context") if isinstance(read, dict) else ""
        if isinstance(found, str) and found:
            return found
    return ""
