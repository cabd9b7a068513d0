"""`frr-adapter node-report`: what the speaker of this pod and its FRR know, as JSON; other commands start it in every speaker's pod."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """Examples:
  kubectl -n metallb-system exec ds/frr-adapter-speaker -c speaker -- frr-adapter node-report
  kubectl -n metallb-system exec speaker-x7k2p -c speaker -- frr-adapter node-report | jq .speaker.layer2
"""


def command(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The speaker's --health-probe-port.")] = 17472,
    frr_vty_dir: Annotated[
        Path | None,
        typer.Option("--frr-vty-dir", help="Directory of FRR's VTY sockets; else the one that the speaker uses."),
    ] = None,
) -> None:
    """Print what the speaker of this pod and its FRR know about their node.

    Plans, decisions, sessions, configurations (wanted, applied and running), what neighbors were told, and what happened last, as
    JSON. There are no passwords in it. Takes five seconds at most; what FRR does not answer until then is missing, and frrError
    says so.
    """
    import asyncio
    import sys

    import msgspec

    from cli.boundary import pod
    from cli.documents.node_report import NodeReportDocument

    report = asyncio.run(pod.report(port, frr_vty_dir))
    document = NodeReportDocument(**{name: getattr(report, name) for name in report.__struct_fields__})
    encoded = msgspec.json.encode(document)
    # A pipe leads to another command, and a large cluster has megabytes of this.
    sys.stdout.write((msgspec.json.format(encoded) if sys.stdout.isatty() else encoded).decode() + "\n")
