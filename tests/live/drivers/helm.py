"""Some commands of `helm`, by the engine's own library: what the pages of docs/ say is run as it stands there, where there is no `helm`.

install, upgrade, template, uninstall, history, `get values` and `get manifest`, each with the flags below; KUBECONFIG names the cluster.
"""

import argparse
import json
import os
import sys
from typing import Any

import helm_python


def values(said: list[str]) -> dict[str, Any]:
    """What `--set a.b=c` means."""
    found: dict[str, Any] = {}
    for each in said:
        path, _, text = each.partition("=")
        *above, last = path.split(".")
        holder = found
        for key in above:
            holder = holder.setdefault(key, {})
        holder[last] = {"true": True, "false": False, "null": None}.get(text, text)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="helm", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--namespace", "-n", required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("install", "upgrade"):
        command = commands.add_parser(name, parents=[common])
        command.add_argument("release")
        command.add_argument("chart")
        command.add_argument("--set", action="append", default=[])
        command.add_argument("--reset-values", action="store_true")
        command.add_argument("--reuse-values", action="store_true")
    commands.choices["install"].add_argument("--create-namespace", action="store_true")
    template = commands.add_parser("template", parents=[common])
    template.add_argument("release")
    template.add_argument("chart")
    template.add_argument("--show-only", "-s", required=True)
    for name in ("uninstall", "history"):
        commands.add_parser(name, parents=[common]).add_argument("release")
    get = commands.add_parser("get", parents=[common])
    get.add_argument("what", choices=["values", "manifest"])
    get.add_argument("release")
    chosen = parser.parse_args()
    with helm_python.Config(kubeconfig_path=os.environ["KUBECONFIG"], namespace=chosen.namespace) as helm:
        match chosen.command:
            case "install":
                helm.install(chosen.chart, chosen.release, values(chosen.set), create_namespace=chosen.create_namespace)
            case "upgrade":
                helm.upgrade(
                    chosen.chart, chosen.release, values(chosen.set),
                    reuse_values=chosen.reuse_values, reset_values=chosen.reset_values,
                )  # fmt: skip
            case "template":
                chart = helm_python.Chart.load(chosen.chart)
                files = helm.render(chart, {}, name=chosen.release, namespace=chosen.namespace)
                print("\n---\n".join(text for path, text in files.items() if path.endswith(f"/{chosen.show_only}")))
            case "uninstall":
                helm.uninstall(chosen.release)
            case "history":
                print(json.dumps(helm.history(chosen.release), default=str))
            case _ if chosen.what == "manifest":
                print(helm.status(chosen.release)["manifest"])
            case _:
                print(json.dumps(helm.get_values(chosen.release), default=str))


if __name__ == "__main__":
    try:
        main()
    except helm_python.HelmError as error:
        sys.exit(f"Error: {error}")
