"""An applier around the others: one object that FRR refuses never keeps all the others from being applied.

Called by the speaker's loop. When FRR refuses a statement, the object behind it is found (`frr_adapter.frr.blame`) and set aside, alone:
what it said before stays in force, or it is left out. It is tried again when it changes, and not before: a refused configuration costs
a reload and the way back, and services change all the time. Who it was, only FRR can tell: a suspect without whom the same
statement is refused again is set free. It must never give up what runs: where nobody is found, the error goes up as it came.
"""

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from frr_adapter import refs
from frr_adapter.boundary import logs, metrics, ports
from frr_adapter.frr import blame, extras, parts, refusal, reloading
from frr_adapter.frr import config as frr_config

_log = logs.get_logger()

_ROUNDS = 8
"""Refused configurations of one apply; each takes seconds, and what ran before runs meanwhile."""

_EXTRAS = blame.Suspect(blame.Kind.EXTRAS)


@dataclass(frozen=True, slots=True)
class _Aside:
    """A suspect that was set aside. `refused` is what it says, `instead` what runs (None: nothing), `because` of what."""

    refused: parts.Part
    instead: parts.Part
    because: refusal.Refusal


_Asides = dict[blame.Suspect, _Aside]
_Option = tuple[blame.Suspect, parts.Part]


class QuarantineApplier:
    """An `Applier`. `namespace` is that of MetalLB's objects."""

    def __init__(self, inner: ports.Applier, namespace: str, counted: metrics.ApplyMetrics) -> None:
        self._inner = inner
        self._namespace = namespace
        self._counted = counted
        self._asides: _Asides = {}
        self._extras: tuple[str, ...] = ()  # with which the objects were set aside
        self._good: frr_config.FrrConfig | None = None  # what FRR took last
        self._memory = 0
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        """As `ports.Applier`. Who was set aside is remembered: an FRR that starts anew shall not meet the refused lines again."""
        self._memory += 1
        self._inner.forget()

    async def apply(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        """As `ports.Applier`; the report names the objects that do not run as they are written.

        Raises `refusal.RefusedError` with the objects that are to blame, as far as they are known, when leaving them out did not help.
        """
        return await asyncio.shield(self._in_turn(config))

    async def _in_turn(self, config: frr_config.FrrConfig) -> reloading.ApplyReport:
        async with self._turn:
            asides = self._still_aside(config)
            tried: dict[str, list[_Option]] = {}
            for left in reversed(range(_ROUNDS)):
                self._read_extras(config, asides)
                reduced = _reduced(config, asides)
                memory = self._memory
                try:
                    report = await self._inner.apply(reduced)
                except refusal.RefusedError as error:
                    # A daemon that went away meanwhile refuses anything; and what was not refused in so many words is not blamed.
                    known = memory == self._memory
                    if not known or not left or not self._set_aside(config, reduced, asides, tried, error):
                        objects = self._objects_of(config, error)
                        whose = "".join(f"{ref}: " for ref in objects[:1])
                        raise refusal.RefusedError(f"{whose}{error}", error.refusals, objects) from error
                    continue
                self._good = reduced
                return dataclasses.replace(report, left_out=self._tell(config, asides))
            raise AssertionError("the last round returns or raises")

    # ---- Who is aside ----

    def _still_aside(self, config: frr_config.FrrConfig) -> _Asides:
        """Those who say the same as when they were refused. Other extra lines change what all the others meet."""
        if config.extras != self._extras:
            return {}
        return {
            suspect: aside for suspect, aside in self._asides.items() if parts.part(config, suspect) == aside.refused
        }

    def _read_extras(self, config: frr_config.FrrConfig, asides: _Asides) -> None:
        """Sets the extra lines aside when they speak against ours, before FRR meets them."""
        found = extras.objections(config)
        if not found or _EXTRAS in asides:
            return
        before = self._good.extras if self._good else ()
        if extras.objections(dataclasses.replace(config, extras=before)):
            before = ()
        because = refusal.Refusal(reloading.redact(found[0].statement, config.secrets), found[0].words)
        asides[_EXTRAS] = _Aside(config.extras, before or None, because)

    def _set_aside(
        self,
        config: frr_config.FrrConfig,
        reduced: frr_config.FrrConfig,
        asides: _Asides,
        tried: dict[str, list[_Option]],
        error: refusal.RefusedError,
    ) -> bool:
        """Sets one suspect aside for each refused statement; False when nobody is left for any of them."""
        chosen: set[blame.Suspect] = set()
        for each in error.refusals:
            before = tried.setdefault(each.statement, [])
            options = [option for option in self._options(config, reduced, each.statement) if option not in before]
            if any(suspect in chosen for suspect, _ in options):
                continue  # the same one is behind several statements
            if not options:
                continue
            suspect, instead = options[0]
            if before and (free := before[-1][0]) != suspect and free in asides and asides[free].because == each:
                del asides[free]  # the statement is refused without this one, too
            before.append(options[0])
            asides[suspect] = _Aside(parts.part(config, suspect), instead, each)
            chosen.add(suspect)
        return bool(chosen)

    def _options(
        self, config: frr_config.FrrConfig, reduced: frr_config.FrrConfig, statement: str
    ) -> Iterator[_Option]:
        """Whom to set aside, and what to run instead: what it said before, else nothing."""
        for suspect in blame.suspects(reduced, statement):
            good = parts.part(self._good, suspect) if self._good else None
            now = parts.part(reduced, suspect)
            if good is not None and good not in (now, parts.part(config, suspect)):
                yield suspect, good
            if now is not None:
                yield suspect, None

    # ---- Telling ----

    def _objects_of(self, config: frr_config.FrrConfig, error: refusal.RefusedError) -> tuple[refs.ObjectRef, ...]:
        return tuple(
            dict.fromkeys(
                ref
                for each in error.refusals
                for suspect in blame.suspects(config, each.statement)[:1]
                for ref in blame.objects(config, suspect, self._namespace)
            )
        )

    def _tell(self, config: frr_config.FrrConfig, asides: _Asides) -> tuple[refusal.LeftOut, ...]:
        told = tuple(
            refusal.LeftOut(
                blame.objects(config, suspect, self._namespace), aside.because, is_kept=aside.instead is not None
            )
            for suspect, aside in sorted(asides.items(), key=lambda pair: pair[0])
        )
        for suspect, each in zip(sorted(asides), told, strict=True):
            if self._asides.get(suspect) != asides[suspect]:
                _log.error("object set aside", objects=[str(ref) for ref in each.refs], reason=each.message)
        for suspect in self._asides.keys() - asides.keys():
            _log.info("object no longer set aside", part=str(suspect.kind), name=" ".join(suspect.key))
        self._asides, self._extras = asides, config.extras
        self._counted.set_left_out(ref for each in told for ref in each.refs)
        return told


def _reduced(config: frr_config.FrrConfig, asides: _Asides) -> frr_config.FrrConfig:
    for suspect, aside in sorted(asides.items(), key=lambda pair: pair[0]):
        config = parts.with_part(config, suspect, aside.instead)
    return config
