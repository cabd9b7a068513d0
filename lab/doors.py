"""What stands for the containers of the speakers' pods, so that `kubectl exec` works: where a command for one of them runs.

Pure: the plan in, the file of the embedded API (`--doors`) out. A container's command runs in the network of its node, with FRR's
shell, our command and the node's files where a container has them.
"""

import os
import shlex
import sys
from pathlib import Path

import msgspec

from lab import objects
from lab.places import Places
from lab.plan import NodePlan, Plan

COMMAND = "frr-adapter"

# Beside the pod's own files; a machine whose FRR is elsewhere has no such directory.
_MOUNT = '[ ! -d /etc/frr ] || mount --bind "$0" /etc/frr; exec "$@"'


def encoded(plan: Plan, places: Places) -> bytes:
    """The file: `namespace/pod/container` -> how to run something there."""
    doors = {
        f"{objects.SYSTEM_NAMESPACE}/{objects.speaker_pod_name(node)}/{container}": _door(node, places)
        for node in plan.nodes
        for container in objects.SPEAKER_CONTAINERS
    }
    return msgspec.json.format(msgspec.json.encode(doors))


def command() -> str:
    """The script that stands for our command in a container."""
    return (
        f'#!/bin/sh\n# The operator\'s command, as in a container.\nexec {shlex.quote(sys.executable)} -P -m cli "$@"\n'
    )


def _door(node: NodePlan, places: Places) -> dict[str, object]:
    directory = places.node(node.name)
    return {
        "argv": [
            *("nsenter", f"--net={places.netns(node.name)}", "--"),
            *("unshare", "--mount", "sh", "-c", _MOUNT, str(directory)),
        ],
        "env": {
            "PATH": f"{directory}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "METALLB_NODE_NAME": node.name,
            "METALLB_POD_NAME": objects.speaker_pod_name(node),
            "METALLB_NAMESPACE": objects.SYSTEM_NAMESPACE,
        },
    }
