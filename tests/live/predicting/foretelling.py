"""What `frr-adapter plan` says about a step, made into what is to be seen afterwards. The command runs as operators run it.

Used by `test_plan_reality`. Only the document counts; nothing of the command is imported but its type.
"""

import difflib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.documents import plan as plan_documents
from tests.live.predicting import documents, reality
from tests.live.predicting.step import Step

ROOT = Path(__file__).parents[3]
_NAMED = re.compile(r"^(?P<before>[ +-]?(?:! FRR configuration of node |hostname ))(?P<node>[a-z0-9]+)", re.MULTILINE)
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is to be seen after a step. `wrong` is what cannot even be true: a difference that does not fit the files."""

    addresses: dict[str, tuple[str, ...]]
    owners: dict[str, tuple[str, ...]]
    texts: dict[str, str]
    sessions: frozenset[reality.Session]
    resets: frozenset[reality.Session]
    wrong: tuple[str, ...] = ()

    def news(self, before: reality.Look) -> dict[str, int]:
        """How much of each kind shall be other than before."""
        return {
            "addresses": len(_unlike("", before.addresses, self.addresses)),
            "files": sum(text != before.texts[node] for node, text in self.texts.items()),
            "resets": len(self.resets),
            "sessions": len(self.sessions ^ frozenset(before.sessions)),
            "owners": len(_unlike("", before.owners, self.owners)),
        }

    def differences(self, before: reality.Look, after: reality.Look) -> tuple[str, ...]:
        """What did not come as foretold, hop by hop; empty when all did."""
        found = [*self.wrong]
        found += _unlike("addresses of", self.addresses, after.addresses)
        for node, text in self.texts.items():
            lines = difflib.unified_diff(
                text.splitlines(), after.texts[node].splitlines(), "foretold", "real", lineterm=""
            )
            if different := "\n".join(lines):
                found.append(f"frr.conf of {node}:\n{different}")
        found += _only("session", self.sessions, frozenset(after.sessions))
        found += _only("reset of", self.resets, reality.resets(before, after))
        found += _unlike("layer-2 owner of", self.owners, after.owners)
        return tuple(found)


def ask(kubeconfig: Path, directory: Path, step: Step) -> plan_documents.PlanDocument:
    """The command's answer for the step against the running cluster; the manifests lie in the directory."""
    for number, each in enumerate(step.put):
        name = f"{number:02}-{each['kind']}-{each['metadata']['name']}.json"
        (directory / name.lower()).write_bytes(msgspec.json.format(msgspec.json.encode(each)))
    going = [word for ref in step.gone for word in ("--delete", "/".join(filter(None, ref)))]
    files = ["-f", str(directory)] if step.put else []
    argv = [
        sys.executable,
        "-m",
        "cli",
        "plan",
        *files,
        *going,
        "--kubeconfig",
        str(kubeconfig),
        "--no-nodes",
        "-o",
        "json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT, env=environment)
    assert done.stdout, f"{' '.join(argv)}: {done.returncode}: {done.stderr}"
    assert done.returncode in (0, 1), f"{' '.join(argv)}: {done.returncode}: {done.stderr}"
    return msgspec.json.decode(done.stdout, type=plan_documents.PlanDocument)


def has_mistakes(document: plan_documents.PlanDocument, step: Step) -> bool:
    """Whether the step makes a mistake that was not meant as one."""
    meant = {*map(documents.ref_of, step.undo), *step.mistaken}
    return any(
        each.is_new and each.severity == "error" and (each.kind, each.namespace, each.name) not in meant
        for each in document.problems
    )


def read(document: plan_documents.PlanDocument, before: reality.Look, step: Step, frr: int) -> Prediction:
    """What follows from the answer for what was there before; `frr` is the major version of FRR."""
    gone = {f"{ref[1]}/{ref[2]}" for ref in step.gone if ref[0] == "Service"}
    new = {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in step.put if each["kind"] == "Service"
    }
    addresses = {**dict.fromkeys(new, ()), **before.addresses}
    addresses.update({each.service: each.after for each in document.addresses})
    owners = {**before.owners, **{each.service: (each.after,) for each in document.owners}}
    texts, sessions, resets, wrong = dict(before.texts), set(before.sessions), set[reality.Session](), []
    for change in document.nodes:
        for node in change.nodes:
            try:
                texts[node] = patched(before.texts[node], _of(node, change.diff))
            except ValueError as error:
                wrong.append(f"frr.conf of {node}: {error}")
            sessions |= {(node, each.neighbor) for each in change.sessions_gained}
            sessions -= {(node, each.neighbor) for each in change.sessions_lost}
            resets |= {(node, each.neighbor) for each in change.resets if each.since_frr <= frr}
    up = {key for key, line in before.sessions.items() if line.is_up}
    return Prediction(
        addresses={service: found for service, found in addresses.items() if service not in gone},
        # Who loses its addresses loses their owner with them; the answer says it once.
        owners={
            service: nodes
            for service, nodes in owners.items()
            if service not in gone and nodes != ("",) and addresses.get(service)
        },
        texts=texts,
        sessions=frozenset(sessions),
        resets=frozenset(resets & up),
        wrong=tuple(wrong),
    )


def patched(text: str, difference: str) -> str:
    """The text with a unified difference applied, to the letter. ValueError when it is the difference of another text."""
    old, new, at = text.splitlines(), list[str](), 0
    for line in difference.splitlines():
        if match := _HUNK.match(line):
            start = int(match[1]) - (match[2] != "0")
            new += old[at:start]
            at = start
        elif line.startswith(("---", "+++")) and not new and at == 0:
            continue
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            if at >= len(old) or old[at] != line[1:]:
                real = repr(old[at]) if at < len(old) else "the end"
                raise ValueError(f"line {at + 1} is foretold to have been {line[1:]!r}, but it is {real}")
            new += [line[1:]] if line.startswith(" ") else []
            at += 1
    return "\n".join((*new, *old[at:], ""))


def _of(node: str, difference: str) -> str:
    """The difference of a group of nodes, which has the name of the first, as that of one of them."""
    return _NAMED.sub(lambda match: match["before"] + node, difference)


def _unlike(what: str, foretold: dict[str, tuple[str, ...]], real: dict[str, tuple[str, ...]]) -> list[str]:
    keys = sorted(key for key in foretold.keys() | real.keys() if foretold.get(key, ()) != real.get(key, ()))
    return [f"{what} {key}: foretold {foretold.get(key, ())}, real {real.get(key, ())}" for key in keys]


def _only(what: str, foretold: frozenset[reality.Session], real: frozenset[reality.Session]) -> list[str]:
    missing = [f"{what} {node} with {neighbor}: foretold, not real" for node, neighbor in sorted(foretold - real)]
    return missing + [
        f"{what} {node} with {neighbor}: real, not foretold" for node, neighbor in sorted(real - foretold)
    ]
