"""An in-memory FRR behind the `Applier` port: it runs what it is given, can be told to refuse, and forgets when it restarts."""

from frr_adapter import errors
from frr_adapter.frr import config as frr_config
from frr_adapter.frr import reloading, render


class FakeApplier:
    """`running` is the text of what runs, empty after a restart; `applied` counts the applies that changed something."""

    def __init__(self, templates) -> None:
        self._templates = templates
        self.running = ""
        self.applied = 0
        self.refuses = ""

    def restart(self) -> None:
        self.running = ""

    def forget(self) -> None:
        """What runs is asked at every apply."""

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        text = render.render(config, self._templates)
        if self.refuses and self.refuses in text:
            raise errors.ApplyError(f"FRR refused the configuration: refused: {self.refuses}")
        before, after = (_statements(item) for item in (self.running, text))
        self.running = text
        changed = reloading.Difference(
            tuple(reloading.redact(line, config.secrets) for line in before if line not in after),
            tuple(reloading.redact(line, config.secrets) for line in after if line not in before),
        )
        self.applied += bool(changed)
        return reloading.ApplyReport(changed)


def _statements(text: str) -> list[str]:
    return [
        line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(("!", "hostname"))
    ]
