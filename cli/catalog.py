"""Which commands there are, and what each is for, without loading any of them: all that `--help` and completion of names need.

Read by `cli.main`, `cli.completing` and the tests, which compare it with the commands themselves. Must never import one.
"""

from types import MappingProxyType

SUMMARY = "See before you apply, understand after: what frr-adapter would do, what it does, and why."

GROUPS = MappingProxyType(
    {
        "Before": {
            "plan": "Show what would change if these manifests were applied.",
            "render": "Print the frr.conf that a node would get from these manifests.",
            "validate": "Find all mistakes in manifests and FRR snippets, with file and line.",
            "import": "Read a MetalLB setup, and say what would be the same here and what would differ.",
        },
        "Now": {
            "status": "Show the whole installation at a glance: pools, sessions, owners, problems.",
            "explain": "Explain hop by hop whether and why a Service is reachable, and mark what to mend.",
            "sessions": "List the BGP sessions of all nodes, with what FRR says about each.",
            "owners": "List which node answers for each layer-2 address, and who would be next.",
            "config": "Show a node's frr.conf as it is wanted and as it runs, and the difference.",
            "watch": "Show what changes, as it changes.",
            "bundle": "Collect everything into one file, without passwords, for whoever helps.",
        },
        "Tools": {
            "crds": "Print the CustomResourceDefinitions of the metallb.io kinds.",
            "schema": "Print the JSON schema of what a command prints with -o json.",
            "log-level": "Print or change from which level on the program in this pod logs.",
            "node-report": "Print what the speaker of this pod and its FRR know about their node.",
            "completion": "Print the completion script of a shell.",
        },
    }
)
"""Title -> command -> the first line of its docstring."""

SUMMARIES = MappingProxyType({name: text for group in GROUPS.values() for name, text in group.items()})


def module(name: str) -> str:
    """Where the command of that name is."""
    stem = "import_" if name == "import" else name.replace("-", "_")
    return f"cli.commands.{stem}"


def overview(program: str) -> str:
    """The help of the command as a whole."""
    width = max(map(len, SUMMARIES))
    lines = [f"Usage: {program} COMMAND [OPTIONS] [ARGUMENTS]", "", SUMMARY]
    for title, group in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:{width}}  {text}" for name, text in group.items())]
    lines += [
        "",
        f"{program} COMMAND --help explains a command, with examples; {program} --version prints the version.",
    ]
    return "\n".join(lines) + "\n"
