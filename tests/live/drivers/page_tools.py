"""`kubectl`, `helm` and `curl` for commands of docs/ in a lab, named by the first argument.

What the lab has is done for real, `kubectl exec` into the speakers' containers too. What it lacks goes to the program that stands for it:

* `kubectl exec` into the controller: our command in the controller's namespace
* `kubectl logs`: the log of that program, as the lab keeps it
* `kubectl port-forward`: nothing to do, since `curl` runs in the namespace of n1, where the port is
* `helm`: the engine's library, since there is no `helm` on this machine
* everything else of `kubectl`: this machine's own

Started by `tests.live.test_pages`, which says where the lab is (LAB_STATE, KUBECONFIG) and where the real programs are (REAL_PATH).
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import yaml

from lab import world
from lab.places import Places

NODE = "n1"


def become(command: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, "PATH": os.environ["REAL_PATH"]})  # noqa: S606


def inside(places: Places, namespace: str, command: list[str]) -> NoReturn:
    become([*world.entry_to(world.running(places), places, namespace), *command])


def kubectl(words: list[str], places: Places) -> None:
    if "port-forward" in words:
        return
    if "logs" in words:
        target = f"{NODE}/speaker" if "ds/frr-adapter-speaker" in words else "controller"
        print(places.log(target).read_text(encoding="utf-8"), end="")
        return
    if "exec" not in words or "deploy/frr-adapter-controller" not in words:
        become(["kubectl", *words])
    match words[words.index("--") + 1 :]:
        case ["frr-adapter", *rest]:
            inside(places, "control", [sys.executable, "-m", "cli", *rest])
        case other:
            sys.exit(f"the controller has no container here, and nothing stands for {other}")


def helm(words: list[str]) -> None:
    import helm_python

    parser = argparse.ArgumentParser(prog="helm")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--namespace", required=True)
    common.add_argument("-o", default="yaml")
    commands = parser.add_subparsers(dest="command", required=True)
    upgrade = commands.add_parser("upgrade", parents=[common])
    upgrade.add_argument("release")
    upgrade.add_argument("chart")
    upgrade.add_argument("--values", type=Path, required=True)
    for name in ("history", "rollback"):
        commands.add_parser(name, parents=[common]).add_argument("release")
    get = commands.add_parser("get", parents=[common])
    get.add_argument("what", choices=["values"])
    get.add_argument("release")
    chosen = parser.parse_args(words)
    with helm_python.Config(kubeconfig_path=os.environ["KUBECONFIG"], namespace=chosen.namespace) as engine:
        match chosen.command:
            case "upgrade":
                engine.upgrade(chosen.chart, chosen.release, yaml.safe_load(chosen.values.read_text(encoding="utf-8")))
            case "rollback":
                engine.rollback(chosen.release)
            case "history":
                print(json.dumps(engine.history(chosen.release), default=str))
            case _:
                print(yaml.safe_dump(engine.get_values(chosen.release)), end="")


def main() -> None:
    places = Places(Path(os.environ["LAB_STATE"]))
    _, called, *words = sys.argv
    if called == "kubectl":
        kubectl(words, places)
    elif called == "helm":
        helm(words)
    else:
        inside(places, NODE, [shutil.which("curl", path=os.environ["REAL_PATH"]) or "curl", "-sS", "--fail", *words])


if __name__ == "__main__":
    main()
