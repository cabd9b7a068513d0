"""`make bench`: measures on this machine and writes docs/benchmarks.md. Figures never make it fail.

Parts: `lab`, `frr`, `bgp`, `layer2`, `layer2-many`, `speaker`, `controller` and `command`; without arguments all of them. Every part owns a
section of the page and leaves the others.
The controller is measured on the embedded API, and also on a real kube-apiserver where KUBEBUILDER_ASSETS names one.
"""

import argparse

from tests.bench import (
    bgp_bench,
    bgp_sessions,
    command_bench,
    controller_bench,
    figures,
    frr_bench,
    lab_bench,
    layer2_bench,
    speaker_bench,
)


def lab(chosen: argparse.Namespace) -> None:
    where = f"{figures.machine()}, FRR {figures.frr_version()}"
    found = lab_bench.run(chosen.runs, chosen.starts)
    report(chosen, "lab", lab_bench.TITLE, where, found, lab_bench.METHOD)


def frr(chosen: argparse.Namespace) -> None:
    where = f"{figures.machine()}, FRR {figures.frr_version()}"
    report(chosen, "frr", frr_bench.TITLE, where, frr_bench.run(chosen.runs), frr_bench.METHOD)


def bgp(chosen: argparse.Namespace) -> None:
    for root in bgp_sessions.installs():
        where = figures.machine()
        version, found = bgp_bench.run(root, bgp_bench.SMALL if chosen.small else bgp_bench.Plan())
        title = f"BGP with FRR {version}"
        report(
            chosen, f"bgp-frr{int(version.split('.')[0]):02}", title, f"{where}, FRR {version}", found, bgp_bench.METHOD
        )


def layer2(chosen: argparse.Namespace) -> None:
    where = figures.machine()
    plan = layer2_bench.SMALL if chosen.small else layer2_bench.Plan()
    report(chosen, "layer2-1-failures", layer2_bench.TITLE, where, layer2_bench.run(plan), layer2_bench.METHOD)


def layer2_many(chosen: argparse.Namespace) -> None:
    where = figures.machine()
    plan = layer2_bench.SMALL if chosen.small else layer2_bench.Plan()
    found = layer2_bench.run_many(plan)
    report(chosen, "layer2-2-many", layer2_bench.TITLE_MANY, where, found, layer2_bench.METHOD_MANY)


def speaker(chosen: argparse.Namespace) -> None:
    plan = speaker_bench.SMALL if chosen.small else speaker_bench.Plan(runs=chosen.runs)
    where = figures.machine()
    report(chosen, "speaker", speaker_bench.TITLE, where, speaker_bench.run(plan), speaker_bench.METHOD)


def controller(chosen: argparse.Namespace) -> None:
    plan = controller_bench.SMALL if chosen.small else controller_bench.FULL
    where, found = controller_bench.run_free(plan)
    report(chosen, "controller-1-alone", "Controller alone", where, found, controller_bench.METHOD_ALONE)
    for part, where, found in controller_bench.run(plan):
        title = f"Controller on {'a real kube-apiserver' if part.endswith('real') else 'the embedded API'}"
        report(chosen, part, title, where, found, controller_bench.METHOD)


def command(chosen: argparse.Namespace) -> None:
    where = figures.machine()
    found = command_bench.run(3 if chosen.small else 10)
    report(chosen, "command", command_bench.TITLE, where, found, command_bench.METHOD)


def report(
    chosen: argparse.Namespace, part: str, title: str, where: str, found: tuple[figures.Figure, ...], method: str
) -> None:
    figures.show(f"make bench: {title}", found)
    if not chosen.print_only:
        figures.write(part, figures.section(title, where, found, method))
        print(f"written: {figures.REPORT}", flush=True)


PARTS = {
    "lab": lab,
    "frr": frr,
    "bgp": bgp,
    "layer2": layer2,
    "layer2-many": layer2_many,
    "speaker": speaker,
    "controller": controller,
    "command": command,
}


def main() -> None:
    parser = argparse.ArgumentParser("tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--runs", type=int, default=30, help="lab, frr: Services to create, one after another")
    parser.add_argument("--starts", type=int, default=3, help="lab: how often it is started")
    parser.add_argument(
        "--small",
        action="store_true",
        help="bgp, layer2, layer2-many, speaker, controller: few Services, command: few runs, for a first look",
    )
    parser.add_argument("--print-only", action="store_true", help="do not write docs/benchmarks.md")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name, measure in PARTS.items():
        if not chosen.parts or name in chosen.parts:
            measure(chosen)


if __name__ == "__main__":
    main()
